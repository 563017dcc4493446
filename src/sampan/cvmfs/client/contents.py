"""Verified contents of a repository's objects, from the node's cache, else from its servers: `Contents` with files.

Several threads that want one object wait for one download. What was opened lately stays open, because most programs read a file in many
parts. Signed files at the top are kept too, so that a node without network starts what it has started before; an older
manifest than the one seen last, from a replica that is behind, is not taken.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from sampan.cvmfs.fuse.tree import WouldWait
from sampan.cvmfs.hashing import CATALOG, HISTORY
from sampan.cvmfs.objects import unpacked
from sampan.errors import NotInRepository, SampanError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sampan.cvmfs.client.cache import Cache, Stored
    from sampan.cvmfs.client.servers import Servers
    from sampan.cvmfs.entry import Piece
    from sampan.cvmfs.hashing import Hash

MANIFEST = ".cvmfspublished"
OPEN_FILES = 256
FETCHERS = 8
_LASTING = (CATALOG, HISTORY)


class CachedContents:
    """For many threads. `offline`: no server is asked."""

    def __init__(
        self, servers: Servers, cache: Cache, *, offline: bool = False, say: Callable[[str], None] | None = None
    ) -> None:
        """`say` gets a sentence when something is not as it should be, and work goes on."""
        self.servers = servers
        self.cache = cache
        self.offline = offline
        self.is_behind = False
        """Whether the signed files are those of another day, because no server answers."""
        self._say = say or (lambda _: None)
        self._lock = threading.Lock()
        self._mood = threading.local()
        self._fresh: dict[str, bytes] = {}
        self._open: OrderedDict[tuple[bytes, str], Stored] = OrderedDict()
        self._under_way: dict[tuple[bytes, str], threading.Event] = {}

    @property
    def name(self) -> str:
        """For sentences."""
        return self.servers.fqrn

    def must_not_wait(self, yes: bool) -> None:
        """Whether this thread gets `WouldWait` where it would have to wait for a server."""
        self._mood.hurried = yes

    def stored(self, hash: Hash, suffix: str, compression: str, size: int | None) -> Stored:
        """An object to read from. Raises `SampanError`, and `WouldWait` where this thread must not wait."""
        key = (hash.digest, suffix)
        while True:
            with self._lock:
                found = self._open.get(key)
                if found is not None:
                    self._open.move_to_end(key)
                    return found
            found = self._from_cache(hash, suffix, size)
            if found is not None:
                return self._keep_open(key, found)
            if getattr(self._mood, "hurried", False):
                raise WouldWait
            with self._lock:
                other = self._under_way.get(key)
                if other is None:
                    self._under_way[key] = threading.Event()
            if other is not None:
                other.wait()
                continue
            try:
                return self._keep_open(key, self._download(hash, suffix, compression, size))
            finally:
                with self._lock:
                    self._under_way.pop(key).set()

    def _from_cache(self, hash: Hash, suffix: str, size: int | None) -> Stored | None:
        try:
            return self.cache.open(hash, suffix, size)
        except OSError:  # too many files are open
            self.forget()
            return self.cache.open(hash, suffix, size)

    def _download(self, hash: Hash, suffix: str, compression: str, size: int | None) -> Stored:
        if self.offline:
            raise Unreachable(f"{hash.path(suffix)} of {self.name} is not in the cache, and no server may be asked")
        data = self.servers.fetch(hash.path(suffix), lambda raw: unpacked(hash, raw, compression, size, what=self.name))
        return self.cache.add(hash, suffix, data, durable=suffix in _LASTING)

    def _keep_open(self, key: tuple[bytes, str], found: Stored) -> Stored:
        with self._lock:
            self._open[key] = found
            while len(self._open) > OPEN_FILES:
                self._open.popitem(last=False)
        return found

    def forget(self) -> None:
        """Close what is not being read."""
        with self._lock:
            self._open.clear()

    def prefetch(
        self, wanted: Iterable[tuple[Piece, str]], *, parallel: int = FETCHERS, done: Callable[[int], None] | None = None
    ) -> int:
        """Fetch objects (with their compression) at the same time; how many could not be had. What is here is not touched."""
        missing = {
            (piece.hash.digest, piece.suffix): (piece, how)
            for piece, how in wanted
            if not self.cache.has(piece.hash, piece.suffix)
        }

        def fetch(item: tuple[Piece, str]) -> bool:
            piece, compression = item
            try:
                if self.cache.open(piece.hash, piece.suffix, piece.size) is None:
                    self._download(piece.hash, piece.suffix, compression, piece.size)
            except SampanError as error:
                self._say(error.sentence)
                return False
            if done is not None:
                done(piece.size)
            return True

        with ThreadPoolExecutor(parallel, "sampan-prefetch") as pool:
            return sum(not good for good in pool.map(fetch, missing.values()))

    # The protocol `Contents`

    def content(self, hash: Hash, suffix: str = "", compression: str = "zlib", size: int | None = None) -> bytes:
        """All of an object. Raises `DigestMismatch`, `NotInRepository`, `Unreachable`."""
        found = self.stored(hash, suffix, compression, size)
        return found.read(0, found.size)

    def file(self, hash: Hash, suffix: str) -> str | None:
        """A file with an object's content, fetched if need be; `None` where the disk has no room for it."""
        found = self.stored(hash, suffix, "zlib", None)
        return self.cache.path(hash, suffix) if found.descriptor >= 0 else None

    def fresh_root_file(self, name: str) -> bytes:
        """A signed file at the top, from the servers, else as it was when it was seen last."""
        kept_as = f"{self.name}{name}"
        kept = self.cache.read_named(kept_as)
        if self.offline:
            if kept is None:
                raise Unreachable(f"{self.name} was never opened here, and no server may be asked")
            self.is_behind = True
            return kept
        try:
            fresh = self.servers.get_root_file(name)
        except (Unreachable, NotInRepository) as error:
            if kept is None:
                raise
            if not self.is_behind:
                self._say(f"{error.sentence}; going on with what is in the cache")
            self.is_behind = True
            return kept
        if name == MANIFEST and kept is not None and _published(fresh) < _published(kept):
            return kept
        self.is_behind = False
        self._fresh[name] = fresh
        return fresh

    def remember(self) -> None:
        """Keep the signed files that were asked for last: they were found to be right."""
        for name, data in self._fresh.items():
            kept_as = f"{self.name}{name}"
            if self.cache.read_named(kept_as) != data:
                self.cache.write_named(kept_as, data)
        self._fresh.clear()


def _published(manifest: bytes) -> int:
    """When a manifest was published, as it says; -1 if it says nothing. Not verified: it only chooses which one is verified."""
    for line in manifest.partition(b"\n--\n")[0].split(b"\n"):
        if line[:1] == b"T":
            with suppress(ValueError):
                return int(line[1:])
    return -1
