"""The FUSE server over a directory of this machine, mounted for real: equal in everything, under load, killed, unmounted while busy."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from sampan.cvmfs.fuse import mounting
from tests.product import ROOT


@contextmanager
def mounted(directory: Path, place: Path, delay: float = 0.0):
    """A process that mounts `directory` on `place`."""
    stopped = mounting.obstacle()
    if stopped is not None:
        pytest.skip(f"nothing can be mounted here: {stopped[0]}")
    place.mkdir()
    path = os.pathsep.join([str(ROOT), str(ROOT / "src")])
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.lazy.disktree", str(directory), str(place), str(delay)],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT,
    )  # fmt: skip
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        mounting.unmount(str(place), lazily=True)
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def tree(tmp_path):
    """Files of many kinds and sizes."""
    top = tmp_path / "tree"
    (top / "deep/er/est").mkdir(parents=True)
    for number in range(300):
        (top / f"deep/file{number}").write_bytes(os.urandom(number * 37))
    (top / "large").write_bytes(os.urandom(5_000_000))
    (top / "empty").write_bytes(b"")
    os.link(top / "large", top / "same")
    os.symlink("deep/file7", top / "link")
    os.symlink("/nowhere", top / "dangling")
    os.mkfifo(top / "fifo")
    (top / "un\udcffnamed").write_text("x")
    (top / "closed").write_text("secret")
    (top / "closed").chmod(0)
    os.utime(top / "empty", ns=(1, 1_234_567_890_123_456_789))
    return top


def listing(path: Path) -> bytes:
    words = ["find", ".", "-printf", r"%p %y %s %m %n %T@ %l %i\n"]
    return b"\n".join(sorted(subprocess.run(words, cwd=path, capture_output=True, check=True).stdout.split(b"\n")))


def test_it_is_the_same(tree, tmp_path):
    with mounted(tree, tmp_path / "m"):
        place = tmp_path / "m"
        assert listing(place) == listing(tree)
        assert listing(place) == listing(tree), "the second time, from the kernel's cache"
        sums = [
            hashlib.sha256(
                subprocess.run(
                    ["tar", "-C", where, "--sort=name", "--exclude=closed", "-c", "."], capture_output=True, check=True
                ).stdout
            ).hexdigest()
            for where in (tree, place)
        ]
        assert sums[0] == sums[1]
        assert sorted(os.listdir(place)) == sorted(os.listdir(tree))
        names = subprocess.run(["ls", "-f", place], capture_output=True, check=True).stdout.split(b"\n")
        assert b"." in names
        assert b".." in names
        with pytest.raises(PermissionError):
            (place / "closed").read_text()
        with pytest.raises(FileNotFoundError):
            (place / "nothing").read_text()
        with pytest.raises(OSError, match="Read-only"):
            (place / "new").write_text("x")
        with pytest.raises(OSError, match="too long"):
            (place / ("x" * 256)).stat()


def test_eight_processes_read_at_once_while_a_server_is_slow(tree, tmp_path):
    """Each first read takes 50 ms: they wait side by side, and what is here is answered meanwhile."""
    script = "import os,sys;[open(os.path.join('deep',n),'rb').read() for n in sorted(os.listdir('deep'))[int(sys.argv[1])::8] if n[0]=='f']"
    with mounted(tree, tmp_path / "m", 0.05) as process:
        readers = [subprocess.Popen([sys.executable, "-c", script, str(n)], cwd=tmp_path / "m") for n in range(8)]
        assert len(os.listdir(tmp_path / "m/deep/er")) == 1
        assert [reader.wait(60) for reader in readers] == [0] * 8
        assert process.poll() is None


def test_a_killed_server_leaves_errors_and_no_mount(tree, tmp_path):
    with mounted(tree, tmp_path / "m", 5.0) as process:
        reader = subprocess.Popen(["cat", tmp_path / "m/large"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        said = reader.communicate(timeout=10)[1]
        assert reader.returncode == 1
        assert "not connected" in said or "abort" in said, said
        end = time.monotonic() + 10
        while os.path.ismount(tmp_path / "m") or mounting.is_dead(str(tmp_path / "m")):
            words = [mounting.program(), "-u", "-z", str(tmp_path / "m")]
            print(subprocess.run(words, capture_output=True))
            mounting.clear_dead(str(tmp_path / "m"))
            assert time.monotonic() < end
            time.sleep(0.05)


def test_unmounted_while_it_is_used(tree, tmp_path):
    """Not by a plain unmount; a lazy one lets who is inside go on to the end, and then the server ends."""
    with mounted(tree, tmp_path / "m") as process:
        with (tmp_path / "m/large").open("rb") as file:
            assert not mounting.unmount(str(tmp_path / "m"), lazily=False)
            assert mounting.unmount(str(tmp_path / "m"), lazily=True)
            assert os.listdir(tmp_path / "m") == []
            assert file.read() == (tree / "large").read_bytes()
            assert process.poll() is None
        assert process.wait(10) == 0


def test_git_sees_no_change(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    work = tmp_path / "work"
    work.mkdir()
    for number in range(50):
        (work / f"f{number}").write_text(str(number))
    quiet = {"cwd": work, "check": True, "capture_output": True}
    subprocess.run(["git", "init", "-q"], **quiet)
    subprocess.run(["git", "add", "."], **quiet)
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"], **quiet)
    with mounted(work, tmp_path / "m"):
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "--no-optional-locks", "status", "--porcelain"],
            cwd=tmp_path / "m",
            capture_output=True,
            check=True,
        )
        assert done.stdout == b""
