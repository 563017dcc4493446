"""Where the objects of a repository lie, as protocols; and the one place where what comes from there is verified.

`Objects` gives stored bytes and verifies nothing. `Contents` gives verified, uncompressed bytes: `Verified` in memory, a node's cache
with files. Everything above (catalogs, reader, check) asks `Contents`.
"""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sampan.cvmfs.hashing import Hash
from sampan.errors import DigestMismatch, RepositoryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from sampan.events import Notice

LIMIT = 1 << 30
"""Bytes of an object whose size nothing has said: a catalog may have 1 GiB."""
_KEPT = 32 << 20


class Objects(Protocol):
    """What a reader needs of a place; `name` is for sentences."""

    @property
    def name(self) -> str: ...

    def get(self, hash: Hash, suffix: str = "") -> bytes:
        """The stored bytes, as they are. Raises `NotInRepository`, `Unreachable`, `HostError`."""

    def has(self, hash: Hash, suffix: str = "") -> bool:
        """Whether the object is there. Raises `Unreachable`, `HostError`."""

    def get_root_file(self, name: str) -> bytes:
        """A file beside `data`, as `.cvmfspublished`. Raises `NotInRepository`, `Unreachable`, `HostError`."""


class Stored(NamedTuple):
    """An object that was found by listing; `mtime` in seconds."""

    hash: Hash
    suffix: str
    size: int
    mtime: float


class Store(Objects, Protocol):
    """What a publisher needs of a place besides. An object appears whole or not at all."""

    def put(self, hash: Hash, suffix: str, data: bytes) -> bool:
        """Store the object; False if it was there, which then counts as young again. Raises `HostError`, `Unreachable`."""

    def put_root_file(self, name: str, data: bytes) -> None:
        """Replace the file at once. Raises `HostError`, `Unreachable`."""

    def put_root_files(self, files: Sequence[tuple[str, bytes]]) -> None:
        """The same for several, in this order, as close together as the place can. Raises `HostError`, `Unreachable`."""

    def flush(self) -> None:
        """Return when everything that was put will outlive a loss of power."""

    def lock(self, what: str, notice: Notice, *, wait: bool = False) -> AbstractContextManager[None]:
        """At most one holder; `what` the holder does is said to others. Raises `RepositoryBusy`."""

    def stored(self) -> Iterator[Stored]:
        """All objects, in any order."""

    def remove(self, hash: Hash, suffix: str) -> None:
        """Remove the object; nothing if it is not there."""


class Contents(Protocol):
    """Verified, uncompressed content of objects."""

    @property
    def name(self) -> str: ...

    def content(self, hash: Hash, suffix: str = "", compression: str = "zlib", size: int | None = None) -> bytes:
        """`size`: what it must have, if that is known. Raises `DigestMismatch` and what `Objects.get` raises."""

    def file(self, hash: Hash, suffix: str) -> str | None:
        """A file on this machine with the verified, uncompressed content, which stays while it is open; `None` if there is none."""

    def fresh_root_file(self, name: str) -> bytes:
        """A file beside `data`, from the source."""


def unpacked(hash: Hash, stored: bytes, compression: str = "zlib", size: int | None = None, *, what: str = "") -> bytes:
    """The content of one object from its stored bytes. Raises `DigestMismatch` for every difference, `RepositoryError`."""
    shown = f"object {hash}{what and ' of '}{what}"
    if Hash.of(stored, hash.algorithm) != hash:
        raise DigestMismatch(f"{shown} differs from its hash, so it was damaged or changed")
    if compression == "none":
        content = stored
    elif compression == "zlib":
        content = _inflated(stored, LIMIT if size is None else size, shown)
    else:
        raise RepositoryError(f"{shown} is compressed in the unknown way {compression!r}")
    if size is not None and len(content) != size:
        raise DigestMismatch(f"{shown} has {len(content)} bytes, not the {size} that its catalog says")
    return content


def _inflated(stored: bytes, limit: int, shown: str) -> bytes:
    inflater = zlib.decompressobj()
    try:
        # One byte more than allowed tells a bomb; max_length 0 would mean no limit.
        content = inflater.decompress(stored, limit + 1)
    except zlib.error as error:
        raise RepositoryError(f"{shown} cannot be decompressed") from error
    if len(content) > limit:
        raise DigestMismatch(f"{shown} has more than {limit} bytes")
    if not inflater.eof or inflater.unused_data:
        raise RepositoryError(f"{shown} is cut, or something follows its compressed content")
    return content


class Verified:
    """`Contents` in memory over any `Objects`; the last contents are kept, because files are read in several calls."""

    def __init__(self, objects: Objects, kept: int = _KEPT) -> None:
        self.objects = objects
        self._limit = kept
        self._kept: OrderedDict[tuple[Hash, str], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.objects.name

    def content(self, hash: Hash, suffix: str = "", compression: str = "zlib", size: int | None = None) -> bytes:
        key = (hash, suffix)
        with self._lock:
            found = self._kept.get(key)
            if found is not None and (size is None or len(found) == size):
                self._kept.move_to_end(key)
                return found
        content = unpacked(hash, self.objects.get(hash, suffix), compression, size, what=self.name)
        if suffix in ("", "P") and len(content) <= self._limit // 2:
            self._keep(key, content)
        return content

    def _keep(self, key: tuple[Hash, str], content: bytes) -> None:
        with self._lock:
            self._bytes += len(content) - len(self._kept.pop(key, b""))
            self._kept[key] = content
            while self._bytes > self._limit:
                self._bytes -= len(self._kept.popitem(last=False)[1])

    def file(self, hash: Hash, suffix: str) -> str | None:  # noqa: ARG002 - nothing is a file here
        return None

    def fresh_root_file(self, name: str) -> bytes:
        return self.objects.get_root_file(name)
