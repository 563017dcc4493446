"""Entries as rows of a catalog that is being written."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from sampan.cvmfs import entry
from sampan.cvmfs.entry import COMPRESSIONS, DIRECTORY_SIZE, pack_xattrs
from sampan.cvmfs.hashing import ALGORITHMS, path_key
from sampan.errors import RepositoryError, printable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from sampan.cvmfs.entry import Entry

_NANO = 10**9
_GIVEN = entry.HIDDEN | entry.DIRECT_IO | entry.EXTERNAL
# A name that is no UTF-8 is bound as a blob and stays the same bytes; the column is a text for every reader.
# Columns are named: a catalog of an old tool that got them later has them in another order.
COLUMNS = (
    "md5path_1, md5path_2, parent_1, parent_2, hardlinks, hash, size, mode, mtime, mtimens, flags, name, symlink, uid, gid, xattr"
)
_INSERT = f"INSERT OR REPLACE INTO catalog ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?)"  # noqa: S608
_KINDS = {
    stat.S_IFDIR: entry.DIRECTORY,
    stat.S_IFREG: entry.FILE,
    stat.S_IFLNK: entry.FILE | entry.LINK,
    stat.S_IFCHR: entry.FILE | entry.SPECIAL,
    stat.S_IFBLK: entry.FILE | entry.SPECIAL,
    stat.S_IFIFO: entry.FILE | entry.SPECIAL,
    stat.S_IFSOCK: entry.FILE | entry.SPECIAL,
}
MAX_NAME = 255


def parent_of(path: bytes) -> bytes:
    """The path of the directory that `path` is in."""
    return path.rpartition(b"/")[0]


def check(path: bytes, found: Entry) -> None:
    """Raises `RepositoryError` for an entry that a catalog cannot hold."""
    name = path.rpartition(b"/")[2]
    if not 0 < len(name) <= MAX_NAME or b"\0" in name or name in (b".", b".."):
        raise _refused(path, "its name is impossible")
    if stat.S_IFMT(found.mode) not in _KINDS:
        raise _refused(path, "its mode says no kind of file")
    if found.is_file and found.body is None:
        raise _refused(path, "it is a file without content")
    if found.is_symlink and b"\0" in found.target:
        raise _refused(path, "its target is impossible")
    if not (0 <= found.uid < 1 << 32 and 0 <= found.gid < 1 << 32):
        raise _refused(path, "its owner is no number of 32 bits")


def _refused(path: bytes, why: str) -> RepositoryError:
    return RepositoryError(f"cannot publish {printable(path)!r}: {why}")


def row_of(path: bytes, found: Entry, links: int, group: int = 0, extra: int = 0) -> tuple[object, ...]:
    """The row of an absolute path; `extra` flags are those of nested catalogs. Raises `RepositoryError`."""
    kind = stat.S_IFMT(found.mode)
    flags = _KINDS[kind] | extra | (found.flags & _GIVEN)
    digest, size, target = None, found.size, b""
    if kind == stat.S_IFREG:
        body = found.body
        if body is None:
            raise _refused(path, "it is a file without content")
        size = body.size
        hash = body.chunks[0].hash if body.chunks else body.hash
        flags |= COMPRESSIONS.index(body.compression) << entry.COMPRESSION_SHIFT
        if hash is not None:
            flags |= ALGORITHMS.index(hash.algorithm) << entry.ALGORITHM_SHIFT
        if body.chunks:
            flags |= entry.CHUNKED
        digest = None if body.hash is None else body.hash.digest
    elif kind == stat.S_IFDIR:
        size = DIRECTORY_SIZE
    elif kind == stat.S_IFLNK:
        size, target = len(found.target), found.target
    else:
        size = found.device if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
    seconds, nanoseconds = divmod(found.mtime, _NANO)
    try:
        xattrs = pack_xattrs(found.xattrs)
    except RepositoryError as error:
        raise _refused(path, error.sentence) from error
    parent = path_key(parent_of(path)) if path else (0, 0)
    return (
        *path_key(path), *parent, group << 32 | links, digest, size, found.mode, seconds, nanoseconds or None, flags,
        path.rpartition(b"/")[2], target, found.uid, found.gid, xattrs,
    )  # fmt: skip


def insert(connection: sqlite3.Connection, rows: Iterable[tuple[object, ...]]) -> None:
    """Rows that replace those of the same path. Raises sqlite3.Error."""
    connection.executemany(_INSERT, rows)


def insert_chunks(connection: sqlite3.Connection, path: bytes, found: Entry) -> None:
    """The pieces of a large file. Raises sqlite3.Error."""
    if found.body is not None and found.body.chunks:
        key = path_key(path)
        connection.executemany(
            "INSERT INTO chunks (md5path_1, md5path_2, offset, size, hash) VALUES (?, ?, ?, ?, ?)",
            [(*key, c.offset, c.size, c.hash.digest) for c in found.body.chunks],
        )
