"""The root file system of an image as entries of a catalog: layers merged, what Apptainer wants added, readable by everybody.

What the image has is never replaced: files and bind points are only added where it has nothing. Differences between the image and what
is published, each for a reason:

- Everything is readable for all, directories and programs passable (`a+rX`): a repository is mounted by a user who is not root, and a
  file of mode 0600 would be of no use to anybody.
- Hard links across directories become files of their own with the same content: the format has link groups within one directory only.
- Extended attributes that are longer than the 255 bytes of the format are left out, and counted.
- What is added gets the time at which the image was made, so the same image always gives the same catalog.
"""

from __future__ import annotations

import io
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.cvmfs.entry import DIRECTORY_SIZE, MAX_XATTR, Entry
from sampan.distribute import singularity
from sampan.layers import entry as kinds
from sampan.layers.index import Index, Node
from sampan.layers.merge import WRITE, LayerMerge

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from sampan.cvmfs.bodies import Bodies, PendingBody
    from sampan.distribute.layer_cache import Contents
    from sampan.oci.config import ImageConfig

_TYPES = {
    kinds.FILE: stat.S_IFREG,
    kinds.DIRECTORY: stat.S_IFDIR,
    kinds.SYMLINK: stat.S_IFLNK,
    kinds.FIFO: stat.S_IFIFO,
    kinds.CHAR: stat.S_IFCHR,
    kinds.BLOCK: stat.S_IFBLK,
    kinds.SOCKET: stat.S_IFSOCK,
}
BIND_DIRECTORIES = {
    "dev": 0o755, "proc": 0o755, "sys": 0o755, "root": 0o755, "home": 0o755, "tmp": 0o1777, "var/tmp": 0o1777, "srv": 0o755, "cvmfs": 0o755,
}  # fmt: skip
"""Runtimes that cannot make a directory on a read-only image mount these; OSG's and CERN's images have them."""
BIND_FILES = ("etc/resolv.conf", "etc/hosts")


@dataclass(frozen=True)
class Flat:
    """The entries of an image, parents first, with paths relative to its directory (`b"usr/bin"`); `size` are the bytes of all files, each counted once."""

    entries: tuple[tuple[bytes, Entry], ...]
    size: int
    files: int
    left_out: int
    """Extended attributes that the format has no room for."""


class Tree:
    """An index with the contents of its files."""

    def __init__(self) -> None:
        self.index = Index()
        self._contents: dict[int, PendingBody] = {}

    def apply(self, layer: Contents) -> None:
        """Merge one more layer. Raises `LayerError`."""
        merge = LayerMerge(self.index)
        for entry, content in layer:
            for operation in merge.apply(entry):
                if operation.action is WRITE and content is not None:
                    # A node that is gone may leave its id to another, which then gets its own content here.
                    self._contents[id(operation.node)] = content

    def add_file(self, path: str, mode: int, content: PendingBody, size: int, mtime: int) -> None:
        """A file where the image has nothing and the parent is, or can be, a directory."""
        parent, name = self._parent(path, mtime)
        if parent is None or name in parent.children:
            return
        node = Node(kinds.FILE, mode, 0, 0, mtime)
        node.size = size
        self.index.add(parent, name, node)
        self._contents[id(node)] = content

    def add_link(self, path: str, target: str, mtime: int) -> None:
        """A symbolic link where the image has nothing."""
        parent, name = self._parent(path, mtime)
        if parent is None or name in parent.children:
            return
        node = Node(kinds.SYMLINK, 0o777, 0, 0, mtime)
        node.target = target.encode()
        self.index.add(parent, name, node)

    def add_directory(self, path: str, mode: int, mtime: int) -> None:
        """A directory where the image has nothing."""
        parent, name = self._parent(path, mtime)
        if parent is not None and name not in parent.children:
            self.index.add(parent, name, Node(kinds.DIRECTORY, mode, 0, 0, mtime))

    def _parent(self, path: str, mtime: int) -> tuple[Node | None, bytes]:
        """The directory above, made if it is missing; `None` if something else is in the way (links are not followed)."""
        *above, name = path.encode().split(b"/")
        here = self.index.root
        for part in above:
            child = here.children.get(part)
            if child is None:
                child = Node(kinds.DIRECTORY, 0o755, 0, 0, mtime)
                self.index.add(here, part, child)
            if child.kind != kinds.DIRECTORY:
                return None, name
            here = child
        return here, name

    def flat(self) -> Flat:
        """Everything as entries, when all contents are stored."""
        counts = self.index.counts()
        found = _Entries(self._contents)
        entries = tuple(found.all(self.index))
        return Flat(entries, counts.size, counts.files, found.left_out)


def complete(tree: Tree, config: ImageConfig, config_bytes: bytes, bodies: Bodies, bind_points: Sequence[str] = ()) -> None:
    """Add what runtimes look for."""
    mtime = _time_of(config.created)
    for path, (mode, content) in singularity.files(config, config_bytes).items():
        tree.add_file(path, mode, bodies.submit(io.BytesIO(content)), len(content), mtime)
    tree.add_directory(f"{singularity.DIRECTORY}/libs", 0o755, mtime)
    for path, target in singularity.LINKS.items():
        tree.add_link(path, target, mtime)
    for path, mode in (*BIND_DIRECTORIES.items(), *((path.strip("/"), 0o755) for path in bind_points)):
        tree.add_directory(path, mode, mtime)
    for path in BIND_FILES:
        tree.add_file(path, 0o644, bodies.submit(io.BytesIO()), 0, mtime)


class _Entries:
    """Turns nodes into entries."""

    def __init__(self, contents: dict[int, PendingBody]) -> None:
        self._contents = contents
        self._groups: dict[tuple[bytes, int], int] = {}
        self.left_out = 0

    def all(self, index: Index) -> Iterator[tuple[bytes, Entry]]:
        yield b"", self._entry(b"", b"", index.root)
        for path, node in index.walk():
            above, _, name = path.rpartition(b"/")
            yield path, self._entry(above, name, node)

    def _entry(self, above: bytes, name: bytes, node: Node) -> Entry:
        mode = node.mode | 0o444
        if node.kind == kinds.DIRECTORY or node.mode & 0o111:
            mode |= 0o111
        size = {kinds.FILE: node.size, kinds.SYMLINK: len(node.target), kinds.DIRECTORY: DIRECTORY_SIZE}.get(node.kind, 0)
        return Entry(
            name,
            _TYPES[node.kind] | (mode if node.kind != kinds.SYMLINK else 0o777),
            node.uid,
            node.gid,
            size,
            node.mtime,
            target=node.target,
            device=os.makedev(*node.device) if node.kind in (kinds.CHAR, kinds.BLOCK) else 0,
            xattrs=self._held(node.xattrs),
            group=self._group(above, node),
            body=self._contents[id(node)].result() if node.kind == kinds.FILE else None,
        )

    def _group(self, above: bytes, node: Node) -> int:
        if node.links < 2 or node.kind == kinds.DIRECTORY:
            return 0
        return self._groups.setdefault((above, id(node)), len(self._groups) + 1)

    def _held(self, xattrs: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
        kept = tuple(pair for pair in xattrs if len(pair[0]) <= MAX_XATTR and len(pair[1]) <= MAX_XATTR)[:MAX_XATTR]
        self.left_out += len(tuple(xattrs)) - len(kept)
        return kept


def _time_of(text: str) -> int:
    """Nanoseconds of an RFC 3339 time in UTC, without its parts of seconds; 0 for none."""
    import calendar
    import time

    try:
        return max(calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S")), 0) * 1_000_000_000
    except ValueError:
        return 0
