"""`cgroup`: the payload in a control group, and nothing of it left. Needs one that this user may make groups in."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.native.watching import PIDS, PLAIN, processes, until

both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])


def own_groups():
    """Directories of control groups in which this user may make others: delegated ones, or any for root."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        places = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] if number == "0" else [f"/sys/fs/cgroup/{controllers}"]
        yield from (place + path.rstrip("/") for place in places)
    yield from os.environ.get("SAMPAN_TEST_CGROUP", "").split(":")


def usable(path):
    """One whose groups a process of ours may join: cgroup2 wants the common ancestor to be ours too."""
    try:
        os.mkdir(f"{path}/sampan-test")
    except OSError:
        return False
    try:
        done = subprocess.run(["sh", "-c", 'echo 0 > "$0/cgroup.procs"', f"{path}/sampan-test"], stderr=subprocess.DEVNULL)
        return done.returncode == 0
    finally:
        until(lambda: not Path(f"{path}/sampan-test/cgroup.procs").read_text())
        os.rmdir(f"{path}/sampan-test")


PLACES = [path for path in own_groups() if path and os.path.isdir(path) and usable(path)]


@pytest.fixture(params=PLACES or [None])
def group(request, tmp_path):
    if request.param is None:
        pytest.skip("this user has no control group of its own")
    path = Path(request.param) / f"sampan-{os.getpid()}"
    path.mkdir()
    yield path
    if path.exists():
        path.rmdir()


@both_spaces
def test_the_payload_is_in_it_and_the_watcher_is_not(spaces, group, watched, marker):
    with watched.start(("cgroup", str(group)), argv=("sleep", marker), spaces=spaces) as process:
        (payload,) = until(lambda: processes(f"sleep\0{marker}"))
        members = list(map(int, (group / "cgroup.procs").read_text().split()))
        assert payload in members
        assert process.pid not in members
        process.terminate()
        assert process.wait(timeout=10) == 143
    assert not group.exists()


@both_spaces
def test_what_is_left_in_it_is_killed(spaces, group, watched, marker):
    script = f"setsid sleep {marker} >&- 2>&- & setsid sleep {marker} >&- 2>&- & sleep 0.2; exit 5"
    done = watched.run(("cgroup", str(group)), ("bind", "/dev", "/dev", ""), argv=("sh", "-c", script), spaces=spaces)
    assert (done.returncode, done.stderr) == (5, "")
    assert not processes(marker)
    assert not group.exists()


def test_another_command_joins_it_and_leaves_it(group, watched, marker):
    watched.detach(("cgroup", str(group)), argv=("sleep", "60"), flags="")
    payload = watched.payload()
    enter = ("enter", str(payload["pid"]), str(payload["start"]), PIDS)
    plan = [enter, ("cgroup", str(group)), ("env", "PATH=/bin"), ("exec", "sleep", marker)]
    with watched.launch.start(plan) as process:
        (other,) = until(lambda: processes(f"sleep\0{marker}"))
        assert str(other) in (group / "cgroup.procs").read_text().split()
        process.terminate()
    assert group.exists()
    os.kill(payload["pid"], signal.SIGKILL)
    watched.exit()
    assert not group.exists()


def test_a_group_that_is_none(watched, tmp_path):
    done = watched.run(("cgroup", str(tmp_path / "none")), ("image", "x"))
    assert (done.returncode, done.stderr) == (
        125, f"sampan: cannot start x: it cannot use the control group {tmp_path}/none: No such file or directory\n",
    )  # fmt: skip
    (tmp_path / "plain").mkdir()
    done = watched.run(("cgroup", str(tmp_path / "plain")), ("image", "x"))
    assert (done.returncode, f"it cannot join the control group {tmp_path}/plain" in done.stderr) == (125, True)
