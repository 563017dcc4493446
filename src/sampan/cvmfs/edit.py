"""Changes to the catalogs that a repository has: only those that are touched are copied, changed and written again.

A change is made at once, in a scratch copy of the catalog it falls into. `finish` then writes the changed copies deepest first: each
parent gets the new hash of its nested catalog, the nested root's row, and the difference of its statistics; so the root is always
written last. What is below an untouched catalog is never fetched.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from sampan.cvmfs import build, counters, database, entry, rows
from sampan.cvmfs.catalog import Nested
from sampan.cvmfs.hashing import CATALOG, Hash, path_key
from sampan.cvmfs.rows import COLUMNS, parent_of
from sampan.errors import RepositoryError, UsageError, printable

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator
    from typing import Any

    from sampan.cvmfs.build import Built, Setting
    from sampan.cvmfs.entry import Entry
    from sampan.cvmfs.reader import Repository

    Row = tuple[Any, ...]

_UPGRADES = (("catalog", "xattr", "BLOB"), ("catalog", "mtimens", "INTEGER"))
_BINDS = "CREATE TABLE IF NOT EXISTS bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER, CONSTRAINT pk_bind_mountpoints PRIMARY KEY (path))"
_WHERE = "md5path_1 = ? AND md5path_2 = ?"
_INSIDE = "parent_1 = ? AND parent_2 = ?"
_FLAGS, _NAME = 10, 11


class Edited:
    """A catalog as a scratch copy. `accounted` is what its parent's statistics have of it."""

    def __init__(self, setting: Setting, mountpoint: bytes, data: bytes) -> None:
        """Raises `RepositoryError`, `HostError`."""
        self.mountpoint = mountpoint
        self.draft = database.Draft(setting.scratch, data=data)
        self.changed = False
        self.touched: set[bytes] = set()
        try:
            self._upgrade()
            stated = counters.read(self.all("SELECT counter, value FROM statistics"))
            self.below = stated.below
            self.accounted = stated.total
            self.nested = {
                path: Nested(Hash.parse(text.decode("ascii", "replace")), size)
                for path, text, size in self.all("SELECT path, sha1, size FROM nested_catalogs")
            }
        except (*database.FAULTS, AttributeError) as error:
            self.draft.close()
            raise database.damaged(error) from error

    def _upgrade(self) -> None:
        """Columns that catalogs of old tools lack."""
        for table, column, kind in _UPGRADES:
            if column.encode() not in [row[1] for row in self.all(f"PRAGMA table_info({table})")]:
                self.run(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
        self.run(_BINDS)

    def run(self, sql: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Raises sqlite3.Error."""
        return self.draft.connection.execute(sql, values)

    def all(self, sql: str, values: tuple[object, ...] = ()) -> list[Row]:
        """Raises sqlite3.Error."""
        return self.run(sql, values).fetchall()

    def row(self, path: bytes) -> Row | None:
        """The sixteen columns of a path."""
        found: Row | None = self.run(f"SELECT {COLUMNS} FROM catalog WHERE {_WHERE}", path_key(path)).fetchone()  # noqa: S608
        return found

    def subtree(self, path: bytes) -> Iterator[tuple[bytes, int]]:
        """Path and flags of everything below a path that this catalog has."""
        todo = [path]
        while todo:
            parent = todo.pop()
            for name, flags in self.all(f"SELECT name, flags FROM catalog WHERE {_INSIDE}", path_key(parent)):  # noqa: S608
                child = parent + b"/" + name
                yield child, flags
                if flags & entry.DIRECTORY and not flags & entry.NESTED_MOUNT:
                    todo.append(child)

    def forget(self, path: bytes) -> None:
        """Remove one row and its pieces."""
        self.run(f"DELETE FROM catalog WHERE {_WHERE}", path_key(path))  # noqa: S608
        self.run(f"DELETE FROM chunks WHERE {_WHERE}", path_key(path))  # noqa: S608

    def settle(self, now: int) -> None:
        """Directories that got or lost names: their link counts and times."""
        for path in self.touched:
            count = self.run(
                f"SELECT count(*) FROM catalog WHERE {_INSIDE} AND (flags & {entry.DIRECTORY}) != 0",  # noqa: S608
                path_key(path),
            ).fetchone()[0]
            self.run(
                f"UPDATE catalog SET hardlinks = ?, mtime = ?, mtimens = NULL WHERE {_WHERE}",  # noqa: S608
                (2 + count, now, *path_key(path)),
            )
        self.touched.clear()


class Editor:
    """All changed catalogs of one publish. Not for several threads at once. To be closed."""

    def __init__(self, base: Repository, setting: Setting) -> None:
        self._base = base
        self._setting = setting
        self._open: dict[bytes, Edited] = {}

    @property
    def changed(self) -> bool:
        return any(one.changed for one in self._open.values())

    def close(self) -> None:
        """Remove the scratch copies."""
        for one in self._open.values():
            one.draft.close()
        self._open.clear()

    def _load(self, hash: Hash, size: int, mountpoint: bytes) -> Edited:
        data = self._base.contents.content(hash, CATALOG, size=size or None)
        made = self._open[mountpoint] = Edited(self._setting, mountpoint, data)
        return made

    def _root(self) -> Edited:
        return self._open.get(b"") or self._load(self._base.manifest.root, self._base.manifest.root_size, b"")

    def _holder(self, path: bytes) -> Edited:
        """The catalog that has the row of `path` as a child: for the root of a nested catalog, its parent."""
        catalog = self._root()
        at = path.find(b"/", 1)
        while at > 0:
            prefix = path[:at]
            if prefix in catalog.nested:
                catalog = self._nested(catalog, prefix)
            at = path.find(b"/", at + 1)
        return catalog

    def _nested(self, parent: Edited, path: bytes) -> Edited:
        return self._open.get(path) or self._load(*parent.nested[path], path)

    def _owner(self, path: bytes) -> Edited:
        """The catalog that has what is in the directory `path`."""
        catalog = self._holder(path)
        return self._nested(catalog, path) if path in catalog.nested else catalog

    def flags(self, path: bytes) -> int | None:
        """The flags of a path's row, `None` if there is none."""
        row = self._holder(path).row(path)
        return None if row is None else int(row[_FLAGS])

    def put(self, path: bytes, found: Entry) -> None:
        """One entry. Raises `UsageError` where a directory would become something else."""
        rows.check(path, found)
        there = self.flags(path)
        if there is not None and there & entry.DIRECTORY:
            if not found.is_directory:
                raise UsageError(f"{printable(path)} is a directory in {self._base.name}", "remove it first")
            owner = self._owner(path)
            links = (owner.row(path) or (0,) * 5)[4] & 0xFFFFFFFF
            extra = entry.NESTED_ROOT if owner.mountpoint == path else 0
            rows.insert(owner.draft.connection, [rows.row_of(path, found, links, extra=extra)])
            owner.changed = True
            return
        parent = self._directory(parent_of(path))
        if there is not None:
            parent.forget(path)
        rows.insert(parent.draft.connection, [rows.row_of(path, found, 2 if found.is_directory else 1)])
        rows.insert_chunks(parent.draft.connection, path, found)
        parent.touched.add(parent_of(path))
        parent.changed = True

    def _directory(self, path: bytes) -> Edited:
        """The catalog that has what is in the directory `path`, which is made if it is missing."""
        flags = self.flags(path)
        if flags is None:
            self.put(path, entry.directory(mtime=self._setting.now * 10**9))
        elif not flags & entry.DIRECTORY:
            raise UsageError(f"{printable(path)} is no directory in {self._base.name}", "remove it first")
        return self._owner(path)

    def remove(self, path: bytes) -> bool:
        """A whole subtree, except the root. False if there is nothing."""
        if not path:
            raise UsageError("the root of a repository cannot be removed")
        holder = self._holder(path)
        row = holder.row(path)
        if row is None:
            return False
        if path not in holder.nested:
            for child, _ in list(holder.subtree(path)):
                holder.forget(child)
        for mountpoint in [one for one in holder.nested if _is_within(one, path)]:
            self._unmount(holder, mountpoint)
        holder.forget(path)
        holder.touched = {one for one in holder.touched if not _is_within(one, path)} | {parent_of(path)}
        holder.changed = True
        return True

    def _unmount(self, holder: Edited, mountpoint: bytes) -> None:
        """A nested catalog goes: its row, its part of the statistics, and the copies of it and of what was nested in it."""
        holder.below.subtract(self._accounted(holder, mountpoint))
        del holder.nested[mountpoint]
        holder.run("DELETE FROM nested_catalogs WHERE path = CAST(? AS TEXT)", (mountpoint,))
        for where in [one for one in self._open if _is_within(one, mountpoint)]:
            self._open.pop(where).draft.close()

    def _accounted(self, holder: Edited, mountpoint: bytes) -> Counter[str]:
        there = self._open.get(mountpoint)
        if there is not None:
            return there.accounted
        data = self._base.contents.content(holder.nested[mountpoint].hash, CATALOG)
        connection = database.opened(data)
        try:
            return counters.read(connection.execute("SELECT counter, value FROM statistics")).total
        finally:
            connection.close()

    def attach(self, path: bytes, built: Built) -> None:
        """A finished catalog becomes the subtree at `path`, in place of what is there."""
        if not path:
            self.close()
            root = self._open[b""] = Edited(self._setting, b"", built.data)
            root.changed = True
            return
        self.remove(path)
        parent = self._directory(parent_of(path))
        rows.insert(parent.draft.connection, [rows.row_of(path, built.top, built.top.links, extra=entry.NESTED_MOUNT)])
        self._mount(parent, path, built)
        parent.below.update(built.counters.total)
        parent.touched.add(parent_of(path))

    @staticmethod
    def _mount(parent: Edited, path: bytes, built: Built) -> None:
        build.insert_nested(parent.draft.connection, path, built.hash, built.size)
        parent.nested[path] = Nested(built.hash, built.size)
        parent.changed = True

    def nest(self, path: bytes) -> None:
        """A directory becomes a nested catalog, with all that its catalog has of it. Nothing if it is one."""
        holder = self._holder(path)
        if not path or path in holder.nested:
            return
        row = holder.row(path)
        if row is None or not int(row[_FLAGS]) & entry.DIRECTORY:
            raise UsageError(f"{printable(path)} is no directory in {self._base.name}")
        draft = database.Draft(self._setting.scratch, database.CATALOG)
        data = draft.finished()
        made = self._open[path] = Edited(self._setting, path, data)
        self._move(holder, made, path)
        marks = "?, " * 15 + "?"
        top = list(row)
        top[_FLAGS] = int(row[_FLAGS]) | entry.NESTED_ROOT
        made.run(f"INSERT INTO catalog ({COLUMNS}) VALUES ({marks})", tuple(top))  # noqa: S608
        made.run("UPDATE catalog SET name = CAST(name AS TEXT), symlink = CAST(symlink AS TEXT)")
        if made.row(path + b"/" + entry.MARKER) is None:
            owner = entry.directory(uid=int(row[13]), gid=int(row[14]), mtime=int(row[8]) * 10**9)
            rows.insert(made.draft.connection, [build.marker_row(path, owner, self._setting)])
        holder.run(f"UPDATE catalog SET flags = flags | {entry.NESTED_MOUNT} WHERE {_WHERE}", path_key(path))  # noqa: S608
        holder.nested[path] = Nested(Hash(bytes(20)), 0)
        made.touched = {one for one in holder.touched if _is_within(one, path)}
        holder.touched -= made.touched
        made.changed = holder.changed = True

    def _move(self, holder: Edited, made: Edited, path: bytes) -> None:
        """The rows below a path from one catalog into another."""
        marks = "?, " * 15 + "?"
        for child, _ in list(holder.subtree(path)):
            made.run(f"INSERT INTO catalog ({COLUMNS}) VALUES ({marks})", holder.row(child) or ())  # noqa: S608
            pieces = holder.all(f"SELECT md5path_1, md5path_2, offset, size, hash FROM chunks WHERE {_WHERE}", path_key(child))  # noqa: S608
            made.draft.connection.executemany(
                "INSERT INTO chunks (md5path_1, md5path_2, offset, size, hash) VALUES (?, ?, ?, ?, ?)", pieces
            )
            holder.forget(child)
        for mountpoint in [one for one in holder.nested if one.startswith(path + b"/")]:
            counts = self._accounted(holder, mountpoint)
            holder.below.subtract(counts)
            made.below.update(counts)
            made.nested[mountpoint] = holder.nested.pop(mountpoint)
            build.insert_nested(made.draft.connection, mountpoint, *made.nested[mountpoint])
            holder.run("DELETE FROM nested_catalogs WHERE path = CAST(? AS TEXT)", (mountpoint,))

    def finish(self, *, always: bool = False) -> Built | None:
        """Write what was changed, deepest first; the new root, or `None` if nothing was changed. The copies are gone afterwards."""
        root = self._root()
        root.changed |= always
        try:
            built: Built | None = None
            for mountpoint in sorted(self._open, key=lambda one: (-one.count(b"/"), one)):
                catalog = self._open[mountpoint]
                if not catalog.changed:
                    continue
                catalog.settle(self._setting.now)
                top = catalog.row(mountpoint)
                if top is None:
                    raise RepositoryError(f"the catalog at {printable(mountpoint) or '/'} has no entry for itself")
                built = build.finished(self._setting, catalog.draft, mountpoint, catalog.below)
                if mountpoint:
                    self._carry_up(self._holder(mountpoint), catalog, top, built)
            return built
        except (sqlite3.Error, ValueError) as error:
            raise database.scratch_failure(error) from error
        finally:
            self.close()

    def _carry_up(self, parent: Edited, catalog: Edited, top: Row, built: Built) -> None:
        parent.below.subtract(catalog.accounted)
        parent.below.update(built.counters.total)
        marks = "?, " * 11 + "CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?"
        values = list(top)
        values[_FLAGS] = int(top[_FLAGS]) & ~entry.NESTED_ROOT | entry.NESTED_MOUNT
        parent.run(f"INSERT OR REPLACE INTO catalog ({COLUMNS}) VALUES ({marks})", tuple(values))  # noqa: S608
        self._mount(parent, catalog.mountpoint, built)


def _is_within(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top + b"/")
