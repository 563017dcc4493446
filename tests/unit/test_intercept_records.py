"""What the engine `intercept` asks of its program and of the watcher beside it: every part of a plan goes to exactly one of them."""

from __future__ import annotations

import os

import pytest

from sampan import settings
from sampan.container import ids, root
from sampan.container.asks import Can
from sampan.engine.base import Work
from sampan.engine.encoding import decode
from sampan.engine.intercept import ALWAYS, Intercept
from sampan.errors import CannotHonour
from tests.unit.test_container import facts, planned

pytestmark = pytest.mark.client

CAN = Can("intercept", ALWAYS | {"landlock"})


@pytest.fixture
def engine(tmp_path):
    for name in ("sampan-run", "sampan-intercept"):
        (tmp_path / name).touch(0o755)
    return Intercept(settings.load({"SAMPAN_PROGRAMS": str(tmp_path), "HOME": str(tmp_path)}))


def files(start):
    """The records of each descriptor that is handed on, which is closed."""
    found = []
    for descriptor in start.descriptors:
        with os.fdopen(descriptor, "rb") as stream:
            found.append(decode(stream.read()))
    return found


def names(records):
    return [record[0] for record in records]


def test_nobody_stays_for_nothing(engine):
    start = engine.command(planned(can=CAN, limits=("nofile=9",), cpuset="0"))
    (inner,) = files(start)
    assert start.argv[0] == "sampan-intercept"
    assert {("limit", "nofile", "9", "9"), ("cpus", "0")} <= set(inner)
    assert ("intercept", "ready", "") not in inner


def test_the_watcher_has_its_part_and_no_other(engine, tmp_path):
    plan = planned(can=CAN, fact=facts(cgroup="/group"), memory="1g", timeout="5", limits=("nofile=9",), environment=("A=1",))
    start = engine.command(plan)
    outer, inner = files(start)
    assert start.argv[0] == "sampan-run"
    assert names(outer) == ["owner", "image", "cgroup", "root-host", "env-prefix", "watch", "args", "exec"]
    assert outer[-1] == ("exec", str(tmp_path / "sampan-intercept"), f"--fd={start.descriptors[1]}")
    assert inner[0] == ("intercept", "ready", "")
    assert not {"cgroup", "watch", "unshare", "fds", "attach", "health"} & set(names(inner))
    assert {("env", "A=1"), ("limit", "nofile", "9", "9")} <= set(inner)


def test_a_health_check_is_a_second_program(engine, tmp_path):
    plan = planned(can=CAN, keep="copy", directory=str(tmp_path), health_command="true", environment=("A=1",), landlock=True)
    outer, _ = files(engine.command(plan))
    health = next(record for record in outer if record[0] == "health")
    assert health[5:] == (str(tmp_path / "sampan-intercept"), str(tmp_path / "check"), "/bin/sh", "-c", "true")
    check = decode((tmp_path / "check").read_bytes())
    assert {("intercept", "enter", ""), ("intercept", "landlock", ""), ("env", "A=1"), ("args", "append"), ("exec",)} <= set(
        check
    )
    assert not {"root-tree", "bind", "tmpfs", "file"} & set(names(check))


@pytest.mark.parametrize("detach", [False, True])
def test_a_second_program_has_no_root_of_its_own(engine, detach):
    *outer, inner = files(engine.join(planned(can=CAN, command=("ls", "-l")), (7, 8, ()), "/work", detach=detach))
    assert {("intercept", "enter", "7 8"), ("cwd", "/work", "/"), ("exec", "ls", "-l")} <= set(inner)
    assert not {"root-tree", "bind"} & set(names(inner))
    assert bool(outer) == detach
    assert ("watch", "detach", "", "15", "10", "0") in (outer[0] if outer else [("watch", "detach", "", "15", "10", "0")])


def test_files_are_worked_on_where_they_lie(engine):
    single = ids.single((0, 0), (1000, 100))
    (records,) = files(engine.outside(Work("web", root.Copy("/c/rootfs"), single, ("prog", "word"), owner=1000)))
    assert names(records) == ["owner", "image", "root-host", "env-prefix", "cwd", "die-with-parent", "args", "exec"]
    assert ("cwd", "/c/rootfs", "refuse") in records
    several = ids.several((1000, 100), ((100000, 9),), ((100000, 9),))
    for maps, place, said in ((several, root.Copy("/c"), "several ids"), (single, root.Overlay("/l", "/u", "/w"), "an overlay")):
        with pytest.raises(CannotHonour, match=said):
            engine.outside(Work("web", place, maps, ("prog",), owner=1000))


def test_a_launch_file_holds_no_watcher(engine):
    with pytest.raises(CannotHonour, match="cannot hold a time limit"):
        engine.launch_file(planned(can=CAN, timeout="5"), "/p", "append")
    assert decode(engine.launch_file(planned(can=CAN), "/p", "append"))
