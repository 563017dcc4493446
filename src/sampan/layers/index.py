"""The index: every name of a tree with its true mode, owner, size, content, links and attributes. Pure.

An `Index` is a tree of `Node`s. A node is what Unix calls an inode: names that are hard links of each other lead to the
same `Node`, so what belongs together cannot come apart. `mtree.py` prints and parses it.
"""

from __future__ import annotations

from sampan.errors import LayerError
from sampan.layers.entry import DIRECTORY, FILE
from sampan.layers.limits import MAX_ENTRIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Node:
    """One file, directory, link or device. `children` only for directories; `links` counts the names it has.

    `mode` is the image's, setuid included; `mtime` in nanoseconds; `digest` the sha256 of a file's content (raw bytes,
    empty until it is written); `target` a symbolic link's text; `device` (major, minor). `is_new` is false while the node is as
    it was read from the index of another tree.
    """

    __slots__ = (
        "children", "device", "digest", "gid", "is_new", "kind", "links", "mode", "mtime", "size", "target", "uid", "xattrs",
    )  # fmt: skip

    def __init__(self, kind: str, mode: int, uid: int, gid: int, mtime: int) -> None:
        self.kind = kind
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.size = 0
        self.digest = b""
        self.target = b""
        self.device = (0, 0)
        self.xattrs: tuple[tuple[bytes, bytes], ...] = ()
        self.links = 1
        self.is_new = True
        self.children: dict[bytes, Node] = {} if kind == DIRECTORY else NO_CHILDREN

    def change(self, mode: int, uid: int, gid: int, mtime: int, xattrs: tuple[tuple[bytes, bytes], ...]) -> None:
        """Give a directory other attributes. What is no directory is never changed, but replaced."""
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.xattrs = xattrs
        self.is_new = True


NO_CHILDREN: dict[bytes, Node] = {}


class Index:
    """All names of one tree. Names are resolved and relative to the root, whose path is empty."""

    __slots__ = ("made", "root")

    def __init__(self) -> None:
        self.root = Node(DIRECTORY, 0o755, 0, 0, 0)
        self.made = 0

    def add(self, parent: Node, name: bytes, node: Node) -> None:
        """Give `node` the name in the directory. Raises `LayerError` when too many were ever made."""
        self.made += 1
        if self.made > MAX_ENTRIES:
            raise LayerError(f"the image has more than {MAX_ENTRIES} names")
        parent.children[name] = node

    def lookup(self, path: bytes) -> Node | None:
        """The node of a path without links in it; `None` if there is none."""
        node: Node | None = self.root
        for part in path.split(b"/") if path else ():
            node = node.children.get(part) if node is not None else None
        return node

    def walk(self) -> Iterator[tuple[bytes, Node]]:
        """Every (path, node) below the root: parents before children, siblings in byte order."""
        stack = [iter(_named(b"", self.root))]
        while stack:
            for path, node in stack[-1]:
                yield path, node
                if node.children:
                    stack.append(iter(_named(path + b"/", node)))
                    break
            else:
                stack.pop()

    def counts(self) -> Counts:
        """How many names of each sort there are below the root, and the bytes of all files, each counted once."""
        counts = Counts()
        for _, node in self.walk():
            counts.add(node, node.size if node.kind == FILE else 0)
        return counts


class Counts:
    """What is in an index. `files` counts contents, `entries` names; `size` is bytes with holes."""

    __slots__ = ("_seen", "directories", "entries", "files", "size")

    def __init__(self) -> None:
        self.directories = 0
        self.entries = 0
        self.files = 0
        self.size = 0
        self._seen: set[int] = set()

    def add(self, node: Node, size: int) -> None:
        """Count one name of a node; `size` is that of its file."""
        self.entries += 1
        if node.kind is FILE:
            if node.links > 1:
                if id(node) in self._seen:
                    return
                self._seen.add(id(node))
            self.files += 1
            self.size += size
        elif node.kind is DIRECTORY:
            self.directories += 1


def _named(prefix: bytes, node: Node) -> list[tuple[bytes, Node]]:
    return [(prefix + name, node.children[name]) for name in sorted(node.children)]
