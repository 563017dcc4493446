"""Containers that PRoot and runc start: they live, are joined, copied to and ended as those of the other engines, and what these programs lack is made up for."""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from tests.engines.conftest import PROBES
from tests.product import Sampan


@pytest.fixture(params=["proot", "oci-runtime"])
def box(request, tmp_path, machine_reference):
    """A store of the test's own, used with the engine."""
    if PROBES[request.param][0] is None:
        pytest.skip(f"the engine {request.param} does not work here: {PROBES[request.param][1]}")
    own = {"SAMPAN_RUNTIME_DIR": str(tmp_path / "runtime"), "SAMPAN_ENGINE": request.param}
    found = Sampan(tmp_path / "store", tmp_path, machine_reference, variables=own)
    found.good("pull", machine_reference)
    yield found
    for id in found("ps", "-aq", "--no-trunc").lines:
        if len(id) == 64:
            found("rm", "-f", id)


def processes(mark):
    return subprocess.run(["pgrep", "-f", mark], capture_output=True, text=True).stdout.split()


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_the_life_of_one(box, tmp_path):
    script = 'echo out; echo err >&2; mkdir -p /made/here; trap "exit 9" TERM; while :; do sleep 0.05; done'
    box.good("run", "-d", "--name", "web", box.image, "sh", "-c", script)
    until(lambda: b"err\n" in box.good("logs", "web").err.encode())
    (tmp_path / "file").write_text("copied\n")
    box.good("cp", tmp_path / "file", "web:/made/file")
    done = box("exec", "web", "sh", "-c", "cat /made/file; ls -d /made/here; pwd; id -u; exit 4", cwd=tmp_path)
    assert (done.status, done.lines) == (4, ["copied", "/made/here", str(tmp_path), str(os.getuid())]), done.err
    mark = f"sleep 7000.{os.getpid()}{time.monotonic_ns() % 1000000}"
    box.good("exec", "-d", "web", *mark.split())
    until(lambda: processes(f"^{mark}"))
    assert any(mark in line for line in box.good("top", "web").lines)
    box.good("stop", "web")
    assert box.good("wait", "web").lines == ["9"]
    assert box.good("start", "web", "cat", "/made/file").lines == ["copied"]
    assert {"A /made/file", "A /made/here"} <= set(box.good("diff", "web").lines)
    box.good("rm", "web")
    for pid in processes(f"^{mark}"):
        os.kill(int(pid), 9)


def test_nothing_is_left_of_one_that_is_removed_by_force(box):
    mark = f"sleep 7001.{os.getpid()}{time.monotonic_ns() % 1000000}"
    box.good("run", "-d", "--name", "web", box.image, "sh", "-c", f"{mark} & exec {mark}")
    until(lambda: len(processes(f"^{mark}")) == 2)
    box.good("rm", "-f", "web")
    until(lambda: not processes(f"^{mark}"))


def test_bounds_and_removal(box):
    done = box("run", "--timeout", "0.5", box.image, "sleep", "50")
    assert (done.status, "its limit" in done.err) == (124, True), done.err
    assert box.good("run", "--rm", "--name", "gone", box.image, "sh", "-c", "touch /made; ls /made").lines == ["/made"]
    assert box("run", "--health-cmd", "true", "-d", box.image, "true").status == 125
    assert "no launch files" in box("wrap", "-o", box.directory / "tool", box.image, "true").err
    assert os.listdir(box.home / "containers") == ["names"]
    assert not [name for name in os.listdir(box.directory / "runtime") if name.startswith("bundle-")]


def test_a_daemon_does_not_hold_the_end_up(box):
    """PRoot waits for all that it traces."""
    begin = time.monotonic()
    assert box.good("run", box.image, "sh", "-c", "sleep 60 >/dev/null 2>&1 & echo done").lines == ["done"]
    assert time.monotonic() - begin < 30


def test_root_and_what_it_owns(box):
    done = box.good("run", "--root", box.image, "sh", "-c", "id -u; touch /f && chown 33:34 /f && stat -c %u:%g /f")
    assert done.lines[0] == "0"
    assert done.lines[1] == ("33:34" if box.variables["SAMPAN_ENGINE"] == "oci-runtime" else "0:0")  # PRoot forgets


def test_young_calls_do_not_leave_the_root(box):
    """PRoot 5.1 lets statx, openat2, faccessat2 and others pass, which then reach this machine's files, past the image's root."""
    outside = os.path.realpath(__file__)
    program = (
        "import ctypes\n"
        "call, room = ctypes.CDLL(None).syscall, ctypes.create_string_buffer(512)\n"
        f"path, how = {os.fsencode(outside)!r}, (ctypes.c_uint64 * 3)(0, 0, 0)\n"
        "print(call(332, -100, path, 0, 0x7ff, room), call(437, -100, path, how, 24), call(439, -100, path, 0, 0), call(425, 1, room))"
    )
    seen = box.good("run", box.image, "python3", "-c", program).lines[-1].split()
    assert seen[:3] == ["-1", "-1", "-1"]
    assert box.good("run", box.image, "ls", "-lR", "/usr/bin").lines[1].startswith("total")


def test_doctor_says_what_they_are(box):
    text = box("doctor").text
    assert "ok    engine proot: " in text or "no    engine proot: " in text
    assert "engine oci-runtime: it is /" in text or "no    engine oci-runtime" in text
    assert "calls that are younger than it is" in text or "ok    engine proot" not in text
