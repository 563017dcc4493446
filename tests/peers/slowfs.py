"""A directory seen through FUSE that counts what the kernel asks of it (slowfs.c), as a network file system's server would see it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("slowfs.c")
KINDS = ("lookups", "opens", "reads", "lists", "links", "attributes")


class SlowFileSystem:
    """`path` shows the directory, read-only."""

    def __init__(self, path: Path, counts: Path, process: subprocess.Popen) -> None:
        self.path = path
        self._counts = counts
        self._process = process

    def count(self) -> dict[str, int]:
        """What was asked since it was mounted."""
        size = self._counts.stat().st_size if self._counts.exists() else 0
        self._process.send_signal(signal.SIGUSR1)
        end = time.monotonic() + 10
        while not self._counts.exists() or self._counts.stat().st_size == size:
            assert time.monotonic() < end, "the file system does not answer"
            time.sleep(0.01)
        return dict(zip(KINDS, map(int, self._counts.read_text().splitlines()[-1].split())))


@contextmanager
def mounted(directory: Path, work: Path):
    """The directory through FUSE. Skips with its reason where the machine has no FUSE for ordinary users."""
    program = work / "slowfs"
    flags = (
        subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], capture_output=True, text=True)
        if shutil.which("pkg-config")
        else None
    )
    if flags is None or flags.returncode or not shutil.which("fusermount3"):
        pytest.skip("fuse3, libfuse3-dev or pkg-config is not installed")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        pytest.skip("/dev/fuse cannot be opened by this user")
    if not os.path.exists("/etc/mtab"):
        pytest.skip("there is no /etc/mtab, which fusermount3 needs")
    subprocess.run(["gcc", "-O2", "-o", program, SOURCE, *flags.stdout.split()], check=True)
    place = work / "slow"
    place.mkdir()
    process = subprocess.Popen([program, directory, work / "counts", place], stderr=subprocess.PIPE, text=True)
    try:
        end = time.monotonic() + 10
        while not os.path.ismount(place):
            if process.poll() is not None:
                pytest.skip(f"FUSE cannot be mounted here: {process.stderr.read()[:200]}")
            assert time.monotonic() < end, "the file system does not come up"
            time.sleep(0.02)
        yield SlowFileSystem(place, work / "counts", process)
    finally:
        subprocess.run(["fusermount3", "-u", "-z", place], stderr=subprocess.DEVNULL)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:  # a mount namespace still has it
            process.kill()
            process.wait()
        process.stderr.close()
