"""Read a file that another thread is still writing: a blob is unpacked while it downloads.

The writer calls `advance` after each piece it wrote, then `finish` (only when the digest was right) or `fail`. The
reader's `read` waits for bytes and raises what the writer failed with, so that nothing built from wrong bytes is taken
for complete. A file that is already complete is the same thing with `finish` called at once.
"""

from __future__ import annotations

import os
from threading import Condition

from sampan.errors import StoreError


class GrowingFile:
    """One file with one writer and one reader, in two threads. The reader may wait before there is a file at all."""

    def __init__(self, descriptor: int = -1, available: int = 0) -> None:
        """With a descriptor, as `attach`."""
        self._descriptor = -1
        self._changed = Condition()
        self._available = 0
        self._complete = False
        self._error: BaseException | None = None
        self._at = 0
        if descriptor >= 0:
            self.attach(descriptor, available)

    @classmethod
    def complete(cls, descriptor: int) -> GrowingFile:
        """A file that is all there."""
        file = cls(descriptor, os.fstat(descriptor).st_size)
        file.finish()
        return file

    # The writer

    def attach(self, descriptor: int, available: int = 0) -> None:
        """This is the file, of which `available` bytes are there already. The descriptor is duplicated and its position not used."""
        with self._changed:
            if self._error is None:
                self._descriptor = os.dup(descriptor)
                self._available = available
                self._changed.notify_all()

    def advance(self, amount: int) -> None:
        """`amount` more bytes are in the file."""
        with self._changed:
            self._available += amount
            self._changed.notify_all()

    def finish(self) -> None:
        """The file is complete, and what it should be."""
        with self._changed:
            self._complete = True
            self._changed.notify_all()

    def fail(self, error: BaseException) -> None:
        """The file will never be complete; the reader raises `error`."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    # The reader

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, waiting for at least one; empty at the end of a complete file."""
        with self._changed:
            self._changed.wait_for(lambda: self._at < self._available or self._complete or self._error)
            if self._error is not None:
                raise self._error
            size = min(size, self._available - self._at)
        if not size:
            return b""
        piece = os.pread(self._descriptor, size, self._at)
        if not piece:
            raise StoreError(f"a blob is shorter than the {self._available} bytes that were written to it")
        self._at += len(piece)
        return piece

    def give_up(self) -> None:
        """The reader needs no more; a `read` that waits in another thread ends with an error."""
        self.fail(StoreError("the reading of a blob was given up"))

    def close(self) -> None:
        """Close the reader's descriptor; no thread may be reading."""
        self.give_up()
        with self._changed:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1
