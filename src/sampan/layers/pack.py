"""Files of a directory as the entries of an archive, for `cp`: by descriptors, so that no link on the way leads elsewhere.

Names are those of one thing: a file, a link, or a directory with all below it. Names of one inode become hard links. Sockets are
left out, and what belongs to sampan or overlayfs among the attributes. Modes and owners are those that a function gives.
"""

from __future__ import annotations

import os
import stat

from sampan.errors import printable
from sampan.layers import recorded
from sampan.layers.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Entry, check_path
from sampan.layers.merge import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sampan.layers.archive import ArchiveSink

    # (mode, uid, gid) of a path, counted from what is packed, with its kind, its status and its attributes.
    Seen = Callable[[bytes, str, os.stat_result, dict[bytes, bytes]], tuple[int, int, int]]

_KINDS = {
    stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: SYMLINK, stat.S_IFIFO: FIFO, stat.S_IFCHR: CHAR, stat.S_IFBLK: BLOCK,
}  # fmt: skip
_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PIECE = 1 << 20


class Packed:
    """What was packed: how many sockets were left out, and files that changed their size meanwhile."""

    __slots__ = ("changed", "sockets")

    def __init__(self) -> None:
        self.sockets = 0
        self.changed = 0


def pack(sink: ArchiveSink, directory: int, name: bytes, top: bytes, seen: Seen) -> Packed:
    """Write the entry `name` of a directory, and all below it, under the name `top`. Raises OSError that names what cannot be read.

    `name` may be `.`, the directory itself. The sink is not finished.
    """
    packing = _Packing(sink, seen)
    packing.add(directory, name, top, b"")
    return packing.packed


class _Packing:
    def __init__(self, sink: ArchiveSink, seen: Seen) -> None:
        self._sink = sink
        self._seen = seen
        self._first: dict[tuple[int, int], bytes] = {}
        self.packed = Packed()

    def add(self, directory: int, name: bytes, path: bytes, inside: bytes) -> None:
        """`path` is the name in the archive, `inside` the path below what is packed."""
        check_path(path)
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        kind = _KINDS.get(stat.S_IFMT(status.st_mode))
        if kind is None:
            self.packed.sockets += 1
        elif kind == DIRECTORY:
            self._directory(directory, name, path, inside)
        elif kind == FILE:
            self._file(directory, name, path, inside)
        else:
            entry = self._entry(path, kind, self._seen(inside, kind, status, {}), status, {})
            if kind == SYMLINK:
                entry.target = os.readlink(name, dir_fd=directory)
                entry.mode = 0o777
            elif kind in (CHAR, BLOCK):
                entry.device = os.major(status.st_rdev), os.minor(status.st_rdev)
            self._sink.add(entry)

    def _directory(self, directory: int, name: bytes, path: bytes, inside: bytes) -> None:
        descriptor = _opened(name, _STEP, directory, path)
        try:
            status, attributes = os.fstat(descriptor), attributes_of(descriptor)
            self._sink.add(self._entry(path, DIRECTORY, self._seen(inside, DIRECTORY, status, attributes), status, attributes))
            for child in sorted(os.fsencode(entry) for entry in os.listdir(descriptor)):
                self.add(descriptor, child, join(path, child), join(inside, child))
        finally:
            os.close(descriptor)

    def _file(self, directory: int, name: bytes, path: bytes, inside: bytes) -> None:
        descriptor = _opened(name, _READ, directory, path)
        try:
            status, attributes = os.fstat(descriptor), attributes_of(descriptor)
            entry = self._entry(path, FILE, self._seen(inside, FILE, status, attributes), status, attributes)
            device = recorded.device_of(attributes.get(recorded.DEVICE, b"")) if not status.st_size else None
            if device is not None:
                entry.kind, entry.device = CHAR if device[0] == b"c" else BLOCK, device[1:]
                self._sink.add(entry)
                return
            key = (status.st_dev, status.st_ino)
            if status.st_nlink > 1 and key in self._first:
                entry.kind, entry.size, entry.target = HARD_LINK, 0, self._first[key]
                self._sink.add(entry)
                return
            self._first.setdefault(key, path)
            # A file of /proc says that it is empty, and is not.
            begin = b"" if status.st_size else os.read(descriptor, _PIECE)
            entry.size = status.st_size or len(begin)
            self._sink.add(entry, [begin] if begin else self._content(descriptor, status.st_size))
        finally:
            os.close(descriptor)

    def _content(self, descriptor: int, left: int) -> Iterator[bytes]:
        """Just as many bytes as the entry says; a file can grow or shrink while it is read."""
        while left and (piece := os.read(descriptor, min(left, _PIECE))):
            yield piece
            left -= len(piece)
        self.packed.changed += left > 0
        while left:
            yield bytes(min(left, _PIECE))
            left -= min(left, _PIECE)

    @staticmethod
    def _entry(
        path: bytes, kind: str, seen: tuple[int, int, int], status: os.stat_result, attributes: dict[bytes, bytes]
    ) -> Entry:
        mode, uid, gid = seen
        xattrs = tuple(sorted(attribute for attribute in attributes.items() if is_users(attribute[0])))
        return Entry(path, kind, mode=mode, uid=uid, gid=gid, mtime=status.st_mtime_ns, xattrs=xattrs)


def is_users(name: bytes) -> bool:
    """Whether an attribute is one that travels with a file."""
    return name.startswith(b"user.") and not name.startswith((recorded.PREFIX, b"user.overlay."))


def attributes_of(descriptor: int) -> dict[bytes, bytes]:
    """The extended attributes in the user's namespace; none where the file system has none."""
    found = {}
    try:
        for name in os.listxattr(descriptor):
            if name.startswith("user."):
                found[os.fsencode(name)] = os.getxattr(descriptor, name)
    except OSError:
        return found
    return found


def _opened(name: bytes, flags: int, directory: int, path: bytes) -> int:
    try:
        return os.open(name, flags, dir_fd=directory)
    except OSError as error:
        raise OSError(error.errno, error.strerror, printable(path)) from error
