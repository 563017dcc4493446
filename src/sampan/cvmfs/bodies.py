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
from collections import deque
from typing import TYPE_CHECKING, Protocol

from sampan.cvmfs.entry import Body, Chunk
from sampan.cvmfs.hashing import CONTENT, PIECE, Hash
from sampan.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cvmfs.compression import Compressor
    from sampan.cvmfs.deposit import Deposit

WHOLE = 16 << 20
CUT = 8 << 20
_BUDGET = 8 << 20
"""Uncompressed bytes for each thread that wait for or are under compression. What a process needs is several times that, because the
heaps of the threads keep what was freed in large pieces (1.5 GB of files, 2 threads: 370 MB with 32 MiB each, 270 MB with these)."""


class Readable(Protocol):
    """What a content is read from."""

    def read(self, size: int, /) -> bytes: ...


class _Part:
    """An object that is being made; `done` is its hash, or the error, once `is_done`."""

    __slots__ = ("done", "is_done", "offset", "size")

    def __init__(self, offset: int, size: int) -> None:
        self.offset = offset
        self.size = size
        self.done: Hash | BaseException | None = None
        self.is_done = False


class PendingBody:
    """A body whose pieces are still being compressed. Small, because an image may have hundreds of thousands."""

    __slots__ = ("_bodies", "_parts", "_size")

    def __init__(self, bodies: Bodies, size: int, parts: _Part | list[_Part]) -> None:
        self._bodies = bodies
        self._size = size
        self._parts = parts

    def result(self) -> Body:
        """Waits. Raises what storing raises."""
        compression = self._bodies.compression
        if isinstance(self._parts, _Part):
            return Body(self._size, self._bodies.waited(self._parts), compression)
        chunks = tuple(Chunk(part.offset, part.size, self._bodies.waited(part)) for part in self._parts)
        return Body(self._size, None, compression, chunks)


class Bodies:
    """Takes streams from several threads. To be closed."""

    def __init__(self, deposit: Deposit, compressor: Compressor, workers: int | None = None) -> None:
        self._deposit = deposit
        self._compressor = compressor
        self._changed = threading.Condition()
        self._waiting: deque[tuple[_Part, bytes, str] | None] = deque()
        self._known: dict[bytes, Hash] = {}
        count = workers or len(os.sched_getaffinity(0))
        self._budget = self._free = _BUDGET * max(count, 2)
        self._threads = [threading.Thread(target=self._work, name=f"sampan-compress-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

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

    def _cut(self, stream: Readable, do: Callable[[_Part, bytes, str], None]) -> PendingBody:
        data = _taken(stream, WHOLE + 1)
        if len(data) <= WHOLE:
            part = _Part(0, len(data))
            do(part, data, CONTENT)
            return PendingBody(self, len(data), part)
        parts = []
        at = 0
        while data:
            if len(data) < CUT:
                data += _taken(stream, CUT - len(data))
            piece, data = data[:CUT], data[CUT:]
            parts.append(_Part(at, len(piece)))
            do(parts[-1], piece, PIECE)
            at += len(piece)
            if not data:
                data = _taken(stream, CUT)
        return PendingBody(self, at, parts)

    def _now(self, part: _Part, data: bytes, suffix: str) -> None:
        part.done, part.is_done = self._store(data, suffix), True

    def _later(self, part: _Part, data: bytes, suffix: str) -> None:
        with self._changed:
            # One piece may always go, however large it is.
            self._changed.wait_for(lambda: self._free >= len(data) or self._free == self._budget)
            self._free -= len(data) or 1
            self._waiting.append((part, data, suffix))
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                task = self._waiting.popleft()
            if task is None:
                return
            part, data, suffix = task
            try:
                part.done = self._store(data, suffix)
            except BaseException as error:  # noqa: BLE001 - raised by who waits for it
                part.done = error
            with self._changed:
                part.is_done = True
                self._free += len(data) or 1
                self._changed.notify_all()
            del task, data

    def waited(self, part: _Part) -> Hash:
        """The hash of a part. Raises what storing it raised."""
        if not part.is_done:
            with self._changed:
                self._changed.wait_for(lambda: part.is_done)
        if isinstance(part.done, Hash):
            return part.done
        raise part.done or HostError("a content was not stored")

    def _store(self, data: bytes, suffix: str) -> Hash:
        key = hashlib.sha256(data).digest() + suffix.encode()
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._deposit.put(self._compressor.compress(data), suffix)
        return found

    def close(self) -> None:
        """Wait for what is under way, and end the threads."""
        with self._changed:
            self._waiting.extend([None] * len(self._threads))
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()


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
