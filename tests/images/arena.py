"""Hostile images against the real command: pulled from a registry over a layout, then run, beside a canary.

    arena.image([archive(file("a", b"x"))], {"Cmd": ["true"]})      # a busybox and these layers on top, as x:1
    arena.pull().is_refused("leaves the root")

Around the store lie things that no image may change (`outside/`) or bring in (`outside/secret`); every command is followed by a
look at them, and bounded in time and memory.
"""

from __future__ import annotations

import os
import stat
import subprocess
import time
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

from tests.images.build import Layout, directory, file, layer, layer_of, symlink
from tests.product import Sampan

SECRET = "the host's secret, which is in no image"
BUSYBOX = Path("/bin/busybox")
MAX_SECONDS = 20.0
MAX_KILOBYTES = 200_000


@dataclass(frozen=True)
class Ended:
    """A command that ended, and what it took."""

    status: int
    out: str
    err: str
    seconds: float
    kilobytes: int

    def is_refused(self, *words: str) -> None:
        """By one sentence with these words, and at most a hint."""
        assert self.status == 125, f"{self.status}: {self.out}{self.err}"
        lines = [line for line in self.err.splitlines() if line.startswith("sampan: ")]
        errors = [line for line in self.err.splitlines() if not line.startswith("hint: ")]
        assert len(errors) == len(lines) >= 1, self.err
        assert "defect" not in self.err
        assert "Traceback" not in self.err
        for word in words:
            assert word in self.err, self.err


@dataclass
class Arena:
    """A store, a registry and a canary in one directory."""

    sampan: Sampan
    registry: object
    outside: Path
    layout: Layout
    before: list[tuple] = field(default_factory=list)

    @property
    def reference(self) -> str:
        return f"{self.registry.host}/x:1"

    def image(self, archives: list[bytes], config: dict | None = None, compression: str = "none", **manifest) -> dict:
        """Serve a busybox with these layers on top as `x:1`; the descriptor of its manifest."""
        layers = [busybox(), *[layer_of(data, compression) for data in archives]]
        descriptor = self.layout.tag("1", self.layout.image(layers, config or {"Cmd": ["/bin/busybox", "true"]}, **manifest))
        self.registry.add(self.layout)
        return descriptor

    def __call__(self, *words: str, seconds: float = MAX_SECONDS) -> Ended:
        """Run `sampan WORDS`, with an eye on time, memory and what is outside."""
        began = time.monotonic()
        with open(self.sampan.directory / "out", "w+b") as out, open(self.sampan.directory / "err", "w+b") as err:
            process = subprocess.Popen(
                [*self.sampan.command(), *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=self.sampan.directory,
                env=self.sampan.environment(),
            )  # fmt: skip
            kilobytes = self._wait(process, began + seconds)
            said = []
            for stream in (out, err):
                stream.seek(0)
                said.append(stream.read(1 << 20).decode("utf-8", "replace"))
        ended = Ended(process.returncode, *said, time.monotonic() - began, kilobytes)
        assert ended.kilobytes < MAX_KILOBYTES, f"{ended.kilobytes} kB"
        self.check()
        return ended

    @staticmethod
    def _wait(process: subprocess.Popen, end: float) -> int:
        """Wait for its end; the most memory it had, in kB. Not ru_maxrss, which begins with that of the process that forked."""
        most = 0
        while process.poll() is None:
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
            except OSError:
                status = ""
            if "VmHWM:" in status and "pytest" not in status.split("\n", 1)[0]:
                most = max(most, int(status.partition("VmHWM:")[2].split()[0]))
            if time.monotonic() > end:
                process.kill()
                process.wait()
                raise AssertionError(f"still running: {process.args}")
            time.sleep(0.003)
        return most

    def pull(self) -> Ended:
        return self("pull", self.reference)

    def run(self, *options: str, command: tuple[str, ...] = ()) -> Ended:
        """`sampan run`; its own refusals are sentences, like every other."""
        ended = self("run", *options, self.reference, *command)
        if ended.status == 125:
            ended.is_refused()
        if "--isolate" in options:  # else the caller's /tmp is there, where all this lies
            assert SECRET not in ended.out
        return ended

    def check(self) -> None:
        """Nothing outside changed, nothing of it is in the store, and nothing on the disk is setuid or writable by others."""
        assert outside(self.outside) == self.before
        inodes = {(entry[3], entry[4]) for entry in self.before}
        for kind in ("trees", "tmp"):
            for here, _, names in os.walk(self.sampan.home / kind):
                for name in names:
                    path = os.path.join(here, name)
                    status = os.lstat(path)
                    if stat.S_ISREG(status.st_mode):
                        assert (status.st_dev, status.st_ino) not in inodes
                        assert not status.st_mode & 0o7022, path
                        if status.st_size < 1 << 16:
                            with open(path, "rb") as stream:
                                assert SECRET.encode() not in stream.read()

    def is_empty(self) -> None:
        """Nothing got a name or a tree, nothing is left over, and the store is whole."""
        for kind in ("names", "trees"):
            path = self.sampan.home / kind
            assert not path.exists() or os.listdir(path) == [], os.listdir(path)
        tmp = self.sampan.home / "tmp"
        assert not tmp.exists() or [name for name in os.listdir(tmp) if not name.endswith((".partial", ".tree"))] == []
        self.is_whole()

    def is_whole(self) -> None:
        """No damage is found."""
        done = self("store", "fsck", "--contents")
        assert done.status == 0, done.out + done.err


def outside(path: Path) -> list[tuple]:
    found = []
    for here, directories, files in os.walk(path):
        for name in (*directories, *files, "."):
            status = os.lstat(os.path.join(here, name))
            found.append(
                (here, name, status.st_mode, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_nlink)
            )
    return sorted(found)


@cache
def busybox():
    """The lowest layer: something that can be run."""
    return layer([
        directory("bin"), file("bin/busybox", BUSYBOX.read_bytes(), 0o755), symlink("bin/sh", "busybox"), directory("etc"),
        file("etc/passwd", b"root:x:0:0::/:/bin/sh\n"), directory("tmp", 0o1777),
    ])  # fmt: skip


@pytest.fixture
def arena(tmp_path, faulty):
    if not BUSYBOX.exists() or b"busybox" not in BUSYBOX.read_bytes():
        pytest.skip("busybox-static is not installed")
    place = tmp_path / "outside"
    (place / "directory").mkdir(parents=True)
    (place / "secret").write_text(SECRET)
    (place / "directory/file").write_text("x")
    (place / "program").write_text("#!/bin/sh\necho pwned")
    (place / "program").chmod(0o755)
    return Arena(Sampan(tmp_path / "store", tmp_path), faulty, place, Layout(tmp_path / "layout"), outside(place))
