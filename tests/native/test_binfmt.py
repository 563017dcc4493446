"""Foreign programs through binfmt_misc of the container's own user namespace."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.native.conftest import BUSYBOX
from tests.native.watching import PIDS, PLAIN, until

both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])
MAGIC = (r"\x7fFOREIGN", r"\xff\xff\xff\xff\xff\xff\xff\xff")


@pytest.fixture(autouse=True)
def _kernel():
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 7):
        pytest.skip("Linux 6.7 is the first with one for each user namespace")


@pytest.fixture
def foreign(roots):
    """A program that only an interpreter can run: the interpreter is a busybox, which is whatever the file is called."""
    for name in ("echo", "cat"):
        path = roots.tree / "opt" / name
        path.write_bytes(b"\x7fFOREIGN program\n")
        path.chmod(0o755)
    return ("binfmt", "foreign", *MAGIC, BUSYBOX)


def proc(spaces):
    return ("proc", "/proc") if spaces == PIDS else ("bind", "/proc", "/proc", "")


@both_spaces
@pytest.mark.parametrize("ids", [None, (0, 0), (4242, 77)], ids=["self", "root", "other"])
def test_it_runs_and_so_do_children(ids, spaces, foreign, launch, roots):
    done = launch.run(roots.record("memory"), proc(spaces), foreign, argv=("/opt/echo", "a", "b"), spaces=spaces, ids=ids)
    assert (done.stdout, done.stderr, done.returncode) == ("a b\n", "", 0)
    done = launch.run(
        roots.record("memory"), proc(spaces), foreign, argv=("sh", "-c", "/opt/echo x; id -u; id -g"), spaces=spaces, ids=ids
    )
    uid, gid = ids or (os.getuid(), os.getgid())
    assert (done.stdout.split(), done.stderr) == (["x", str(uid), str(gid)], "")


def test_nothing_of_the_interpreter_is_inside(foreign, launch, roots):
    script = "/opt/cat /opt/cat; cat /proc/sys/fs/binfmt_misc/foreign"
    out = launch.sh(roots.record("memory"), proc(PIDS), foreign, script=script, spaces=PIDS)
    assert out.splitlines()[:3] == ["\x7fFOREIGN program", "enabled", f"interpreter {os.path.realpath(BUSYBOX)}"]
    assert "flags: " in out
    assert "F" in out.split("flags: ")[1].splitlines()[0]


def test_the_machine_is_not_touched(foreign, launch, roots):
    launch.run(roots.record("memory"), proc(PIDS), foreign, argv=("sleep", "0"), spaces=PIDS)
    assert not os.path.exists("/proc/sys/fs/binfmt_misc/foreign")


def test_others_that_join_have_it_too(foreign, watched):
    watched.detach(foreign, ("health", "0.1", "5", "1", "0", "/opt/echo", "well"), argv=("sleep", "60"), flags="")
    payload = watched.payload()
    enter = ("enter", str(payload["pid"]), str(payload["start"]), PIDS)
    with watched.launch.start([enter, ("env", "PATH=/bin"), ("exec", "/opt/echo", "joined")]) as process:
        assert (process.communicate(), process.returncode) == (("joined\n", ""), 0)
    assert (
        until(lambda: watched.has("health") and watched.read("health")["exit"] is not None and watched.read("health"))["output"]
        == "well\n"
    )


@pytest.mark.parametrize("name", ["with blank", "with:colon", "with\nnewline"])
def test_odd_names_of_the_interpreter(name, foreign, launch, roots, tmp_path):
    path = tmp_path / name / "busybox"
    path.parent.mkdir()
    shutil.copy(BUSYBOX, path)
    done = launch.run(roots.record("memory"), proc(PIDS), (*foreign[:-1], str(path)), argv=("/opt/echo", "x"), spaces=PIDS)
    assert (done.stdout, done.stderr) == ("x\n", "") or "cannot be registered" in done.stderr or "cannot register" in done.stderr


def test_refusals(foreign, launch, roots, tmp_path):
    said = launch.refused(roots.record("memory"), proc(PIDS), (*foreign[:-1], "/none/such"), spaces=PIDS)
    assert "cannot open the interpreter /none/such: No such file or directory" in said
    said = launch.refused(roots.record("memory"), foreign)
    assert '"binfmt" needs /proc inside, and there is no /proc/sys/fs/binfmt_misc' in said
    said = launch.refused(roots.record("memory"), proc(PIDS), foreign, spaces=PIDS, without="binfmt")
    assert "this kernel does not let a user register interpreters" in said
    assert "Linux 6.7" in said


def test_a_program_without_one(launch, roots):
    """Says what it is, and not that it was not found."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0" + b"\xb7\0" + bytes(100)
    path = roots.tree / "opt/arm"
    path.write_bytes(header)
    path.chmod(0o755)
    if os.uname().machine == "x86_64" and not os.path.exists("/proc/sys/fs/binfmt_misc/qemu-aarch64"):
        said = launch.refused(roots.record("ro"), argv=("/opt/arm",), status=126)
        assert "/opt/arm is a program for" in said
