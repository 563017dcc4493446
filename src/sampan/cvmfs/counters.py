"""Statistics of catalogs: what each holds itself, and what its nested catalogs hold below it. Pure but for the query."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from sampan.cvmfs import entry

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

NAMES = (
    "regular",
    "symlink",
    "special",
    "dir",
    "nested",
    "chunked",
    "chunks",
    "file_size",
    "chunked_size",
    "xattr",
    "external",
    "external_file_size",
)

# What a row is, is said by its flags: a link has LINK besides FILE, a device SPECIAL. Directories that are nested roots count in
# both catalogs.
_KIND = entry.DIRECTORY | entry.FILE | entry.LINK | entry.SPECIAL
_REGULAR = f"(flags & {_KIND}) = {entry.FILE}"
_SELF = f"""
SELECT coalesce(sum({_REGULAR}), 0), coalesce(sum((flags & {entry.LINK}) != 0), 0), coalesce(sum((flags & {entry.SPECIAL}) != 0), 0),
  coalesce(sum((flags & {entry.DIRECTORY}) != 0), 0), (SELECT count(*) FROM nested_catalogs),
  coalesce(sum({_REGULAR} AND (flags & {entry.CHUNKED}) != 0), 0), (SELECT count(*) FROM chunks),
  coalesce(sum(CASE WHEN {_REGULAR} THEN size END), 0),
  coalesce(sum(CASE WHEN {_REGULAR} AND (flags & {entry.CHUNKED}) != 0 THEN size END), 0), coalesce(sum(xattr IS NOT NULL), 0),
  coalesce(sum({_REGULAR} AND (flags & {entry.EXTERNAL}) != 0), 0),
  coalesce(sum(CASE WHEN {_REGULAR} AND (flags & {entry.EXTERNAL}) != 0 THEN size END), 0)
FROM catalog
"""  # noqa: S608 - all of it is ours


class Counters(NamedTuple):
    """Counts of a catalog itself, and of everything in catalogs nested in it."""

    own: Counter[str]
    below: Counter[str]

    @property
    def total(self) -> Counter[str]:
        """What the parent's `below` has of it."""
        return self.own + self.below

    def rows(self) -> list[tuple[str, int]]:
        """As the statistics table has them."""
        return [
            (f"{side}_{name}", counts[name]) for side, counts in (("self", self.own), ("subtree", self.below)) for name in NAMES
        ]


def counted(connection: sqlite3.Connection) -> Counter[str]:
    """What a catalog holds itself, by its rows."""
    return Counter(dict(zip(NAMES, connection.execute(_SELF).fetchone())))


def read(rows: Iterable[tuple[object, object]]) -> Counters:
    """From the statistics table; what is missing or no number counts as 0."""
    own: Counter[str] = Counter()
    below: Counter[str] = Counter()
    for key, value in rows:
        text = key.decode("ascii", "replace") if isinstance(key, bytes) else str(key)
        side, _, name = text.partition("_")
        if name in NAMES and isinstance(value, int):
            (own if side == "self" else below)[name] = value
    return Counters(own, below)
