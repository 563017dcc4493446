"""What the server needs of a file system: a tree of items that never change. Values and a protocol; the tree itself is elsewhere.

Where a method would have to wait for the network it raises `WouldWait` unless waiting is allowed; the server then asks again
in another thread. So what lies in the cache is answered at once, however many downloads are under way.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class Tree(Protocol):
        """A read-only file system. Methods raise OSError, whose number the program sees, and `WouldWait`."""

        def root(self) -> Item:
            """The top directory."""

        def lookup(self, directory: Item, name: bytes, *, wait: bool) -> Item | None:
            """What a directory has under a name."""

        def entries(self, directory: Item, *, wait: bool) -> Sequence[tuple[bytes, Item]]:
            """All of a directory, always in the same order, without `.` and `..`."""

        def read(self, item: Item, offset: int, size: int, *, wait: bool) -> bytes:
            """Bytes of a file; fewer than asked for only at its end."""

        def link(self, item: Item) -> bytes:
            """The target of a symbolic link."""

        def attribute(self, item: Item, name: bytes, *, wait: bool) -> bytes | None:
            """The value of an extended attribute."""

        def attributes(self, item: Item) -> Sequence[bytes]:
            """The names of the extended attributes."""

        def space(self) -> tuple[int, int]:
            """Bytes and number of files, for statfs."""


class WouldWait(Exception):
    """The answer is not here yet."""


class Item:
    """A file, directory or whatever; `version` differs whenever anything about it does, `place` is the tree's own."""

    __slots__ = ("device", "gid", "inode", "links", "mode", "nanoseconds", "place", "seconds", "size", "uid", "version")

    def __init__(self, inode: int, mode: int, size: int, version: object, place: object) -> None:
        self.inode = inode
        self.mode = mode
        self.size = size
        self.version = version
        self.place = place
        self.links = 1
        self.uid = 0
        self.gid = 0
        self.device = 0
        self.seconds = 0
        self.nanoseconds = 0
