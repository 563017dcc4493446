"""Invariant: whatever values stand in the rows of a catalog, entries are legal (names without slash, ranges that hold together) or refused by a RepositoryError.

An input is a list of changes, one a line: the table's letter, a column's number, a kind of value, and the value.
"""

from __future__ import annotations

import sqlite3
import tempfile

from sampan.cvmfs import build, database
from sampan.cvmfs.build import Setting, Tree
from sampan.cvmfs.catalog import Catalog
from sampan.cvmfs.deposit import Deposit
from sampan.cvmfs.entry import Body, Chunk, directory, pieces, regular, symlink
from sampan.cvmfs.hashing import Hash
from sampan.errors import RepositoryError

EMPTY = Body(0, Hash.of(b""))
BIG = Body(10, None, "zlib", (Chunk(0, 6, Hash.of(b"1")), Chunk(6, 4, Hash.of(b"2"))))
SEEDS = [
    b"c11ta/b\nc10i68", b"c5b" + b"x" * 20, b"k2i7\nk3i-1", b"n0t/x\nn1t" + b"0" * 40, b"p1tschema", b"c15b\x01\x01\x01\x01ab", b"s1ix\nc0i5\nc6i-5",
    b"c7i16877\nc10i1", b"c8f1.5\nc9i1000000000", b"c4n\nc12n",
]  # fmt: skip
TABLES = {
    b"c": (
        "catalog",
        [
            "md5path_1",
            "md5path_2",
            "parent_1",
            "parent_2",
            "hardlinks",
            "hash",
            "size",
            "mode",
            "mtime",
            "mtimens",
            "flags",
            "name",
            "symlink",
            "uid",
            "gid",
            "xattr",
        ],
    ),
    b"k": ("chunks", ["md5path_1", "md5path_2", "offset", "size", "hash"]),
    b"n": ("nested_catalogs", ["path", "sha1", "size"]),
    b"p": ("properties", ["key", "value"]),
    b"s": ("statistics", ["counter", "value"]),
}


class Nowhere:
    name = "nowhere"

    def put(self, *_):
        return True


def catalog_of_all_kinds() -> bytes:
    tree = [(b"f", regular(EMPTY)), (b"big", regular(BIG)), (b"l", symlink(b"f")), (b"d", directory()), (b"d/g", regular(EMPTY)._replace(group=3)),
            (b"d/h", regular(EMPTY)._replace(group=3))]  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        setting = Setting(Deposit(Nowhere(), "sha1"), scratch, 1, 0, 240, EMPTY, lambda _: None)
        return build.build(setting, b"", Tree(directory(), tree)).data


BASE = catalog_of_all_kinds()


def value_of(data: bytes) -> object:
    kind, rest = data[:1], data[1:]
    if kind in (b"i", b"f"):
        try:
            return int(rest[:25]) if kind == b"i" else float(rest[:25])
        except ValueError:
            return rest
    return {b"n": None, b"t": rest.decode("utf-8", "replace")}.get(kind, rest)


def changed(data: bytes) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".db") as file:
        file.write(BASE)
        file.flush()
        connection = sqlite3.connect(file.name, isolation_level=None)
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = OFF")
        for line in data.split(b"\n")[:8]:
            table, columns = TABLES.get(line[:1], TABLES[b"c"])
            digits = line[1:3] if line[1:3].isdigit() else line[1:2]
            column = columns[int(digits) % len(columns) if digits.isdigit() else 0]
            try:
                connection.execute(f"UPDATE OR REPLACE {table} SET {column} = ?", (value_of(line[1 + len(digits) :]),))
            except (sqlite3.Error, OverflowError, UnicodeEncodeError):
                pass  # SQLite itself does not take it
        connection.close()
        file.seek(0)
        return file.read()


def test_one(data: bytes) -> None:
    try:
        catalog = Catalog(database.opened(changed(data)), b"", Hash.of(b""), 0)
        found = catalog.listdir(b"", hidden=True) + catalog.listdir(b"/d")
        found += [one for one in (catalog.lookup(b"/f"), catalog.lookup(b"/big"), catalog.lookup(b"/d")) if one]
        list(catalog.objects())
        catalog.counted()
        _ = catalog.statistics.total
    except RepositoryError as error:
        assert error.sentence.isprintable()
        return
    for one in found:
        assert one.name
        assert b"/" not in one.name
        assert b"\0" not in one.name
        assert one.name not in (b".", b"..")
        assert 0 <= one.uid < 1 << 32
        assert one.size >= 0
        assert (one.body is not None) == one.is_file
        if one.body is not None:
            assert sum(part.stop - part.start for part in pieces(one.body, 0, one.size)) == one.size or one.flags & 128
