"""Where new objects go: compress, hash, store once."""

from __future__ import annotations

import threading
import zlib
from typing import TYPE_CHECKING

from sampan.cvmfs.hashing import Hash

if TYPE_CHECKING:
    from sampan.cvmfs.objects import Store

_LEVEL = 6


class Deposit:
    """Puts objects into a store under the repository's kind of hash, and counts what was new. For several threads."""

    def __init__(self, store: Store, algorithm: str) -> None:
        self.store = store
        self.algorithm = algorithm
        self.objects = 0
        self.bytes = 0
        self._lock = threading.Lock()

    def put(self, stored: bytes, suffix: str = "") -> Hash:
        """These bytes as an object. Raises `HostError`, `Unreachable`."""
        hash = Hash.of(stored, self.algorithm)
        if self.store.put(hash, suffix, stored):
            with self._lock:
                self.objects += 1
                self.bytes += len(stored)
        return hash

    def add(self, content: bytes, suffix: str) -> Hash:
        """The content of a catalog, history, certificate or metainfo: these are compressed by zlib whatever files are."""
        return self.put(zlib.compress(content, _LEVEL), suffix)
