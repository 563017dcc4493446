"""How `sampan.pyz` starts. Not part of an installed sampan."""
