"""A session with a store of its own, two small layers, and what is in a loaded image."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan import settings
from sampan.events import Notice
from sampan.runtime.load import load
from sampan.runtime.session import Session
from tests.images.docker_archives import Image
from tests.images.tarbytes import archive, directory, file, symlink, whiteout

BASE = archive(directory("etc"), file("etc/motd", b"one"), file("etc/old", b"x"), directory("bin"), file("bin/sh", b"#!"))
TOP = archive(file("etc/motd", b"two"), whiteout("etc/old"), symlink("etc/link", "motd"))
OTHER = archive(file("etc/other", b"three"))
RUN = {"Env": ["PATH=/bin"], "Cmd": ["sh"]}


class Recorded(Notice):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def warn(self, sentence: str, hint: str | None = None) -> None:
        self.said.append(sentence)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)


@pytest.fixture
def new_session(tmp_path):
    """Makes sessions, each with an empty store."""

    def make(name: str = "store", **variables: str) -> Session:
        environment = {"SAMPAN_HOME": str(tmp_path / name), "HOME": str(tmp_path), **variables}
        return Session(settings.load(environment), Recorded())

    return make


@pytest.fixture
def session(new_session):
    return new_session()


@pytest.fixture
def tools():
    return Image([BASE, TOP], ("tools:1",), RUN)


@pytest.fixture
def other():
    """Shares the base with `tools`."""
    return Image([BASE, OTHER], ("quay.io/org/other:2", "other:latest"), {"Cmd": ["other"]})


def write(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def loaded(tmp_path: Path, session: Session, data: bytes, *wanted: str, **more):
    """Load an archive from a file; reference -> image."""
    found = load(write(tmp_path / "archive", data), wanted, session=session, **more)
    return {image.reference: image for image in found}


def files(image) -> dict[str, str]:
    """What is in the tree of an image: path -> content, link or `dir`."""
    found = {}
    for here, directories, names in os.walk(image.tree):
        for name in (*directories, *names):
            path = os.path.join(here, name)
            shown = os.path.relpath(path, image.tree)
            if os.path.islink(path):
                found[shown] = f"-> {os.readlink(path)}"
            else:
                found[shown] = "dir" if os.path.isdir(path) else Path(path).read_text()
    return found


TOOLS_FILES = {
    "bin": "dir", "bin/sh": "#!", "etc": "dir", "etc/motd": "two", "etc/link": "-> motd",
}  # fmt: skip
OTHER_FILES = {"bin": "dir", "bin/sh": "#!", "etc": "dir", "etc/motd": "one", "etc/old": "x", "etc/other": "three"}
