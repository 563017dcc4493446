"""Layers that are read once in a run, however many images have them: entries with their contents, for every merge.

Theory of operation. A layer's blob streams from the registry through decompression, hash and parser (`layers.unpack`); each file's
content goes on to the pool that compresses, hashes and stores it. What stays in memory is the list of entries, each with what will
be its content, and that list is what the images that share the layer are merged from: no layer is fetched or compressed twice.
Nothing is written to a scratch disk. Lists are kept up to `MAX_KEPT` entries in all; the oldest go first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.distribute.once import Once
from sampan.errors import StoreError
from sampan.layers.entry import FILE
from sampan.layers.limits import Allowance
from sampan.layers.unpack import Layer, read_layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Protocol

    from sampan.cvmfs.bodies import Bodies, PendingBody
    from sampan.layers.entry import Entry
    from sampan.layers.read import TarReader
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest

    Contents = list[tuple[Entry, "PendingBody | None"]]

    class Open(Protocol):
        """The bytes of a blob as they arrive."""

        def __call__(self, descriptor: Descriptor, /) -> Iterator[bytes]: ...


MAX_KEPT = 200_000
_WHITEOUT = b".wh."
_ZEROS = bytes(1 << 20)


class LayerCache:
    """The layers of one run. For many threads: one reads a layer, the others who want it wait."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._layers: Once[Digest, Contents] = Once(len, MAX_KEPT)

    def get(self, descriptor: Descriptor, diff_id: Digest, open: Open) -> Contents:
        """The entries of a layer in their order. Raises what reading it raises; then the next who asks tries again."""
        return self._layers.get(diff_id, lambda: self._read(descriptor, diff_id, open))

    def _read(self, descriptor: Descriptor, diff_id: Digest, open: Open) -> Contents:
        found: Contents = []

        def take(reader: TarReader) -> None:
            for entry in reader:
                is_file = entry.kind == FILE and not entry.path.rpartition(b"/")[2].startswith(_WHITEOUT)
                found.append((entry, self._bodies.submit(BodyStream(reader.body(), entry.size)) if is_file else None))

        read_layer(Layer(BlobSource(lambda: open(descriptor)), diff_id, descriptor.size), Allowance(), take)
        return found


class BlobSource:
    """A blob's pieces as a layer's source."""

    def __init__(self, open: Callable[[], Iterator[bytes]]) -> None:
        self._open = open
        self._pieces: Iterator[bytes] | None = None
        self._given_up = False
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; empty at the end."""
        if self._given_up:
            raise StoreError("the reading of a layer was given up")
        if self._pieces is None:
            self._pieces = self._open()
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = memoryview(piece)
        part, self._rest = self._rest[:size], self._rest[size:]
        return bytes(part)

    def give_up(self) -> None:
        """The next `read` raises."""
        self._given_up = True

    def close(self) -> None:
        """End the transfer, if it is not at its end."""
        self._given_up = True
        pieces, self._pieces = self._pieces, None
        close = getattr(pieces, "close", None)
        if close is not None:
            close()


class BodyStream:
    """A file's data as its reader gives it, with the holes filled, to be read like a file."""

    def __init__(self, pieces: Iterable[tuple[int, memoryview]], size: int) -> None:
        self._pieces = iter(pieces)
        self._size = size
        self._at = 0
        self._next: tuple[int, memoryview] | None = None

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end."""
        wanted = self._size - self._at if size < 0 else min(size, self._size - self._at)
        parts: list[bytes | memoryview] = []
        while wanted > 0:
            part = self._part(wanted)
            parts.append(part)
            wanted -= len(part)
            self._at += len(part)
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)

    def _part(self, wanted: int) -> bytes | memoryview:
        if self._next is None:
            self._next = next(self._pieces, (self._size, memoryview(b"")))
        offset, view = self._next
        if offset > self._at:
            return memoryview(_ZEROS)[: min(wanted, offset - self._at)]
        if not view:  # the end: the reader has said before if data is missing
            self._next = None
            return memoryview(_ZEROS)[: min(wanted, self._size - self._at)]
        part, rest = view[:wanted], view[wanted:]
        self._next = (offset + len(part), rest) if rest else None
        return part
