"""Two ways to run a program in a tree: by the namespace engine's `sampan-run`, and by `sampan-intercept`. Both read the same launch file."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from sampan.engine.encoding import encode

DEFAULT_BINDS = (("/proc", "/proc", ""), ("/dev", "/dev", ""), ("/sys", "/sys", "ro"))
ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "HOME=/tmp")
TIMEOUT = 120 * int(os.environ.get("SAMPAN_RIG_FACTOR", "1"))


class Side:
    """One engine on one tree."""

    def __init__(self, name: str, program: Path, tree: Path, **settings) -> None:
        self.name = name
        self.program = program
        self.tree = tree
        self.mode = settings.pop("mode", "rw")
        self.binds = settings.pop("binds", ())
        self.options = settings.pop("options", ())
        self.inside = settings.pop("inside", (os.getuid(), os.getgid()))
        assert not settings

    def with_(self, **changes) -> Side:
        """The same side, otherwise set."""
        settings = {"mode": self.mode, "binds": self.binds, "options": self.options, "inside": self.inside, **changes}
        return Side(self.name, self.program, settings.pop("tree", self.tree), **settings)

    def records(self, argv, cwd="/", env=()) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        if self.name == "namespace":
            found.append(("unshare", "user,mount"))
        if self.name == "namespace" or self.inside != (os.getuid(), os.getgid()):
            found.append(("uid-map", str(self.inside[0]), "caller", "1"))
            found.append(("gid-map", str(self.inside[1]), "caller", "1"))
        found.append(("root-tree", str(self.tree), self.mode))
        found += [("bind", str(a), str(b), flags) for a, b, flags in (*DEFAULT_BINDS, *self.binds)]
        found += [("env", variable) for variable in (*ENVIRONMENT, *env)]
        found.append(("cwd", cwd, "refuse"))
        return [*found, ("exec", *argv)]

    def command(self, argv, **place) -> tuple[list[str], int]:
        """The command line, and the descriptor of the launch file it names."""
        fd = os.memfd_create("launch")
        os.write(fd, encode(self.records(argv, **place)))
        os.lseek(fd, 0, os.SEEK_SET)
        return [str(self.program), *self.options, f"--fd={fd}"], fd

    def run(self, *argv, check=True, input=None, timeout=TIMEOUT, **place):
        """Run it to its end; text is bytes decoded as UTF-8 with what is odd escaped."""
        command, fd = self.command(argv, **place)
        try:
            done = subprocess.run(
                command, pass_fds=[fd], input=input, capture_output=True, timeout=timeout, text=True, errors="backslashreplace",
                **({} if input is not None else {"stdin": subprocess.DEVNULL}),
            )  # fmt: skip
        finally:
            os.close(fd)
        if check and done.returncode:
            raise AssertionError(
                f"{self.name}: {argv} ended with {done.returncode}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            )
        return done

    def popen(self, *argv, **place):
        command, fd = self.command(argv, **place.pop("where", {}))
        try:
            return subprocess.Popen(command, pass_fds=[fd], **place)
        finally:
            os.close(fd)


def same(namespace: Side, intercept: Side, *argv, **options) -> str:
    """Both sides end alike, streams and status; the common stdout."""
    one, other = (side.run(*argv, check=False, **options) for side in (namespace, intercept))
    assert (other.returncode, other.stdout, other.stderr) == (one.returncode, one.stdout, one.stderr)
    return other.stdout
