"""Who stays beside a container of the engine `intercept`, and what comes into it later; `tests/journeys/test_life.py` has the life of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from dataclasses import replace

import pytest

from sampan.host import native
from tests.engines.conftest import PROBES
from tests.engines.shells import Shelled

SHELLS = ["no user namespaces", "an outer filter without openat2"]


@pytest.fixture
def box(request, shells, tmp_path, machine_reference):
    """A store of the test's own, used in a shell where the engine is taken by itself; what still runs at the end is ended."""
    if PROBES["intercept"][0] is None:
        pytest.skip(f"the engine intercept does not work here: {PROBES['intercept'][1]}")
    shell = getattr(request, "param", "a free shell")
    if shell not in shells:
        pytest.skip(f"such a shell cannot be had here: {shell}")
    runtime = {"SAMPAN_RUNTIME_DIR": str(tmp_path / "runtime")}
    found = Shelled(home=tmp_path / "store", directory=tmp_path, image=machine_reference, variables=runtime, shell=shells[shell])
    found.good("pull", machine_reference)
    yield found
    free = replace(found, shell=())  # from here all user namespaces below can be looked into
    for id in free("ps", "-aq", "--no-trunc").lines:
        if len(id) == 64:
            free("rm", "-f", id)


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def detached(box, *words, options=()):
    box.good("run", "-d", "--name", "web", *options, box.image, *words)
    return box


def processes(mark):
    return subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True).stdout.split()


@pytest.fixture
def own(box):
    """In a free shell with this engine: the tests' shells are user namespaces of their own, and cannot look into each other."""
    return replace(box, variables={**box.variables, "SAMPAN_ENGINE": "intercept"})


@pytest.mark.parametrize("box", SHELLS, indirect=True)
def test_a_detached_container_where_namespaces_are_refused(box):
    detached(box, "sh", "-c", "echo up; sleep 0.2; echo down >&2; exit 7")
    assert box.good("wait", "web").lines == ["7"]
    done = box.good("logs", "web")
    assert (done.out, done.err) == (b"up\n", "down\n")
    failed = box("run", "-d", box.image, "no-such")
    assert (failed.status, "no-such" in failed.err) == (127, True)


def test_nothing_is_left_of_it(own):
    """Also what left the payload's session is found, by what it has mapped."""
    mark = f"sleep 6000.{os.getpid()}{time.monotonic_ns() % 1000000}"
    detached(own, "sh", "-c", f"setsid {mark} & exec {mark}")
    until(lambda: len(processes(f"^{mark}")) == 2)
    assert len(own.good("top", "web").lines) == 3
    own.good("exec", "-d", "web", *mark.split())
    until(lambda: len(processes(f"^{mark}")) == 3)
    own.good("rm", "-f", "web")
    until(lambda: not processes(f"^{mark}"))


def test_what_came_later_shares_everything(own):
    """Empty directories, owners that were set, and names: the directory cache of each is told of the other's changes."""
    script = "mkdir -p /d/e; chown 7:8 /d; echo 1 > /empty/x; while :; do test -e /d/e/go && echo seen; sleep 0.05; done"
    detached(own, "sh", "-c", script, options=("--root", "--tmpfs", "/empty", "--ulimit", "nofile=300:400"))
    until(lambda: own("exec", "web", "cat", "/empty/x").out == b"1\n")
    done = own.good("exec", "web", "sh", "-c", "stat -c %u:%g /d; id -u; ulimit -n; ulimit -Hn; chown 9 /d/e; echo 2 > /empty/x")
    assert done.lines == ["7:8", "0", "300", "400"]
    assert own.good("start", "web", "sh", "-c", "stat -c %u /d/e; cat /empty/x").lines == ["9", "2"]
    own.good("exec", "web", "sh", "-c", "rm -r /d/e; mkdir -p /other/go; mv /other /d/e")
    until(lambda: b"seen" in own.good("logs", "web").out)


def test_a_health_check_is_inside(own):
    options = (
        "--tmpfs",
        "/empty",
        "-e",
        "A=1",
        "--health-cmd",
        "test $A = 1 && test -e /empty/x && pwd",
        "--health-interval",
        "100ms",
        "-w",
        "/usr",
    )
    detached(own, "sh", "-c", "echo > /empty/x; exec sleep 60", options=options)
    until(lambda: "running (healthy)" in own.good("ps").text)


def test_what_cannot_be_entered_is_said(own, tmp_path):
    program = "import ctypes, time; ctypes.CDLL(None).prctl(4, 0); print('up', flush=True); time.sleep(60)"
    detached(own, "python3", "-c", program)
    until(lambda: own.good("logs", "web").out)
    done = own("exec", "web", "true")
    assert (done.status, "may not be looked into" in done.err) == (125, True), done.err
    done = replace(own, variables={**own.variables, "SAMPAN_ENGINE": "auto"})("exec", "web", "true")
    assert (done.status, "cannot be entered" in done.err) == (125, True), done.err
    own.good("rm", "-f", "web")
    detached(own, "sleep", "60")
    (tmp_path / "programs").mkdir()
    real = os.environ.get("SAMPAN_PROGRAMS", native.PACKAGED)
    for name in ("sampan-run", "sampan-intercept"):
        shutil.copy(os.path.join(real, name), tmp_path / "programs")
    other = replace(own, variables={**own.variables, "SAMPAN_PROGRAMS": str(tmp_path / "programs")})
    done = other("exec", "web", "true")
    assert (done.status, "another copy of the interception engine" in done.err) == (125, True), done.err


def test_a_copy_goes_where_the_container_looks(own, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "file").write_text("x")
    detached(own, "sleep", "60", options=("-v", f"{tmp_path}/data:/data", "--tmpfs", "/empty"))
    for goal, said in (("/data/sub", f"is {tmp_path}/data/sub of this machine"), ("/empty/x", "lies in /empty")):
        done = own("cp", "file", f"web:{goal}")
        assert (done.status, said in done.err) == (125, True), done.err
    own.good("cp", "file", "web:/opt-file")
    assert own.good("exec", "web", "cat", "/opt-file").out == b"x"


def test_no_file_of_it_holds_a_watcher(own, tmp_path):
    done = own("wrap", "--timeout", "5", "-o", tmp_path / "tool", own.image, "true")
    assert (done.status, "cannot hold a time limit" in done.err) == (125, True), done.err


def test_devices_and_what_would_be_made_on_this_machine(own):
    assert own.good("run", "--device", "/dev/zero", own.image, "sh", "-c", "head -c 2 /dev/zero | wc -c").lines == ["2"]
    done = own("run", "--device", "/dev/zero:/dev/naught", own.image, "true")
    assert (done.status, "nothing is made there" in done.err, os.path.exists("/dev/naught")) == (125, True, False), done.err
    for words, said in (
        (["--shm-size", "2m"], "--shm-size"),
        (["--tmpfs", "/x:size=1m"], "--tmpfs"),
        (["--init"], "--init"),
        (["--pid=private"], "--pid"),
    ):
        done = own("run", *words, own.image, "true")
        assert (done.status, said in done.err, "Traceback" in done.err) == (125, True, False), done.err
