"""A catalog: one SQLite file with the entries of a part of the tree, read.

An entry is found by the MD5 of its absolute path, a directory's entries by the MD5 of the directory's, so no row can make a cycle:
a child's key is made from its name. Where a nested catalog begins, the parent has the directory's row and the child begins with the
same directory. A catalog may be mounted at another path than the one it was written for (`root_prefix`); keys are then made of the
latter. Rows come from a server: each is checked when it becomes an `Entry`, so that what is wrong is refused where it is met.
"""

from __future__ import annotations

import stat
import threading
import weakref
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from sampan.cvmfs import counters, database, entry
from sampan.cvmfs.entry import Body, Chunk, Entry, unpack_xattrs
from sampan.cvmfs.hashing import ALGORITHMS, Hash, path_key
from sampan.errors import RepositoryError, printable

if TYPE_CHECKING:
    import sqlite3
    from collections import Counter
    from collections.abc import Iterator

    from sampan.cvmfs.counters import Counters

    Row = tuple[Any, ...]

MAX_NAME = 255
MAX_CHUNK = 1 << 30
_SCHEMAS = (2.4, 2.5)
_MTIME_NS, _XATTRS, _BINDS = 7, 2, 4
"""Revisions of the schema since which there are these."""
_DIGEST = 20
_NANO = 10**9
_GROUP = 32
_KINDS = {
    stat.S_IFDIR: entry.DIRECTORY,
    stat.S_IFREG: 0,
    stat.S_IFLNK: entry.LINK,
    stat.S_IFCHR: entry.SPECIAL,
    stat.S_IFBLK: entry.SPECIAL,
    stat.S_IFIFO: entry.SPECIAL,
    stat.S_IFSOCK: entry.SPECIAL,
}
_KIND_BITS = entry.DIRECTORY | entry.LINK | entry.SPECIAL
_OWN_FLAGS = entry.NESTED_MOUNT | entry.NESTED_ROOT | entry.EXTERNAL | entry.BIND_MOUNT | entry.HIDDEN | entry.DIRECT_IO
_BODY_FIELDS = (entry.FIELD << entry.ALGORITHM_SHIFT) | (entry.FIELD << entry.COMPRESSION_SHIFT) | entry.CHUNKED | entry.EXTERNAL


class Nested(NamedTuple):
    """Hash and uncompressed size of a nested catalog."""

    hash: Hash
    size: int


