"""Real peers and doubles that tests talk to, as pytest plugins by topic."""
