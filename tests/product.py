"""The product as a user has it: the `sampan` command with a store of its own, and an image in it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.peers.docker_registry import seed

ROOT = Path(__file__).parents[1]
MACHINE_IMAGE = ROOT / "scripts/machine_image.py"


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    status: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "surrogateescape")

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


@dataclass(frozen=True)
class Sampan:
    """The command, as the ordinary user who runs the tests, with its own store and runtime directory."""

    home: Path
    directory: Path
    image: str = ""
    options: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        passed = {
            name: os.environ[name]
            for name in ("PATH", "PYTHONPATH", "SAMPAN_PROGRAMS", "LANG", "TMPDIR", "LD_LIBRARY_PATH")
            if name in os.environ
        }
        if "PYTHONPATH" in passed:
            passed["PYTHONPATH"] = os.pathsep.join(os.path.abspath(part) for part in passed["PYTHONPATH"].split(os.pathsep))
            # A checkout that cannot be written has no compiled modules beside its sources.
            passed["PYTHONPYCACHEPREFIX"] = f"/tmp/sampan-pycache-{os.getuid()}"
        own = {"SAMPAN_HOME": str(self.home), "SAMPAN_RUNTIME_DIR": str(self.directory / "runtime"), "HOME": str(self.directory)}
        return {**passed, **own, **self.variables}

    @staticmethod
    def command() -> list[str]:
        script = Path(sys.executable).with_name("sampan")
        return [str(script)] if script.exists() else [sys.executable, "-m", "sampan"]

    def __call__(
        self, *words: str | os.PathLike, stdin: bytes = b"", cwd: Path | None = None, timeout: float = 120, **variables: str
    ) -> Done:
        done = subprocess.run(
            [*self.command(), *map(os.fspath, words)], input=stdin, capture_output=True, cwd=cwd or self.directory,
            env={**self.environment(), **variables}, timeout=timeout,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))

    def good(self, *words: str | os.PathLike, **rest) -> Done:
        done = self(*words, **rest)
        assert done.status == 0, f"{words}: {done.status}\n{done.err}\n{done.text[-2000:]}"
        return done

    def run(self, *words: str, **rest) -> Done:
        """`sampan run OPTIONS IMAGE WORDS`; options are the words up to `--`."""
        options = words[: words.index("--")] if "--" in words else ()
        command = words[words.index("--") + 1 :] if "--" in words else words
        return self("run", *self.options, *options, self.image, *command, **rest)

    def popen(self, *words: str, **rest) -> subprocess.Popen:
        return subprocess.Popen([*self.command(), *words], cwd=self.directory, env=self.environment(), **rest)


def cached(name: str, recipe: bytes, make) -> Path:
    """A directory made once per machine and recipe, whoever comes first; `make(path)` fills it."""
    base = Path(os.environ.get("SAMPAN_TEST_IMAGES") or f"/tmp/sampan-test-images-{os.getuid()}")
    base.mkdir(parents=True, exist_ok=True)
    place = base / f"{name}-{hashlib.sha256(recipe).hexdigest()[:12]}"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            temporary = place.with_suffix(".new")
            subprocess.run(["rm", "-rf", str(temporary)], check=True)
            make(temporary)
            temporary.rename(place)
    return place


@pytest.fixture(scope="session")
def machine_layout():
    """An OCI layout made from this machine's packages: bash, coreutils, Python, in three layers; tag `1`."""

    def make(path: Path) -> None:
        subprocess.run(["/usr/bin/python3", str(MACHINE_IMAGE), str(path)], check=True)

    return SimpleNamespace(path=cached("machine", MACHINE_IMAGE.read_bytes(), make))


@pytest.fixture(scope="session")
def machine_reference(registry, machine_layout):
    """The machine image at the open registry."""
    seed(registry, machine_layout, "1", "test/machine:1")
    return registry.reference("test/machine:1")


@pytest.fixture(scope="session")
def shared_sampan(tmp_path_factory, machine_reference):
    """One store for a session, with the machine image in it; for tests that do not change the store."""
    directory = tmp_path_factory.mktemp("product")
    found = Sampan(directory / "store", directory, machine_reference)
    found.good("pull", machine_reference)
    return found


@pytest.fixture
def sampan(tmp_path):
    """The command with an empty store."""
    return Sampan(tmp_path / "store", tmp_path)
