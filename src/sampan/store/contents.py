"""Where the contents of a tree are: a small sorted table beside its index, by which equal files of other trees are found.

`trees/<chain>/contents` is derived from the index, so it can be lost, wrong or made anew at any time: whoever finds something
by it compares the line of the index it leads to. It comes and goes with its tree, is never changed, and so needs no lock, no
journal and no care of gc. (Rejected: a pool of hard links, which doubles the names and has to be swept; one table for the
store, which many processes would have to rewrite.)

The file is 16 bytes of magic, then the keys in ascending order, 8 bytes each, then for each the offset of its line in the
index, 4 bytes; numbers are little-endian. A key is the first 4 bytes of the content's sha256 and the CRC-32 of mode on disk, time,
size and digest. Only files of at least 4 KiB without `user.*` attributes are in it, each inode once.
"""

from __future__ import annotations

import os
import sys
from array import array
from bisect import bisect_left
from zlib import crc32

from sampan.layers.entry import FILE
from sampan.layers.ondisk import shown_xattrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.layers.index import Node

MIN_SIZE = 4096
"""Smaller files are not shared: they cost about as much as the link, and would use up link limits."""
_MAGIC = b"sampan contents1"
_MAX_OFFSET = (1 << 32) - 1
_MAX_BYTES = 64 << 20


def is_listed(node: Node, size: int) -> bool:
    """Whether a node whose file has this size can be in the table, and so be shared."""
    return node.kind == FILE and size >= MIN_SIZE and not (node.xattrs and shown_xattrs(node))


def split(words: bytes) -> tuple[int, bytes]:
    """Mode in the image, and the words for time, size and digest, out of the words of a file's line (`mtree.attributes`)."""
    at = words.index(b" time=")
    return int(words[6 : words.index(b" ", 6)], 8) if words.startswith(b" mode=") else 0o644, words[at:]


def key_of(words: bytes) -> int:
    """The key of a file with these words."""
    at = words.index(b" time=")
    mode = int(words[6 : words.index(b" ", 6)], 8) & 0o355 if at and words.startswith(b" mode=") else 0o244
    return int(words[-64:-56], 16) << 32 | crc32(words[at:], mode)


class Maker:
    """Collects the keys while an index is written."""

    def __init__(self) -> None:
        self._found: list[int] = []  # key and offset in one number, which sorts faster than a pair
        self._seen: set[int] = set()

    def add(self, node: Node, words: bytes, size: int, offset: int) -> None:
        """The line of `node`, with these attributes, begins at `offset`."""
        if size < MIN_SIZE or offset > _MAX_OFFSET or (node.xattrs and not is_listed(node, size)):
            return
        if node.links > 1:
            if id(node) in self._seen:
                return
            self._seen.add(id(node))
        self._found.append(key_of(words) << 32 | offset)

    def table(self) -> bytes:
        """The file."""
        self._found.sort()
        keys, offsets = array("Q", [one >> 32 for one in self._found]), array("I", [one & _MAX_OFFSET for one in self._found])
        if sys.byteorder == "big":
            keys.byteswap()
            offsets.byteswap()
        return _MAGIC + keys.tobytes() + offsets.tobytes()


class Table:
    """The keys of one tree, and where they lead."""

    __slots__ = ("keys", "_offsets")

    def __init__(self, data: bytes) -> None:
        """Raises ValueError if it is no such file."""
        count, rest = divmod(len(data) - len(_MAGIC), 12)
        if not data.startswith(_MAGIC) or rest:
            raise ValueError("it is no table of contents")
        self.keys = array("Q", data[len(_MAGIC) : len(_MAGIC) + 8 * count])
        self._offsets = array("I", data[len(_MAGIC) + 8 * count :])
        if sys.byteorder == "big":
            self.keys.byteswap()
            self._offsets.byteswap()

    def offsets(self, key: int) -> list[int]:
        """Where in the index the lines with this key begin."""
        at = bisect_left(self.keys, key)
        end = at
        while end < len(self.keys) and self.keys[end] == key:
            end += 1
        return list(self._offsets[at:end])


def load(directory: str) -> Table | None:
    """The table of the tree in `directory`; `None` if it has none that can be read."""
    try:
        with open(f"{directory}/contents", "rb") as stream:
            if os.fstat(stream.fileno()).st_size <= _MAX_BYTES:
                return Table(stream.read())
    except (OSError, ValueError):
        pass
    return None
