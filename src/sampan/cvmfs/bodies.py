"""Contents of files on their way into a repository: cut, compressed, hashed and stored once, over all cores.

A file of at most 16 MiB is one object; a larger one is cut into pieces of 8 MiB. The official tools cut at places that a rolling sum of
the content chooses; any cut is legal, and in Python a rolling sum would cost more than the compression. zlib releases the interpreter,
so threads are enough. A content that was met before in this publish is not compressed again: it is known by its SHA-256, because
whoever writes an image must not be able to swap a file of another image by a collision.
"""

from __future__ import annotations

import hashlib
import os
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

from sampan.cvmfs.entry import Body, Chunk
from sampan.cvmfs.hashing import CONTENT, PIECE, Hash

if TYPE_CHECKING:
    from typing import Callable

    from sampan.cvmfs.compression import Compressor
    from sampan.cvmfs.deposit import Deposit

WHOLE = 16 << 20
CUT = 8 << 20
_BUDGET = 64 << 20
"""Uncompressed bytes that wait for or are under compression."""


class Readable(Protocol):
    """What a content is read from."""

    def read(self, size: int, /) -> bytes: ...


class PendingBody:
    """A body whose pieces are still being compressed."""

    def __init__(self, size: int, compression: str, pieces: list[tuple[int, int, Future[Hash]]], *, cut: bool) -> None:
        self._size = size
        self._compression = compression
        self._pieces = pieces
        self._cut = cut

    def result(self) -> Body:
        """Waits. Raises what storing raises."""
        if not self._cut:
            return Body(self._size, self._pieces[0][2].result(), self._compression)
        chunks = tuple(Chunk(offset, size, future.result()) for offset, size, future in self._pieces)
        return Body(self._size, None, self._compression, chunks)


class Bodies:
    """Takes streams from several threads. To be closed."""

    def __init__(self, deposit: Deposit, compressor: Compressor, workers: int | None = None) -> None:
        self._deposit = deposit
        self._compressor = compressor
        self._pool = ThreadPoolExecutor(workers or len(os.sched_getaffinity(0)), "sampan-compress")
        self._free = _BUDGET
        self._changed = threading.Condition()
        self._known: dict[tuple[bytes, str], Hash] = {}

    @property
    def compression(self) -> str:
        """What catalogs call the bodies' compression."""
        return self._compressor.compression

    def add(self, stream: Readable) -> Body:
        """The whole stream as a body, compressed by the calling thread. Raises what the stream and the store raise."""
        return self._cut(stream, self._now).result()

    def submit(self, stream: Readable) -> PendingBody:
        """Read the whole stream now, compress it on the pool; waits where too much is under way already."""
        return self._cut(stream, self._later)

    def _cut(self, stream: Readable, do: Callable[[bytes, str], Future[Hash]]) -> PendingBody:
        data = _taken(stream, WHOLE + 1)
        if len(data) <= WHOLE:
            return PendingBody(len(data), self.compression, [(0, len(data), do(data, CONTENT))], cut=False)
        pieces = []
        at = 0
        while data:
            if len(data) < CUT:
                data += _taken(stream, CUT - len(data))
            piece, data = data[:CUT], data[CUT:]
            pieces.append((at, len(piece), do(piece, PIECE)))
            at += len(piece)
            if not data:
                data = _taken(stream, CUT)
        return PendingBody(at, self.compression, pieces, cut=True)

    def _now(self, data: bytes, suffix: str) -> Future[Hash]:
        done: Future[Hash] = Future()
        done.set_result(self._store(data, suffix))
        return done

    def _later(self, data: bytes, suffix: str) -> Future[Hash]:
        with self._changed:
            # One piece may always go, however large it is.
            self._changed.wait_for(lambda: self._free >= len(data) or self._free == _BUDGET)
            self._free -= len(data)
        return self._pool.submit(self._store_and_free, data, suffix)

    def _store_and_free(self, data: bytes, suffix: str) -> Hash:
        try:
            return self._store(data, suffix)
        finally:
            with self._changed:
                self._free += len(data)
                self._changed.notify_all()

    def _store(self, data: bytes, suffix: str) -> Hash:
        key = (hashlib.sha256(data).digest(), suffix)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._deposit.put(self._compressor.compress(data), suffix)
        return found

    def close(self) -> None:
        """Wait for what is under way, and end the threads."""
        self._pool.shutdown(wait=True)


def _taken(stream: Readable, size: int) -> bytes:
    """Up to `size` bytes; fewer only at the end."""
    data = stream.read(size)
    if not data or len(data) == size:
        return data
    parts = [data]
    left = size - len(data)
    while left and (data := stream.read(left)):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)
