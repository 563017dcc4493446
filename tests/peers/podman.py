"""podman and buildah as the ordinary user, with a storage of their own that nothing of is left.

vfs needs neither FUSE nor overlayfs. Rootless podman keeps a process that holds its user namespace; it is ended with the fixture.
"""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.certificates import needs

POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}'


@dataclass(frozen=True)
class Podman:
    """Call it with the words behind `podman`, or `buildah` with those behind buildah."""

    directory: Path

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.directory), "XDG_RUNTIME_DIR": str(self.directory / "run"),
            "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"), "TMPDIR": str(self.directory),
        }  # fmt: skip

    def __call__(self, *words: str | os.PathLike, stdin: bytes | None = None) -> bytes:
        options = ("--cgroup-manager", "cgroupfs", "--events-backend", "file")
        return self._run(["podman", *options, *map(os.fspath, words)], stdin)

    def buildah(self, *words: str | os.PathLike) -> bytes:
        return self._run(["buildah", *map(os.fspath, words)], None)

    def _run(self, words: list[str], stdin: bytes | None) -> bytes:
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        done = subprocess.run(words, capture_output=True, env=self.environment(), cwd=self.directory, timeout=120, **given)
        assert done.returncode == 0, f"{words}: {done.stderr.decode(errors='replace')[-2000:]}"
        return done.stdout

    def end(self) -> None:
        """End the process that holds the user namespace, and remove what other ids own."""
        subprocess.run(
            ["podman", "unshare", "rm", "-rf", str(self.directory / "storage"), str(self.directory / "runroot")],
            env=self.environment(), capture_output=True,
        )  # fmt: skip
        for path in (self.directory / "run").rglob("pause.pid"):
            os.kill(int(path.read_text()), signal.SIGKILL)


@pytest.fixture(scope="session")
def podman(tmp_path_factory):
    """A podman of the session; skipped where it is not installed or cannot work."""
    needs("podman")
    directory = tmp_path_factory.mktemp("podman")
    (directory / "run").mkdir(mode=0o700)
    (directory / "storage.conf").write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{directory}/storage"\nrunroot = "{directory}/runroot"\n'
    )
    (directory / ".config/containers").mkdir(parents=True)
    (directory / ".config/containers/policy.json").write_text(POLICY)
    found = Podman(directory)
    try:
        try:
            found("info")
        except AssertionError as error:
            pytest.skip(f"podman does not work here: {error}")
        yield found
    finally:
        found.end()