class Catalog:
    """One catalog, mounted at `mountpoint`. For several threads at once."""

    def __init__(self, connection: sqlite3.Connection, mountpoint: bytes, hash: Hash, size: int) -> None:
        """Takes the connection over. Raises `RepositoryError`."""
        self._connection = connection
        # Not `__del__`: in a cycle of garbage the connection may come first, and complains that nobody closed it.
        weakref.finalize(self, connection.close)
        self._lock = threading.Lock()
        self.mountpoint = mountpoint
        self.hash = hash
        self.size = size
        self.algorithm = hash.algorithm
        try:
            self.properties = {_text(key): _text(value) for key, value in connection.execute("SELECT key, value FROM properties")}
            self._columns = self._understood()
            self.prefix = self.properties.get("root_prefix", "").encode("utf-8", "surrogateescape")
            self.nested = self._read_nested()
        except database.FAULTS as error:
            raise database.damaged(error) from error

    def _understood(self) -> str:
        schema, revision = self.properties.get("schema", ""), self.properties.get("schema_revision", "0")
        if schema not in [str(known) for known in _SCHEMAS] or not revision.isascii() or not revision.isdigit():
            raise RepositoryError(
                f"catalog {self.hash} has the schema {printable(schema[:20])!r}, which sampan does not know", "upgrade sampan"
            )
        number = int(revision[:9])
        self._has_binds = number >= _BINDS
        nanoseconds = "mtimens" if number >= _MTIME_NS else "NULL"
        xattrs = "xattr" if number >= _XATTRS else "NULL"
        return (
            f"name, mode, uid, gid, size, mtime, {nanoseconds}, flags, hardlinks, symlink, {xattrs}, hash, md5path_1, md5path_2"
        )

    def _read_nested(self) -> dict[bytes, Nested]:
        found: dict[bytes, Nested] = {}
        self.binds: set[bytes] = set()
        tables = ("nested_catalogs", "bind_mountpoints") if self._has_binds else ("nested_catalogs",)
        for table in tables:
            for path, text, size in self._connection.execute(f"SELECT path, sha1, size FROM {table}"):  # noqa: S608 - names of ours
                if not isinstance(path, bytes) or not path.startswith(self.prefix + b"/") or not isinstance(size, int):
                    raise RepositoryError(f"catalog {self.hash} has a nested catalog that does not lie below it")
                where = self.mountpoint + path[len(self.prefix) :]
                if table == "bind_mountpoints":
                    self.binds.add(where)
                found[where] = Nested(Hash.parse(_text(text)), size)
        return found

    def _key(self, path: bytes) -> tuple[int, int]:
        if self.prefix == self.mountpoint:
            return path_key(path)
        return path_key(self.prefix + path[len(self.mountpoint) :])

    def _query(self, sql: str, values: tuple[object, ...] = ()) -> list[Row]:
        try:
            with self._lock:
                return self._connection.execute(sql, values).fetchall()
        except database.FAULTS as error:
            raise database.damaged(error) from error

    def lookup(self, path: bytes) -> Entry | None:
        """The entry of an absolute path at or below the mount point. Raises `RepositoryError`."""
        rows = self._query(f"SELECT {self._columns} FROM catalog WHERE md5path_1 = ? AND md5path_2 = ?", self._key(path))  # noqa: S608
        if not rows:
            return None
        found = self._entry(rows[0], is_root=path == self.mountpoint)
        name = path.rpartition(b"/")[2]
        if found.name != name:
            if path != self.mountpoint or self.prefix == self.mountpoint:
                raise RepositoryError(f"catalog {self.hash} has another name in the row of {printable(path)!r}")
            found = found._replace(name=name)
        return found

    def listdir(self, path: bytes, *, hidden: bool = False) -> list[Entry]:
        """The entries of a directory that this catalog has, by name. Raises `RepositoryError`."""
        rows = self._query(f"SELECT {self._columns} FROM catalog WHERE parent_1 = ? AND parent_2 = ?", self._key(path))  # noqa: S608
        entries = [self._entry(row) for row in rows if hidden or not self._is_hidden(row)]
        entries.sort(key=itemgetter(0))
        if any(left.name == right.name for left, right in zip(entries, entries[1:])):
            raise RepositoryError(f"catalog {self.hash} has a name twice in {printable(path) or '/'!r}")
        return entries

    @staticmethod
    def _is_hidden(row: Row) -> bool:
        return isinstance(row[7], int) and bool(row[7] & entry.HIDDEN)

    def _entry(self, row: Row, *, is_root: bool = False) -> Entry:
        name, mode, uid, gid, size, mtime, ns, flags, hardlinks, target, xattrs, digest, first, second = row
        try:
            if (mode | uid | gid | size | flags | hardlinks | (ns or 0)) < 0 or not -_MAX_TIME < (mtime | 0) < _MAX_TIME:
                raise self._wrong(name, "a negative number, or an impossible time")
            if (ns or 0) >= _NANO or (uid | gid) >> 32 or mode >> 16:
                raise self._wrong(name, "a number that is too large")
        except TypeError as error:
            raise self._wrong(name, "something that is no number where one should be") from error
        kind = stat.S_IFMT(mode)
        if _KINDS.get(kind) != flags & _KIND_BITS:
            raise self._wrong(name, "a mode that is at odds with its flags")
        if not is_root:
            if type(name) is not bytes or not 0 < len(name) <= MAX_NAME or b"/" in name or b"\0" in name or name in (b".", b".."):
                raise self._wrong(name, "an impossible name")
        elif type(name) is not bytes:
            raise self._wrong(name, "an impossible name")
        body = None
        if kind == stat.S_IFREG:
            body = self._body(name, size, flags, digest, (first, second))
            target = b""
        elif kind == stat.S_IFLNK:
            if type(target) is not bytes or b"\0" in target:
                raise self._wrong(name, "an impossible target")
        else:
            target = b""
        device = size if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
        return Entry(
            name, mode, uid, gid, 0 if device else size, mtime * _NANO + (ns or 0), target, device,
            self._xattrs(name, xattrs) if xattrs is not None else (),
            hardlinks & 0xFFFFFFFF, hardlinks >> _GROUP, body, flags & _OWN_FLAGS,
        )  # fmt: skip

    def _xattrs(self, name: object, blob: object) -> tuple[tuple[bytes, bytes], ...]:
        if not isinstance(blob, bytes):
            raise self._wrong(name, "extended attributes that are no blob")
        return unpack_xattrs(blob)

    def _body(self, name: object, size: int, flags: int, digest: object, key: tuple[int, int]) -> Body:
        if not flags & _BODY_FIELDS and type(digest) is bytes and len(digest) == _DIGEST:
            return Body(size, Hash(digest))
        number = flags >> entry.ALGORITHM_SHIFT & entry.FIELD
        method = flags >> entry.COMPRESSION_SHIFT & entry.FIELD
        if number >= len(ALGORITHMS) or method >= len(entry.COMPRESSIONS):
            raise self._wrong(name, "an unknown kind of hash or compression")
        whole = Hash(digest, ALGORITHMS[number]) if isinstance(digest, bytes) and len(digest) == _DIGEST else None
        chunks: tuple[Chunk, ...] = ()
        if flags & entry.CHUNKED:
            chunks = tuple(self._chunks(name, size, ALGORITHMS[number], key))
        elif whole is None and not flags & entry.EXTERNAL:
            raise self._wrong(name, "no hash")
        return Body(size, whole, entry.COMPRESSIONS[method], chunks)

    def _chunks(self, name: object, size: int, algorithm: str, key: tuple[int, int]) -> Iterator[Chunk]:
        at = 0
        sql = "SELECT offset, size, hash FROM chunks WHERE md5path_1 = ? AND md5path_2 = ? ORDER BY offset"
        for offset, length, digest in self._query(sql, key):
            right = isinstance(offset, int) and isinstance(length, int) and isinstance(digest, bytes)
            if not right or offset != at or not 0 < length <= MAX_CHUNK or len(digest) != _DIGEST:
                raise self._wrong(name, "pieces that do not follow each other")
            yield Chunk(offset, length, Hash(digest, algorithm))
            at += length
        if at != size:
            raise self._wrong(name, "pieces that are not the whole file")

    def _wrong(self, name: object, what: str) -> RepositoryError:
        shown = printable(name[:80]) if isinstance(name, bytes) else "?"
        return RepositoryError(f"catalog {self.hash} has, in the row of {shown!r}, {what}")

    @property
    def statistics(self) -> Counters:
        """As the catalog says."""
        return counters.read(self._query("SELECT counter, value FROM statistics"))

    def counted(self) -> Counter[str]:
        """What the catalog's own rows amount to."""
        try:
            with self._lock:
                return counters.counted(self._connection)
        except database.FAULTS as error:
            raise database.damaged(error) from error

    def keys(self) -> set[tuple[int, int]]:
        """The keys of all rows."""
        return set(self._query("SELECT md5path_1, md5path_2 FROM catalog"))

    def objects(self) -> Iterator[tuple[Hash, str]]:
        """Hash and suffix of every object that holds a file's content; a content that lies outside is none. Raises `RepositoryError`."""
        inside = f"flags & {entry.EXTERNAL} = 0"
        whole = f"SELECT DISTINCT hash, flags, '' FROM catalog WHERE hash IS NOT NULL AND {inside}"  # noqa: S608
        cut = f"SELECT DISTINCT chunks.hash, flags, 'P' FROM chunks JOIN catalog USING (md5path_1, md5path_2) WHERE {inside}"  # noqa: S608
        for digest, flags, suffix in self._query(f"{whole} UNION {cut}"):
            number = flags >> entry.ALGORITHM_SHIFT & entry.FIELD if isinstance(flags, int) else len(ALGORITHMS)
            if not isinstance(digest, bytes) or len(digest) != _DIGEST or number >= len(ALGORITHMS):
                raise RepositoryError(f"catalog {self.hash} has a file with an impossible hash")
            yield Hash(digest, ALGORITHMS[number]), _text(suffix)


_MAX_TIME = 1 << 43
"""Seconds: years beyond 200,000 are no time, and a nanosecond count must stay a number that others can hold."""


def _text(value: object) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
