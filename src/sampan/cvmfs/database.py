"""The SQLite files of the format: their tables, how they are opened to read, and how they are made.

Read: in memory where this Python can (3.11), else from a file whose name is removed at once; a file of a node's cache in place. A
database comes from a server, so its schema is not trusted: no functions in it, nothing is written. Written: in a scratch directory,
without a journal, because only the finished bytes count; a crash leaves nothing that is read again.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from urllib.parse import quote

from sampan.errors import HostError, RepositoryError

PROPERTIES = "CREATE TABLE properties (key TEXT, value TEXT, CONSTRAINT pk_properties PRIMARY KEY (key));"
CATALOG = (
    PROPERTIES
    + """
CREATE TABLE catalog (md5path_1 INTEGER, md5path_2 INTEGER, parent_1 INTEGER, parent_2 INTEGER, hardlinks INTEGER, hash BLOB,
 size INTEGER, mode INTEGER, mtime INTEGER, mtimens INTEGER, flags INTEGER, name TEXT, symlink TEXT, uid INTEGER, gid INTEGER, xattr BLOB,
 CONSTRAINT pk_catalog PRIMARY KEY (md5path_1, md5path_2));
CREATE INDEX idx_catalog_parent ON catalog (parent_1, parent_2);
CREATE TABLE chunks (md5path_1 INTEGER, md5path_2 INTEGER, offset INTEGER, size INTEGER, hash BLOB,
 CONSTRAINT pk_chunks PRIMARY KEY (md5path_1, md5path_2, offset, size),
 FOREIGN KEY (md5path_1, md5path_2) REFERENCES catalog(md5path_1, md5path_2));
CREATE TABLE nested_catalogs (path TEXT, sha1 TEXT, size INTEGER, CONSTRAINT pk_nested_catalogs PRIMARY KEY (path));
CREATE TABLE bind_mountpoints (path TEXT, sha1 TEXT, size INTEGER, CONSTRAINT pk_bind_mountpoints PRIMARY KEY (path));
CREATE TABLE statistics (counter TEXT, value INTEGER, CONSTRAINT pk_statistics PRIMARY KEY (counter));
"""
)
HISTORY = (
    PROPERTIES
    + """
CREATE TABLE branches (branch TEXT, parent TEXT, initial_revision INTEGER, CONSTRAINT pk_branch PRIMARY KEY (branch),
 FOREIGN KEY (parent) REFERENCES branches (branch), CHECK ((branch <> '') OR (parent IS NULL)), CHECK ((branch = '') OR (parent IS NOT NULL)));
CREATE TABLE tags (name TEXT, hash TEXT, revision INTEGER, timestamp INTEGER, channel INTEGER, description TEXT, size INTEGER, branch TEXT,
 CONSTRAINT pk_tags PRIMARY KEY (name), FOREIGN KEY (branch) REFERENCES branches (branch));
CREATE TABLE recycle_bin (hash TEXT, flags INTEGER, CONSTRAINT pk_hash PRIMARY KEY (hash));
INSERT INTO branches VALUES ('', NULL, 0);
"""
)
REFLOG = PROPERTIES + "\nCREATE TABLE refs (hash TEXT, type INTEGER, timestamp INTEGER, CONSTRAINT pk_refs PRIMARY KEY (hash));\n"
FAULTS = (sqlite3.Error, ValueError, OverflowError, TypeError)
"""What reading a damaged database raises: SQLite's words about it may not even be UTF-8, which is a ValueError."""
_PAGE = 1024
_MAGIC = b"SQLite format 3\0"


def opened(data: bytes, scratch: str | None = None) -> sqlite3.Connection:
    """A database to read, whose texts come as bytes. Raises `RepositoryError`, `HostError`."""
    if not data.startswith(_MAGIC):
        raise RepositoryError("a catalog, history or reflog is no SQLite file")
    if hasattr(sqlite3.Connection, "deserialize"):
        connection = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
        try:
            connection.deserialize(data)
        except FAULTS as error:
            connection.close()
            raise damaged(error) from error
        return _guarded(connection)
    try:
        with tempfile.NamedTemporaryFile(dir=scratch, prefix="sampan-", suffix=".db") as file:
            file.write(data)
            file.flush()
            return opened_file(file.name)
    except OSError as error:
        raise HostError(f"cannot write a catalog into {scratch or tempfile.gettempdir()}: {error.strerror}") from error


def opened_file(path: str) -> sqlite3.Connection:
    """A database file that does not change, to read; its name may be removed afterwards. Raises `RepositoryError`, `HostError`."""
    try:
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode=ro&immutable=1", uri=True, check_same_thread=False, isolation_level=None
        )
    except sqlite3.Error as error:
        raise HostError(f"cannot open {path}: {error}") from error
    return _guarded(connection)


def _guarded(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.text_factory = bytes
    try:
        # Reading the schema also opens the file now.
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        kinds = dict(connection.execute("SELECT name, type FROM sqlite_master"))
        connection.execute("PRAGMA query_only = ON")
    except FAULTS as error:
        connection.close()
        raise damaged(error) from error
    if any(kind not in (b"table", b"index") for kind in kinds.values()):
        connection.close()
        raise RepositoryError("a catalog, history or reflog has views or triggers, which the format does not know")
    return connection


def damaged(error: Exception) -> RepositoryError:
    """What SQLite said of a database, as a sentence."""
    return RepositoryError(f"a catalog, history or reflog is damaged: {error}")


class Draft:
    """A database that is being written; `finished` gives its bytes and removes it. To be closed."""

    def __init__(self, scratch: str, schema: str = "", data: bytes | None = None) -> None:
        """New with `schema`, or a copy of `data`. Raises `HostError`, `RepositoryError`."""
        try:
            descriptor, self._path = tempfile.mkstemp(dir=scratch, suffix=".db")
            with os.fdopen(descriptor, "wb") as file:
                file.write(data or b"")
        except OSError as error:
            raise HostError(f"cannot write into {scratch}: {error.strerror}", "set TMPDIR to a directory with room") from error
        # Several threads may use it, one after the other.
        self.connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self.connection.text_factory = bytes
        try:
            self.connection.execute(f"PRAGMA page_size = {_PAGE}")
            self.connection.execute("PRAGMA journal_mode = OFF")
            self.connection.execute("PRAGMA synchronous = OFF")
            self.connection.execute("PRAGMA trusted_schema = OFF")
            if schema:
                self.connection.executescript(schema)
            self.connection.execute("BEGIN")
        except sqlite3.Error as error:
            self.close()
            raise (damaged(error) if data else scratch_failure(error)) from error

    def set(self, key: str, value: object) -> None:
        """One of the properties; they are all texts."""
        self.connection.execute("INSERT OR REPLACE INTO properties VALUES (?, ?)", (key, str(value)))

    def finished(self) -> bytes:
        """The bytes of the file, which is removed. Raises `HostError`."""
        try:
            self.connection.execute("COMMIT")
            free = self.connection.execute("PRAGMA freelist_count").fetchone()[0]
            if free * 4 > self.connection.execute("PRAGMA page_count").fetchone()[0]:
                self.connection.execute("VACUUM")
            self.connection.close()
            with open(self._path, "rb") as file:
                return file.read()
        except (sqlite3.Error, OSError) as error:
            raise scratch_failure(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Remove the file; twice does no harm."""
        self.connection.close()
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass


def scratch_failure(error: Exception) -> HostError:
    """A database of ours could not be written."""
    return HostError(f"cannot write a catalog into the scratch directory: {error}", "set TMPDIR to a directory with room")
