"""Limits that a payload sets for itself: where they are too small for the engine, a line says so; where natively all is well, so it is here."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("limit", "words"), [("-v 500", "address space (ulimit -v)"), ("-v 1400", "address space"), ("-d 600", "data (ulimit -d)")]
)
def test_too_little_memory_for_the_engine(intercept, limit, words):
    done = intercept.run("/bin/sh", "-c", f"ulimit {limit}; /bin/true; echo status $?")
    assert done.stdout == "status 126\n"
    assert "sampan: the interception engine cannot start /usr/bin/true: " in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize("limit", ["-v 4000", "-d 1100", "-s 64", "-S -n 4", "-c 0", "-l 0", "-f 0", "-t 1"])
def test_enough_is_enough(namespace, intercept, limit):
    for side in (namespace, intercept):
        done = side.run("/bin/sh", "-c", f"ulimit {limit}; /bin/true; echo status $?")
        assert (done.stdout, done.stderr) == ("status 0\n", "")
