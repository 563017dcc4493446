"""After publishing: what a reader gets, from the master key down, is what was meant, and its objects are whole.

The entries of each new directory are read from the repository that was just published, by a reader that has seen nothing of it, and
their fingerprint is compared with that of what was written. Then every object they lead to is fetched and hashed; the name of an
object is the hash of its stored bytes, so nothing has to be decompressed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from sampan.cvmfs.entry import HIDDEN, MARKER, pieces
from sampan.cvmfs.hashing import Hash
from sampan.distribute.crowd import each
from sampan.errors import IntegrityError, SampanError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.cvmfs.entry import Entry
    from sampan.cvmfs.objects import Objects
    from sampan.cvmfs.reader import Repository

BATCH = 256


def fingerprint(entries: Iterable[tuple[bytes, Entry]]) -> str:
    """The same text for the same entries in any order, the marks of nested catalogs left out; paths are relative to the directory."""
    found = []
    for path, entry in entries:
        if not entry.flags & HIDDEN and path.rpartition(b"/")[2] != MARKER:
            words = (
                path,
                entry.mode,
                entry.uid,
                entry.gid,
                entry.size,
                entry.mtime,
                entry.target,
                entry.device,
                entry.xattrs,
                entry.body,
            )
            found.append(hashlib.sha256(repr(words).encode()).digest())
    return hashlib.sha256(b"".join(sorted(found))).hexdigest()


class Verifier:
    """Checks directories of a repository; objects that several share are read once."""

    def __init__(self, repository: Repository, objects: Objects, *, data: bool, parallel: int = 4) -> None:
        """`data`: read every object; else only the catalogs."""
        self._repository = repository
        self._objects = objects
        self._data = data
        self._parallel = parallel
        self._seen: set[tuple[Hash, str]] = set()

    def check(self, path: bytes, seal: str) -> None:
        """Raises `IntegrityError` unless the directory has just the entries with the fingerprint `seal`, and all their contents."""
        start = len(path) + 1
        wanted: list[tuple[Hash, str]] = []

        def seen() -> Iterable[tuple[bytes, Entry]]:
            for where, entry in self._repository.walk(path):
                if self._data and entry.body is not None:
                    wanted.extend((piece.hash, piece.suffix) for piece in pieces(entry.body, 0, entry.body.size))
                yield where[start:], entry

        if fingerprint(seen()) != seal:
            raise IntegrityError(f"{printable(path)} is in the repository with other entries than were written")
        fresh = [one for one in dict.fromkeys(wanted) if one not in self._seen]
        batches = [fresh[at : at + BATCH] for at in range(0, len(fresh), BATCH)]
        for result in each(self._objects_are_whole, batches, self._parallel):
            if isinstance(result, SampanError):
                raise result.about(f"after publishing {printable(path)}")
        self._seen.update(fresh)

    def _objects_are_whole(self, batch: list[tuple[Hash, str]]) -> None:
        for name, suffix in batch:
            data = self._objects.get(name, suffix)
            if Hash.of(data, name.algorithm) != name:
                raise IntegrityError(f"the object {name}{suffix} has other bytes than were written")
