"""Plugins by topic, and how hypothesis runs: without a database, because the checkout may not be the runner's to write."""

from __future__ import annotations

from hypothesis import settings

pytest_plugins = [
    "tests.peers.docker_registry",
    "tests.peers.faulty",
    "tests.peers.podman",
    "tests.peers.proxy",
    "tests.peers.recorded",
    "tests.product",
]

settings.register_profile("sampan", database=None, deadline=None)
settings.load_profile("sampan")
