"""Tests of the interception engine against the namespace engine on the same tree."""
