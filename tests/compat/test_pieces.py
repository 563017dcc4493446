"""Pieces of the compatible programs by themselves: tables that are asked late, weaker requests, mount points, YAML."""

from __future__ import annotations

import shutil
from datetime import datetime, timezone

import pytest

from sampan.compat import mount_points
from sampan.compat.docker.events import changes
from sampan.compat.docker.info import yaml
from sampan.compat.docker.words import moment
from sampan.compat.launch import weaker
from sampan.container.request import Request
from sampan.errors import UsageError
from sampan.events import Notice
from sampan.options.parse import parse
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.terminal.gotemplate.functions import Ordered
from tests.structure.test_startup import instructions, started

TABLE = Command("x", "", (Option("-a", FLAG, ""),), (Argument("WORD", "*", ""),), options_end=True)


class Heard(Notice):
    def __init__(self) -> None:
        self.lines = []

    def warn(self, text: str) -> None:
        self.lines.append(text)


def test_more_options_are_asked_for_once_and_only_for_a_word_that_is_not_there():
    asked = []

    def more():
        asked.append(1)
        return (Option("-b --bee", VALUE, ""), Option("-c", FLAG, ""))

    assert parse(TABLE, ["-a", "x", "--bee"], more).values == {"a": True, "word": ("x", "--bee")}
    assert asked == []
    found = parse(TABLE, ["-ac", "--bee=1", "-b", "2", "y"], more)
    assert (found.values, found.given) == ({"a": True, "bee": "2", "c": True, "word": ("y",)}, {"a", "bee", "c"})
    assert asked == [1]
    with pytest.raises(UsageError, match="has no option --bea") as caught:
        parse(TABLE, ["--bea"], more)
    assert "--bee" in caught.value.hint


def test_a_weaker_request_says_what_was_named_and_is_lost():
    heard = Heard()
    found = weaker(Request("i", network="none", hostname="h", init=True), heard)
    assert (found.network, found.hostname, found.init, found.pid, found.ipc, found.uts) == (
        None,
        None,
        False,
        "host",
        "host",
        "host",
    )
    assert [line.split(" is ")[0] for line in heard.lines] == ["--network none", "--hostname"]
    heard.lines.clear()
    assert weaker(found, heard) is None
    assert weaker(Request("i"), heard) is not None
    assert heard.lines == []


def test_mount_points_are_made_below_their_own_directory_only(tmp_path):
    outer, inner, outside = tmp_path / "outer", tmp_path / "inner", tmp_path / "outside"
    for directory in (outer, inner, outside):
        directory.mkdir()
    (inner / "file").write_text("x")
    (outer / "link").symlink_to(outside)
    (outer / "kept").write_text("kept")

    def make(*volumes: str) -> None:
        mount_points.make(Request("i", volumes=volumes))

    make(f"{outer}:/w", f"{inner}:/w/new/dir", f"{inner}/file:/w/new/file", f"{inner}/file:/w/kept", f"{inner}/file:/w/link/x")
    assert (outer / "new/dir").is_dir()
    assert (outer / "new/file").read_text() == ""
    assert (outer / "kept").read_text() == "kept"
    assert list(outside.iterdir()) == []
    make(f"{outer}:/w:ro", f"{inner}:/w/other")
    make(f"{outer}:/w")
    make(f"{tmp_path}/none:/w", f"{inner}:/w/x")
    make(f"{inner}:/w/x", f"{outer}:/w", f"{inner}:/w/x/y")
    assert (inner / "y").is_dir()
    assert sorted(path.name for path in outer.iterdir()) == ["kept", "link", "new", "x"]


def test_events_between_two_states():
    assert changes("", "running") == ["create", "start"]
    assert changes("", "exited") == ["create", "start", "die"]
    assert changes("running", "paused") == ["pause"]
    assert changes("paused", "running") == ["unpause"]
    assert changes("paused", "") == ["die", "destroy"]
    assert changes("exited", "") == ["destroy"]
    assert changes("exited", "running") == ["start"]
    assert changes("created", "created") == []


def test_moments_are_those_of_the_calendar():
    for text in (
        "1970-01-01T00:00:00Z",
        "2000-02-29T23:59:59Z",
        "2026-11-25T05:16:01.25Z",
        "2100-03-01T00:00:00Z",
        "1999-12-31T12:00:00+00:00",
    ):
        wanted = datetime.fromisoformat(text[:19]).replace(tzinfo=timezone.utc).timestamp() + (0.25 if "." in text else 0)
        assert moment(text) == wanted
    for text in ("", "yesterday", "2026-13-01T00:00:00Z", "2026-1x-01T00:00:00Z"):
        assert moment(text) == 0


def test_yaml_is_read_back_as_it_was():
    reader = pytest.importorskip("yaml")
    document = Ordered(
        a=Ordered(text="plain", odd="no: #", word="yes", number=3, half=0.5, flag=True, nothing=None, empty=[], none=Ordered()),
        list=["a", "- b", "1"], path="/x y", version="12", quote='say "x"', letters="ä",
    )  # fmt: skip
    assert reader.safe_load(yaml(document)) == document


MARGIN = 5_500_000
"""The aim is five millions (docs/benchmarks.md); what a table or an import more would cost shows here."""
LATE = ("docker.unserved", "docker.mounting", "docker.asked", "mount_points", "launch", "podman_more")


@pytest.mark.parametrize("name", ["docker", "podman", "udocker"])
def test_a_start_costs_little_more_than_that_of_sampan(name, docker):
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    counting = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    store, words = docker.store, ["run", "--rm", "machine:1", "true"]
    store.good("run", "machine:1", "true")
    store.good(name, *words)
    listed = set(started(store, name, *words, LIST="1").split())
    assert [word for word in LATE if f"sampan.compat.{word}" in listed] == []
    ours = instructions(started(store, name, *words, prefix=counting))
    base = instructions(started(store, "run", "machine:1", "true", prefix=counting))
    assert ours - base <= MARGIN
