"""The compatible programs as people call them: files that `sampan shims` wrote, in front of PATH."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.journeys.conftest import busybox_layers  # noqa: F401 - a fixture
from tests.product import Done, Sampan

NAME = "machine:1"


@dataclass(frozen=True)
class Compatible:
    """A program by its shim; `store` is the sampan behind it."""

    store: Sampan
    shims: Path
    name: str

    def environment(self) -> dict[str, str]:
        found = self.store.environment()
        return {**found, "PATH": f"{self.shims}:{found.get('PATH', os.defpath)}"}

    def __call__(self, *words: str | os.PathLike, stdin: bytes = b"", timeout: float = 60, cwd=None, **variables: str) -> Done:
        done = subprocess.run(
            [self.name, *map(os.fspath, words)], input=stdin, capture_output=True, cwd=cwd or self.store.directory,
            env={**self.environment(), **variables}, timeout=timeout,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))

    def good(self, *words: str | os.PathLike, **rest) -> Done:
        done = self(*words, **rest)
        assert done.status == 0, f"{words}: {done.status}\n{done.err}\n{done.text[-2000:]}"
        return done

    def bad(self, status: int, *words: str | os.PathLike, **rest) -> str:
        """What is said on standard error: one sentence and perhaps a way on."""
        done = self(*words, **rest)
        assert done.status == status, f"{words}: {done.status}\n{done.err}"
        lines = done.err.splitlines()
        assert lines[0].startswith(f"{self.name}: "), done.err
        assert len(lines) <= 2, done.err
        assert "Traceback" not in done.err
        return done.err


@contextmanager
def store_with_shims(directory: Path, layout: Path) -> Iterator[Sampan]:
    """A store with the machine image, and a directory of shims; its containers end with it."""
    store = Sampan(directory / "store", directory, NAME)
    store.good("load", "-i", layout, "--name", NAME)
    store.good("shims", directory / "shims")
    yield store
    for id in store("ps", "-aq", "--no-trunc").lines:
        if len(id) == 64:
            store("rm", "-f", id)


@pytest.fixture(scope="session")
def compatible_store(tmp_path_factory, machine_layout):
    """The store of a session."""
    with store_with_shims(tmp_path_factory.mktemp("compatible"), machine_layout.path) as store:
        yield store


@pytest.fixture(scope="session")
def docker_of_clients(tmp_path_factory, machine_layout):
    """Docker with a store of its own: clients pull, tag and look whether anything is left."""
    with store_with_shims(tmp_path_factory.mktemp("clients"), machine_layout.path) as store:
        yield program(store, "docker")


def program(store: Sampan, name: str) -> Compatible:
    return Compatible(store, store.directory / "shims", name)


@pytest.fixture(scope="session")
def docker(compatible_store):
    return program(compatible_store, "docker")


@pytest.fixture(scope="session")
def podman(compatible_store):
    return program(compatible_store, "podman")


@pytest.fixture(scope="session")
def udocker(compatible_store):
    return program(compatible_store, "udocker")


@pytest.fixture
def tidy(udocker):
    """Its containers end with a test."""
    yield udocker
    for line in udocker("ps").lines[1:]:
        udocker("unprotect", line.split()[0])
        udocker("rm", "-f", line.split()[0])


@pytest.fixture
def empty(tmp_path, udocker):
    """The same program with nothing in its store, and a home of its own."""
    store = Sampan(tmp_path / "store", tmp_path)
    store.good("shims", tmp_path / "shims")
    yield program(store, "udocker")
    for id in store("ps", "-aq", "--no-trunc").lines:
        store("rm", "-f", id)
