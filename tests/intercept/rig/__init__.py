"""Whole test suites and working days of large programs, run by the namespace engine and by the interception engine on one tree."""
