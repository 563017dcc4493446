"""The history: names of states of a repository. Pure but for a scratch file to make one."""

from __future__ import annotations

from typing import NamedTuple

from sampan.cvmfs import database
from sampan.cvmfs.hashing import NO_HASH, Hash
from sampan.errors import RepositoryError, UsageError, printable

TRUNK, TRUNK_PREVIOUS = "trunk", "trunk-previous"
MAX_TAGS = 1_000_000
_MAX_NAME = 255


class Tag(NamedTuple):
    """A name for a root catalog; `timestamp` in seconds, `size` of the uncompressed root catalog."""

    name: str
    root: Hash
    revision: int
    timestamp: int
    description: str = ""
    size: int = 0
    channel: int = 0


def checked_name(name: str) -> str:
    """A name that people may give. Raises `UsageError`."""
    if not 0 < len(name) <= _MAX_NAME or not all(c.isascii() and (c.isalnum() or c in "._-:") for c in name) or name[0] in ".-":
        raise UsageError(f"{printable(name[:80])!r} cannot be the name of a tag", "letters, digits and . _ - : are allowed")
    if name in (TRUNK, TRUNK_PREVIOUS):
        raise UsageError(f"the tag {name} is set by every publish and cannot be given")
    return name


def read(data: bytes, scratch: str | None = None) -> tuple[Tag, ...]:
    """The tags of a history database, newest first. Raises `RepositoryError`."""
    connection = database.opened(data, scratch)
    try:
        rows = connection.execute(
            "SELECT name, hash, revision, timestamp, description, size, channel FROM tags LIMIT ?", (MAX_TAGS,)
        )
        tags = [_tag(row) for row in rows]
    except database.FAULTS as error:
        raise database.damaged(error) from error
    finally:
        connection.close()
    return tuple(sorted(tags, key=lambda tag: (-tag.revision, tag.name)))


def _tag(row: tuple[object, ...]) -> Tag:
    name, root, revision, timestamp, description, size, channel = row
    if (
        not isinstance(name, bytes)
        or not isinstance(root, bytes)
        or not isinstance(revision, int)
        or not isinstance(timestamp, int)
    ):
        raise RepositoryError("the history has a tag without a name, hash, revision or time")
    return Tag(
        name.decode("utf-8", "replace"),
        Hash.parse(root.decode("ascii", "replace")),
        revision,
        timestamp,
        description.decode("utf-8", "replace") if isinstance(description, bytes) else "",
        size if isinstance(size, int) else 0,
        channel if isinstance(channel, int) else 0,
    )


def written(tags: tuple[Tag, ...], fqrn: str, previous: Hash | None, scratch: str) -> bytes:
    """The database with these tags. Raises `HostError`."""
    draft = database.Draft(scratch, database.HISTORY)
    try:
        draft.set("schema", "1.0")
        draft.set("schema_revision", "3")
        draft.set("fqrn", fqrn)
        draft.set("previous_revision", NO_HASH if previous is None else previous.text)
        draft.connection.executemany(
            "INSERT INTO tags VALUES (?, ?, ?, ?, ?, ?, ?, '')",
            [(t.name, t.root.text, t.revision, t.timestamp, t.channel, t.description, t.size) for t in tags],
        )
        return draft.finished()
    finally:
        draft.close()
