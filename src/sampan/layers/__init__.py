"""Layers: read their archives, merge them, and put the result into a directory."""
