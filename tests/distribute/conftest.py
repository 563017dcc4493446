"""Images with everything that is hard to publish, and repositories to publish them into."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.images.build import Layout, device, directory, fifo, file, hardlink, layer, opaque, symlink, whiteout
from tests.journeys.conftest import busybox, busybox_layers  # noqa: F401 - fixtures
from tests.peers.docker_registry import seed
from tests.product import Done, Sampan

FQRN = "images.sampan.test"
BIG = os.urandom(1 << 20) * 17 + b"end"

ODD = [
    layer([
        directory("etc"), file("etc/motd", b"one\n", mtime=1_600_000_000.25), file("etc/shadow", b"secret", 0o000), directory("tmp", 0o1777),
        directory("closed", 0o700), file("closed/in", b"x", 0o600), directory("bin"), file("bin/ping", b"ELF", 0o4755),
        file("bin/tool", b"#!/bin/sh\n", 0o711), hardlink("bin/alias", "bin/tool"), directory("lib"), hardlink("lib/elsewhere", "bin/tool"),
        symlink("sbin", "bin"), fifo("pipe"), device("null", "char", 1, 3), file("gone", b"x"), directory("old"), file("old/a", b"x"),
        file("big", BIG), file("empty"), file("other", b"owned", uid=1000, gid=2000), file("na\xefve \udcff", b"odd name"),
        file("cap", b"c", pax={"SCHILY.xattr.security.capability": "cap", "SCHILY.xattr.user.long": "v" * 300}),
    ]),
    layer([file("etc/motd", b"two\n"), whiteout("gone"), opaque("old"), file("old/b", b"new"), file("sbin/late", b"#!", 0o755)]),
]  # fmt: skip
CONFIG = {"Env": ["PATH=/bin:/usr/bin", 'QUOTED=b"a $x'], "Cmd": ["/bin/tool"], "Labels": {"maintainer": "ana"}}


@dataclass(frozen=True)
class Repo:
    """A repository in a directory, with its keys, and the command for it."""

    sampan: Sampan
    path: Path

    def __call__(self, verb: str, *words: str | os.PathLike, **rest) -> Done:
        return self.sampan("repo", verb, self.path, *words, **rest)

    def good(self, verb: str, *words: str | os.PathLike, **rest) -> Done:
        return self.sampan.good("repo", verb, self.path, *words, **rest)

    def publish(self, *wishes: str, options: tuple = (), **rest) -> Done:
        """Publish a text list of these wishes."""
        path = self.sampan.directory / "wishes.txt"
        path.write_text("".join(f"{wish}\n" for wish in wishes))
        return self("publish", "--list", path, *options, **rest)

    def names(self, path: str = "/") -> list[str]:
        return self.good("ls", path).lines

    def text(self, path: str) -> bytes:
        return self.good("cat", path).out

    @property
    def manifest(self) -> bytes:
        return (self.path / ".cvmfspublished").read_bytes()

    @property
    def revision(self) -> int:
        return int(next(line for line in self.manifest.split(b"\n") if line.startswith(b"S"))[1:])


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    """Keys for `FQRN`, made once: they cost a second."""
    from sampan.cvmfs.newkeys import new_keys

    path = tmp_path_factory.mktemp("keys") / "keys"
    new_keys(str(path), FQRN)
    return path


@pytest.fixture
def repo(tmp_path, keys):
    """An empty repository."""
    shutil.copytree(keys, tmp_path / "keys")
    sampan = Sampan(tmp_path / "store", tmp_path, variables={"SAMPAN_REPO_KEYS": str(tmp_path / "keys")})
    found = Repo(sampan, tmp_path / "srv" / FQRN)
    found.good("init")
    return found


def image_layout(path: Path) -> Layout:
    """Tags: `odd`, `1.0`, `1.1`, `2.0` (two platforms), `1.0b` (the same image as `1.0`)."""
    layout = Layout(path)
    layout.tag("odd", layout.image(ODD, CONFIG))
    base = layer([directory("etc"), file("etc/os-release", b"NAME=base\n" * 50)])
    for number in ("1.0", "1.1"):
        made = layout.image([base, layer([file("version", number.encode())])], {"Cmd": ["cat", "/version"]})
        layout.tag(number, made)
        if number == "1.0":
            layout.tag("1.0b", made)
    both = [layout.image([base, layer([file("arch", arch.encode())])], platform=f"linux/{arch}") for arch in ("amd64", "arm64")]
    layout.tag("2.0", layout.index(both))
    return layout


@pytest.fixture(scope="session")
def images(registry, tmp_path_factory):
    """`dist/tool` with all tags of `image_layout` at the registries; its name without the host."""
    layout = image_layout(tmp_path_factory.mktemp("images") / "layout")
    for tag in layout.tags:
        seed(registry, layout, tag, f"dist/tool:{tag}")
    return "dist/tool"
