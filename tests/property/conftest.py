"""Hypothesis keeps no database: the checkout may belong to another user than the one who runs the tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no database", database=None)
settings.load_profile("no database")
