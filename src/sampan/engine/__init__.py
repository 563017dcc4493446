"""Ways to carry out a plan: each engine says what it can, refuses what it cannot, and launches."""
