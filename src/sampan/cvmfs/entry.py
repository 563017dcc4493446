"""What a repository says of one path: the value between catalogs and everybody else. Pure."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, NamedTuple

from sampan.cvmfs.hashing import CONTENT, PIECE
from sampan.errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.cvmfs.hashing import Hash

DIRECTORY = 1
NESTED_MOUNT = 2
FILE = 4
LINK = 8
SPECIAL = 16
NESTED_ROOT = 32
CHUNKED = 64
EXTERNAL = 128
BIND_MOUNT = 0x4000
HIDDEN = 0x8000
DIRECT_IO = 0x10000
ALGORITHM_SHIFT = 8
COMPRESSION_SHIFT = 11
FIELD = 7
"""Algorithm and compression have three bits each."""

COMPRESSIONS = ("zlib", "none")
"""In the order of their numbers in a catalog's flags."""
DIRECTORY_SIZE = 4096
MARKER = b".cvmfscatalog"
"""The file that marks the root of a nested catalog."""
MAX_XATTR = 255


class Chunk(NamedTuple):
    """A piece of a large file; offset and size are those of the uncompressed bytes."""

    offset: int
    size: int
    hash: Hash


class Body(NamedTuple):
    """The content of a file: one object, or pieces without a gap. `size` is that of the uncompressed bytes."""

    size: int
    hash: Hash | None
    compression: str = "zlib"
    chunks: tuple[Chunk, ...] = ()


class Piece(NamedTuple):
    """Bytes `start` to `stop` of the uncompressed content, `size` bytes, of one object."""

    hash: Hash
    suffix: str
    size: int
    start: int
    stop: int


class Entry(NamedTuple):
    """All that is said of one path.

    `mode` is the whole st_mode; `mtime` in nanoseconds; `device` st_rdev; `group` is the same number, not 0, for names of one
    directory that are one inode; `flags` are the bits that have no field of their own.
    """

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: bytes = b""
    device: int = 0
    xattrs: tuple[tuple[bytes, bytes], ...] = ()
    links: int = 1
    group: int = 0
    body: Body | None = None
    flags: int = 0

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)

    @property
    def is_symlink(self) -> bool:
        return stat.S_ISLNK(self.mode)


def directory(mode: int = 0o755, *, uid: int = 0, gid: int = 0, mtime: int = 0) -> Entry:
    """A directory; who puts it says its name."""
    return Entry(b"", stat.S_IFDIR | mode, uid, gid, DIRECTORY_SIZE, mtime, links=2)


def symlink(target: bytes, *, uid: int = 0, gid: int = 0, mtime: int = 0) -> Entry:
    """A symbolic link; who puts it says its name."""
    return Entry(b"", stat.S_IFLNK | 0o777, uid, gid, len(target), mtime, target=target)


def regular(body: Body, mode: int = 0o644, *, uid: int = 0, gid: int = 0, mtime: int = 0) -> Entry:
    """A file; who puts it says its name."""
    return Entry(b"", stat.S_IFREG | mode, uid, gid, body.size, mtime, body=body)


def pieces(body: Body, offset: int, size: int) -> list[Piece]:
    """The objects that hold this range of a file, in order; a range behind the end holds nothing."""
    end = min(offset + size, body.size)
    if offset >= end:
        return []
    if body.hash is not None and not body.chunks:
        return [Piece(body.hash, CONTENT, body.size, offset, end)]
    return [
        Piece(chunk.hash, PIECE, chunk.size, max(offset - chunk.offset, 0), min(end - chunk.offset, chunk.size))
        for chunk in body.chunks
        if chunk.offset < end and chunk.offset + chunk.size > offset
    ]


def expand_target(target: bytes, environ: Mapping[str, str]) -> bytes:
    """The target of a link with `$(NAME)` and `$(NAME:-default)` replaced, as the official client does."""
    done, rest = b"", target
    while True:
        before, opening, behind = rest.partition(b"$(")
        words, closing, after = behind.partition(b")")
        if not opening or not closing:
            return done + rest
        name, _, default = words.partition(b":-")
        value = environ.get(name.decode("utf-8", "surrogateescape"))
        done += before + (default if value is None else value.encode("utf-8", "surrogateescape"))
        rest = after


def pack_xattrs(xattrs: tuple[tuple[bytes, bytes], ...]) -> bytes | None:
    """The table's form: version, count, then both lengths, name and value of each, sorted by name.

    Raises `RepositoryError` for what the format has no room for.
    """
    if not xattrs:
        return None
    if len(xattrs) > MAX_XATTR:
        raise RepositoryError(f"{len(xattrs)} extended attributes are more than the {MAX_XATTR} that a catalog holds")
    blob = bytes((1, len(xattrs)))
    for name, value in sorted(xattrs):
        if not 0 < len(name) <= MAX_XATTR or len(value) > MAX_XATTR:
            raise RepositoryError(
                f"the extended attribute {name[:80]!r} is longer than the {MAX_XATTR} bytes that a catalog holds"
            )
        blob += bytes((len(name), len(value))) + name + value
    return blob


def unpack_xattrs(blob: bytes) -> tuple[tuple[bytes, bytes], ...]:
    """Raises `RepositoryError` for a blob that is cut, too long, or of another version."""
    if len(blob) < 2 or blob[0] != 1:
        raise RepositoryError("a list of extended attributes is of an unknown version")
    found = []
    at = 2
    for _ in range(blob[1]):
        if at + 2 > len(blob):
            raise RepositoryError("a list of extended attributes is cut")
        name_end = at + 2 + blob[at]
        end = name_end + blob[at + 1]
        found.append((blob[at + 2 : name_end], blob[name_end:end]))
        at = end
    if at != len(blob) or not all(name for name, _ in found):
        raise RepositoryError("a list of extended attributes has wrong lengths")
    return tuple(sorted(found))
