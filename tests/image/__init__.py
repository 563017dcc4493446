"""Tests of archives: reading, loading, saving, importing, exporting, without peers."""
