"""Plugins by topic, how hypothesis runs (without a database, because the checkout may not be the runner's to write), and signals.

Who starts the tests in the background of a script hands them an ignored SIGINT, which every program started here would inherit.
"""

from __future__ import annotations

import signal

from hypothesis import settings

pytest_plugins = [
    "tests.peers.docker_registry",
    "tests.peers.faulty",
    "tests.peers.object_store",
    "tests.peers.podman",
    "tests.peers.proxy",
    "tests.peers.recorded",
    "tests.peers.rocrate",
    "tests.journeys.registries",
    "tests.product",
    "tests.peers.clients",
    "tests.images.arena",
    "tests.journeys.launches",
]

settings.register_profile("sampan", database=None, deadline=None)
settings.load_profile("sampan")

signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
