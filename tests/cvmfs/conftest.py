"""Keys by openssl, and new repositories in directories."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.cvmfs import publish
from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.keys import Signer
from tests.peers.certificates import needs

FQRN = "test.example.org"


def make_keys(directory: Path, fqrn: str) -> Signer:
    """The four files as the official tools make them, by a peer."""
    needs("openssl")
    directory.mkdir(parents=True, exist_ok=True)
    base = directory / fqrn
    for words in (
        ["genrsa", "-out", f"{base}.masterkey", "2048"],
        ["rsa", "-in", f"{base}.masterkey", "-pubout", "-out", f"{base}.pub"],
        ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{base}.key", "-out", f"{base}.crt", "-days", "365",
         "-subj", f"/CN={fqrn} CernVM-FS Release Managers"],
    ):  # fmt: skip
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    return Signer.load(str(directory), fqrn)


@pytest.fixture(scope="session")
def key_directory(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("keys")
    make_keys(directory, FQRN)
    return directory


@pytest.fixture(scope="session")
def signer(key_directory) -> Signer:
    return Signer.load(str(key_directory), FQRN)


@pytest.fixture(scope="session")
def empty_repository(tmp_path_factory, signer) -> Path:
    path = tmp_path_factory.mktemp("empty") / "repo"
    store = DirectoryStore(str(path))
    store.prepare()
    publish.create(store, signer)
    return path


@pytest.fixture
def new_store(tmp_path, empty_repository):
    """Gives a new repository with revision 1 each time; `keep` leaves the last one there."""
    numbers = iter(range(1000000))

    def make(*, keep: bool = False) -> DirectoryStore:
        path = tmp_path / f"repo{next(numbers)}"
        shutil.copytree(empty_repository, path)
        if not keep:
            for older in tmp_path.glob("repo*"):
                if older != path:
                    shutil.rmtree(older)
        return DirectoryStore(str(path))

    return make


@pytest.fixture
def store(new_store) -> DirectoryStore:
    return new_store()
