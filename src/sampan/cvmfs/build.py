"""New catalogs of a whole subtree, from its entries.

The entries are held in memory while catalogs are planned, because how a tree is split depends on all of it: from the leaves up, a
directory with more entries below it than a catalog should have gives its largest subdirectories catalogs of their own. Then the catalogs
are written deepest first, since each names the hash of those in it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from sampan.cvmfs import counters, database, entry, rows
from sampan.cvmfs.counters import Counters
from sampan.cvmfs.entry import MARKER, regular
from sampan.cvmfs.hashing import CATALOG, NO_HASH
from sampan.errors import RepositoryError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sampan.cvmfs.deposit import Deposit
    from sampan.cvmfs.entry import Body, Entry
    from sampan.cvmfs.hashing import Hash

LIMIT = 100_000
"""Entries of a catalog: half of what the official tools warn about."""
_WORTH = 50
"""A catalog of fewer than 1/50 of the limit is not worth a request."""


class Built(NamedTuple):
    """A finished catalog: its object, its uncompressed size and what it holds; `top` is its first entry, with its links."""

    hash: Hash
    size: int
    counters: Counters
    top: Entry
    catalogs: int
    data: bytes


class Setting(NamedTuple):
    """What all catalogs of a publish have in common."""

    deposit: Deposit
    scratch: str
    revision: int
    now: int
    ttl: int
    empty: Body
    """Content of the marker files."""
    previous: Callable[[bytes], Hash | None]
    """The catalog that is mounted at a path now."""
    hide_markers: bool = True


class Tree:
    """The entries of a subtree by relative path, with what is in each directory."""

    def __init__(self, top: Entry, entries: Iterable[tuple[bytes, Entry]]) -> None:
        """`top` is used unless the entries begin with `b""`. Raises `RepositoryError` for a tree that cannot be."""
        self.entries: dict[bytes, Entry] = {b"": top}
        self.children: dict[bytes, list[bytes]] = {b"": []}
        for path, found in entries:
            if path == b"" and len(self.entries) == 1:
                self.entries[path] = found._replace(name=b"")
                continue
            rows.check(path, found)
            parent = rows.parent_of(path)
            inside = self.children.get(parent)
            if inside is None:
                raise RepositoryError(f"cannot publish {printable(path)!r}: its directory did not come before it")
            if path in self.entries:
                raise RepositoryError(f"cannot publish {printable(path)!r}: it comes twice")
            inside.append(path)
            self.entries[path] = found
            if found.is_directory:
                self.children[path] = []
        if not self.entries[b""].is_directory:
            raise RepositoryError("cannot publish a tree whose top is no directory")

    def links(self, path: bytes) -> int:
        """The link count of a directory."""
        return 2 + sum(child in self.children for child in self.children[path])

    def split(self, limit: int) -> set[bytes]:
        """The directories that get a catalog of their own, the top included."""
        found = {b""}
        weights: dict[bytes, int] = {}
        for path in reversed(self.children):
            inside = [child for child in self.children[path] if child in self.children]
            weight = 1 + len(self.children[path]) - len(inside) + sum(weights[child] for child in inside)
            if weight > limit:
                for child in sorted(inside, key=lambda one: (-weights[one], one)):
                    if weight <= limit or weights[child] < max(limit // _WORTH, 2):
                        break
                    found.add(child)
                    weight -= weights[child] - 1
            weights[path] = weight
        return found


def build(setting: Setting, mountpoint: bytes, tree: Tree, limit: int = LIMIT) -> Built:
    """Write and store the catalogs of a tree at an absolute path; the topmost is returned. Raises `RepositoryError`, `HostError`."""
    nested = tree.split(limit)
    inside: dict[bytes, list[bytes]] = {top: [] for top in nested}
    home = {b"": b""}
    for path in tree.entries:
        if path:
            catalog = home[rows.parent_of(path)]
            inside[catalog].append(path)
            if path in tree.children:
                home[path] = path if path in nested else catalog
    built: dict[bytes, Built] = {}
    for top in sorted(nested, key=lambda one: (-one.count(b"/"), one)):
        if top:
            built[top] = _one(setting, mountpoint, tree, (top, inside[top]), built)
    return _one(setting, mountpoint, tree, (b"", inside[b""]), built)


def _at(mountpoint: bytes, path: bytes) -> bytes:
    return mountpoint + b"/" + path if path else mountpoint


def _one(setting: Setting, mountpoint: bytes, tree: Tree, which: tuple[bytes, list[bytes]], built: dict[bytes, Built]) -> Built:
    top, paths = which
    where = _at(mountpoint, top)
    draft = database.Draft(setting.scratch, database.CATALOG)
    below: Counter[str] = Counter()
    catalogs = 1
    try:
        connection = draft.connection
        links = tree.links(top)
        rows.insert(connection, [rows.row_of(where, tree.entries[top], links, extra=entry.NESTED_ROOT if where else 0)])
        rows.insert(connection, _rows(mountpoint, tree, paths, built))
        for path in paths:
            rows.insert_chunks(connection, _at(mountpoint, path), tree.entries[path])
            if path in built:
                one = built[path]
                insert_nested(connection, _at(mountpoint, path), one.hash, one.size)
                below += one.counters.total
                catalogs += one.catalogs
        marker = top + b"/" + MARKER if top else MARKER
        if where and marker not in tree.entries:
            rows.insert(connection, [marker_row(where, tree.entries[top], setting)])
        return finished(setting, draft, where, below)._replace(top=tree.entries[top]._replace(links=links), catalogs=catalogs)
    except sqlite3.Error as error:
        raise database.scratch_failure(error) from error
    finally:
        draft.close()


def _rows(mountpoint: bytes, tree: Tree, paths: list[bytes], built: dict[bytes, Built]) -> Iterator[tuple[object, ...]]:
    """Hard links are one inode only within one directory: each group gets a number of its own there, and its links are counted."""
    members = Counter((rows.parent_of(path), tree.entries[path].group) for path in paths if tree.entries[path].group)
    numbers: dict[tuple[bytes, int], int] = {}
    for path in paths:
        found = tree.entries[path]
        links, group, extra = 1, 0, 0
        if path in tree.children:
            links, extra = tree.links(path), entry.NESTED_MOUNT if path in built else 0
        elif found.group:
            key = (rows.parent_of(path), found.group)
            if members[key] > 1:
                links, group = members[key], numbers.setdefault(key, len(numbers) + 1)
        yield rows.row_of(_at(mountpoint, path), found, links, group, extra)


def marker_row(where: bytes, top: Entry, setting: Setting) -> tuple[object, ...]:
    """The empty file that marks a nested catalog's root; hidden, so that it does not show in an image's root directory."""
    marker = regular(setting.empty, 0o644, uid=top.uid, gid=top.gid, mtime=top.mtime)
    flags = entry.HIDDEN if setting.hide_markers else 0
    return rows.row_of(where + b"/" + MARKER, marker._replace(flags=flags), 1)


def insert_nested(connection: sqlite3.Connection, path: bytes, hash: Hash, size: int) -> None:
    """The row that says which catalog is nested at an absolute path. Raises sqlite3.Error."""
    connection.execute(
        "INSERT OR REPLACE INTO nested_catalogs (path, sha1, size) VALUES (CAST(? AS TEXT), ?, ?)", (path, hash.text, size)
    )


def finished(setting: Setting, draft: database.Draft, mountpoint: bytes, below: Counter[str]) -> Built:
    """Write properties and statistics, compress, store. The `top` of what is returned is the caller's to say.

    Raises `HostError`, sqlite3.Error.
    """
    previous = setting.previous(mountpoint)
    draft.set("schema", "2.5")
    draft.set("schema_revision", "7")
    draft.set("revision", 1 if mountpoint and previous is None else setting.revision)
    draft.set("last_modified", setting.now)
    draft.set("previous_revision", NO_HASH if previous is None else previous.text)
    if mountpoint:
        draft.connection.execute("INSERT OR REPLACE INTO properties VALUES ('root_prefix', CAST(? AS TEXT))", (mountpoint,))
    else:
        draft.set("TTL", setting.ttl)
    counts = Counters(counters.counted(draft.connection), below)
    draft.connection.executemany("INSERT OR REPLACE INTO statistics VALUES (?, ?)", counts.rows())
    data = draft.finished()
    return Built(setting.deposit.add(data, CATALOG), len(data), counts, _NO_TOP, 1, data)


_NO_TOP = entry.directory()
