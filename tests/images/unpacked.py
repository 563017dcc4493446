"""Unpack layers below a fresh directory beside a canary, and look at what came of it.

    tree = Unpacked(tmp_path)
    tree.apply(archive(file("a", b"x")))
    assert tree.listing() == {"a": "x"}

Around the tree lie things that no layer may change (`outside/`) or bring in (`outside/secret`); `check` compares them and
runs after every layer, whether it was refused or not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from pathlib import Path

from sampan.errors import SampanError
from sampan.layers import mtree
from sampan.layers.directory import DirectorySink
from sampan.layers.follow import GrowingFile
from sampan.layers.index import Index
from sampan.layers.limits import Allowance
from sampan.layers.ondisk import NOT_ON_DISK, mode_on_disk
from sampan.layers.unpack import Layer, apply_layer
from sampan.oci.digest import Digest

SECRET = "the host's secret, which is in no image"


class Unpacked:
    """A tree under construction, with its canary."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.root = base / "store/rootfs"
        self.outside = base / "outside"
        self.root.mkdir(parents=True)
        (self.outside / "directory").mkdir(parents=True)
        (self.outside / "secret").write_text(SECRET)
        (self.outside / "directory/file").write_text("x")
        (self.outside / "program").write_text("#!/bin/true")
        (self.outside / "program").chmod(0o755)
        self._before = self._outside()
        self.index = Index()
        self.allowance = Allowance()

    def apply(self, *archives: bytes) -> Unpacked:
        """Unpack the archives, one layer each, on top of what is there; raises what sampan raises, after the check."""
        descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        sink = DirectorySink(descriptor, str(self.root))
        try:
            for data in archives:
                self._apply(data, sink)
            sink.finish(self.index)
        finally:
            sink.close()
            os.close(descriptor)
            self.check()
        self.check_index()
        return self

    def _apply(self, data: bytes, sink: DirectorySink) -> None:
        blob = self.base / "blob"
        blob.write_bytes(data)
        descriptor = os.open(blob, os.O_RDONLY)
        try:
            diff_id = Digest("sha256", hashlib.sha256(data).hexdigest())
            apply_layer(Layer(GrowingFile.complete(descriptor), diff_id, len(data)), self.index, sink, self.allowance)
        finally:
            os.close(descriptor)

    def refuses(self, *archives: bytes) -> str:
        """The sentence of the error that the layers end with."""
        try:
            self.apply(*archives)
        except SampanError as error:
            return error.sentence
        raise AssertionError(f"accepted: {self.listing()}")

    def listing(self) -> dict[str, str]:
        """Path -> what it is: a file's content, `dir`, `-> target`, `fifo`; devices come from the index."""
        found: dict[str, str] = {}
        for path, node in self.index.walk():
            name = os.fsdecode(path)
            if node.kind == "file":
                found[name] = (self.root / name).read_text(errors="surrogateescape")
            elif node.kind == "link":
                found[name] = "-> " + os.fsdecode(node.target)
            elif node.kind in ("char", "block"):
                found[name] = "{} {}:{}".format(node.kind, *node.device)
            else:
                found[name] = node.kind
        return found

    def node(self, path: str):
        """The index's node of a path."""
        return self.index.lookup(os.fsencode(path))

    def on_disk(self, path: str) -> os.stat_result:
        return os.lstat(self.root / path)

    def check(self) -> None:
        """Nothing outside changed, and nothing of it came in."""
        assert self._outside() == self._before
        for here, _, names in os.walk(self.root):
            for name in names:
                path = os.path.join(here, name)
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode):
                    with contextlib.suppress(PermissionError), open(path, "rb") as stream:
                        assert SECRET.encode() not in stream.read(1 << 20)
                    assert (status.st_dev, status.st_ino) not in self._inodes

    def check_index(self) -> None:
        """Disk and index agree, nothing is setuid, and the index prints and parses back."""
        text = b"".join(mtree.write(self.index))
        assert b"".join(mtree.write(mtree.read(text.splitlines(keepends=True)))) == text
        expected = {b"."}
        for path, node in self.index.walk():
            if node.kind in NOT_ON_DISK:
                continue
            expected.add(path)
            status = os.lstat(os.path.join(os.fsencode(self.root), path))
            assert not status.st_mode & 0o7022 or stat.S_ISLNK(status.st_mode), path
            if node.kind == "link":
                assert os.readlink(os.path.join(os.fsencode(self.root), path)) == node.target
            else:
                assert stat.S_IMODE(status.st_mode) == mode_on_disk(node), path
            if node.kind == "file":
                data = Path(os.fsdecode(os.path.join(os.fsencode(self.root), path))).read_bytes()
                assert (len(data), hashlib.sha256(data).digest()) == (node.size, node.digest), path
                assert status.st_nlink == node.links
            if node.kind != "link" or node.mtime >= 0:
                assert status.st_mtime_ns == node.mtime, path
        assert {b"."} | set(self._names()) == expected

    def _names(self):
        for here, directories, files in os.walk(os.fsencode(self.root)):
            for name in (*directories, *files):
                yield os.path.relpath(os.path.join(here, name), os.fsencode(self.root))

    def _outside(self) -> list[tuple]:
        found = []
        self._inodes = set()
        for here, directories, files in os.walk(self.outside):
            for name in (*directories, *files, "."):
                status = os.lstat(os.path.join(here, name))
                found.append((here, name, status.st_mode, status.st_size, status.st_mtime_ns, status.st_nlink))
                self._inodes.add((status.st_dev, status.st_ino))
        return sorted(found)
