"""The reflog: every root catalog, certificate, history and metainfo that was published and not collected since."""

from __future__ import annotations

from typing import NamedTuple

from sampan.cvmfs import database
from sampan.cvmfs.hashing import Hash
from sampan.errors import RepositoryError

NAME = ".cvmfsreflog"
ROOT, CERTIFICATE, HISTORY, METAINFO = range(4)
SUFFIXES = ("C", "X", "H", "M")
"""By the types above."""


class Reference(NamedTuple):
    """An object that was named by a manifest; `timestamp` in seconds."""

    hash: Hash
    type: int
    timestamp: int


def read(data: bytes, scratch: str | None = None) -> tuple[Reference, ...]:
    """Raises `RepositoryError`."""
    connection = database.opened(data, scratch)
    found = []
    try:
        for text, kind, timestamp in connection.execute("SELECT hash, type, timestamp FROM refs"):
            if not isinstance(text, bytes) or kind not in range(4) or not isinstance(timestamp, int):
                raise RepositoryError("the reflog has a row without a hash, type or time")
            found.append(Reference(Hash.parse(text.decode("ascii", "replace")), kind, timestamp))
    except database.FAULTS as error:
        raise database.damaged(error) from error
    finally:
        connection.close()
    return tuple(found)


def written(references: tuple[Reference, ...], fqrn: str, scratch: str) -> bytes:
    """The database with these. Raises `HostError`."""
    draft = database.Draft(scratch, database.REFLOG)
    try:
        draft.set("schema", "1.0")
        draft.set("schema_revision", "0")
        draft.set("fqrn", fqrn)
        draft.connection.executemany(
            "INSERT OR REPLACE INTO refs VALUES (?, ?, ?)", [(r.hash.text, r.type, r.timestamp) for r in references]
        )
        return draft.finished()
    finally:
        draft.close()
