"""The sink that makes a tar archive: entries with their bodies, in the pax form, the same bytes for the same entries.

Headers are ustar's; what does not fit them (long names, large numbers, parts of seconds, extended attributes) stands in a pax header
before. Nothing of this machine gets in: no user names, no access times, and numbers of devices only where the entry has them.
Sources: POSIX pax "ustar Interchange Format" and "pax Extended Header"; libarchive's hdrcharset for names that are no UTF-8.

`add_tree` writes an unpacked image by its index, which knows the owners, modes, devices and attributes that the disk has not.
"""

from __future__ import annotations

import os

from sampan.errors import StoreError, printable
from sampan.layers import beneath
from sampan.layers.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, HARD_LINK, SOCKET, SYMLINK, Entry
from sampan.layers.header import BLOCK_SIZE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sampan.layers.index import Index, Node

    Write = Callable[[bytes], object]

_TYPES = {FILE: b"0", HARD_LINK: b"1", SYMLINK: b"2", CHAR: b"3", BLOCK: b"4", DIRECTORY: b"5", FIFO: b"6"}
_MAX_ID, _MAX_SIZE = 0o7777777, 0o77777777777
_NAME, _PREFIX = 100, 155
_PIECE = 1 << 20
_END = bytes(2 * BLOCK_SIZE)
_RECORD = 20 * BLOCK_SIZE  # tar programs read and write 20 blocks at a time


class ArchiveSink:
    """Writes an archive by a function that takes bytes. `finish` it when all entries are added."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self.size = 0

    def add(self, entry: Entry, body: Iterable[bytes] = ()) -> None:
        """Write an entry; a file's `body` must have its size. Raises `StoreError` if it has not, and what `write` raises."""
        path = entry.path + b"/" if entry.kind == DIRECTORY else entry.path
        self._put(_extended(entry, path) + _header(entry, path))
        if entry.kind != FILE:
            return
        left = entry.size
        for piece in body:
            left -= len(piece)
            if left < 0:
                break
            self._put(piece)
        if left:
            raise StoreError(f"{printable(entry.path)} is not of the {entry.size} bytes that it should have")
        self._put(bytes(-entry.size % BLOCK_SIZE))

    def finish(self) -> None:
        """End the archive."""
        self._put(_END)
        self._put(bytes(-self.size % _RECORD))

    def _put(self, data: bytes) -> None:
        if data:
            self._write(data)
            self.size += len(data)


def _header(entry: Entry, path: bytes) -> bytes:
    """A ustar header; a field that cannot hold its value has what fits, for the pax header says the rest."""
    name, prefix = _split(path) or (path[:_NAME], b"")
    seconds = entry.mtime // 1_000_000_000
    mode, uid, gid = entry.mode, _fitting(entry.uid, _MAX_ID), _fitting(entry.gid, _MAX_ID)
    size = _fitting(entry.size, _MAX_SIZE) if entry.kind == FILE else 0
    return _block(
        name, b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, _fitting(seconds, _MAX_SIZE)), _TYPES[entry.kind],
        entry.target[:_NAME], b"%07o\0%07o\0" % (_fitting(entry.device[0], _MAX_ID), _fitting(entry.device[1], _MAX_ID)) + prefix,
    )  # fmt: skip


def _block(name: bytes, numbers: bytes, kind: bytes, link: bytes, rest: bytes) -> bytes:
    before = name.ljust(_NAME, b"\0") + numbers
    after = kind + link.ljust(_NAME, b"\0") + b"ustar\x0000" + bytes(64) + rest
    total = sum(before) + sum(after) + 8 * 0x20
    return (before + b"%06o\0 " % total + after).ljust(BLOCK_SIZE, b"\0")


def _fitting(value: int, limit: int) -> int:
    return value if 0 <= value <= limit else 0


def _split(path: bytes) -> tuple[bytes, bytes] | None:
    """Name and prefix of ustar; `None` if the path does not fit."""
    if len(path) <= _NAME:
        return path, b""
    at = path.rfind(b"/", 0, _PREFIX + 1)
    if at <= 0 or not 0 < len(path) - at - 1 <= _NAME:
        return None
    return path[at + 1 :], path[:at]


def _extended(entry: Entry, path: bytes) -> bytes:
    """The pax header that an entry needs, empty if it needs none."""
    records: list[tuple[bytes, bytes]] = []
    if _split(path) is None:
        records.append((b"path", path))
    if len(entry.target) > _NAME:
        records.append((b"linkpath", entry.target))
    if entry.kind == FILE and entry.size > _MAX_SIZE:
        records.append((b"size", b"%d" % entry.size))
    records += [(key, b"%d" % value) for key, value in ((b"uid", entry.uid), (b"gid", entry.gid)) if value > _MAX_ID]
    seconds, nanoseconds = divmod(entry.mtime, 1_000_000_000)
    if nanoseconds or not 0 <= seconds <= _MAX_SIZE:
        records.append((b"mtime", _time(entry.mtime)))
    if any(not _is_text(value) for _, value in records):
        records.insert(0, (b"hdrcharset", b"BINARY"))
    records += [(b"SCHILY.xattr." + name, value) for name, value in entry.xattrs]
    if not records:
        return b""
    body = b"".join(_record(key, value) for key, value in records)
    name = b"PaxHeaders/" + entry.path.rpartition(b"/")[2][:80]
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (0o644, 0, 0, len(body), 0)
    return _block(name, numbers, b"x", b"", b"%07o\0%07o\0" % (0, 0)) + body + bytes(-len(body) % BLOCK_SIZE)


def _time(nanoseconds: int) -> bytes:
    """Seconds with their fraction, a sign in front of both."""
    sign = b"-" if nanoseconds < 0 else b""
    whole, rest = divmod(abs(nanoseconds), 1_000_000_000)
    return sign + b"%d" % whole + (b".%09d" % rest if rest else b"")


def _is_text(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE` and a newline; the length counts itself."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def add_tree(sink: ArchiveSink, index: Index, root: int) -> int:
    """Write all of a tree, whose root directory `root` is, as its index says; how many sockets had to be left out.

    Raises `StoreError` if a file differs from the index in size or is missing.
    """
    _, opener = beneath.openers()
    first: dict[int, bytes] = {}
    left_out = 0
    sink.add(_entry(b".", index.root))
    for path, node in index.walk():
        if node.kind == SOCKET:
            left_out += 1
            continue
        if node.links > 1 and id(node) in first:
            sink.add(Entry(path, HARD_LINK, mode=node.mode, uid=node.uid, gid=node.gid, mtime=node.mtime, target=first[id(node)]))
            continue
        first[id(node)] = path
        sink.add(_entry(path, node), _content(opener, root, path) if node.kind == FILE else ())
    return left_out


def _entry(path: bytes, node: Node) -> Entry:
    return Entry(
        path, node.kind, mode=node.mode, uid=node.uid, gid=node.gid, size=node.size, mtime=node.mtime, target=node.target,
        device=node.device, xattrs=node.xattrs,
    )  # fmt: skip


def _content(opener: Callable[[int, bytes, int], int], root: int, path: bytes) -> Iterator[bytes]:
    try:
        descriptor = opener(root, path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise StoreError(
            f"the tree's file {printable(path)} cannot be opened: {error.strerror}",
            "`sampan store fsck` finds all that is damaged",
        ) from error
    try:
        while piece := os.read(descriptor, _PIECE):
            yield piece
    finally:
        os.close(descriptor)
