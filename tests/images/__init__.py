"""Small images made for tests."""
