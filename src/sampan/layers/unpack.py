"""Apply one layer: decompress, hash, parse, merge and write, in three threads.

Theory of operation. One thread decompresses and hands each piece to two others: one hashes it for the diff_id, and the
caller's own reads entries from it, merges and writes. zlib, isal and hashlib let go of the interpreter's lock, so the
three overlap with each other and with downloads; entries are applied in one thread because their order matters.
Queues are a few MiB deep. The first error ends all three, and every byte is read to the end: only then, and only if
the digest is the diff_id, does `apply_layer` return.
"""

from __future__ import annotations

from threading import Thread

from sampan.errors import DigestMismatch, LayerError, ProgramMissing, UnsupportedContent
from sampan.layers.channel import Channel, Closed
from sampan.layers.decompress import PIECE_OUT, decompressed
from sampan.layers.merge import WRITE, LayerMerge
from sampan.layers.read import TarReader
from sampan.oci.digest import Digest, new_hash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from sampan.layers.directory import DirectorySink
    from sampan.layers.index import Index
    from sampan.layers.limits import Allowance

    class LayerSource(Protocol):
        """Where the bytes of a layer come from: a `follow.GrowingFile`, or a part of an archive that is loaded.

        `read` is called by one thread, up to the end; `give_up` by another makes it raise; `close` when no thread reads.
        """

        def read(self, size: int) -> bytes: ...

        def give_up(self) -> None: ...

        def close(self) -> None: ...


_DEPTH = 4


class Layer:
    """One layer of an image: where its bytes come from and what they must be."""

    __slots__ = ("diff_id", "is_checked_archive", "size", "source")

    def __init__(self, source: LayerSource, diff_id: Digest, size: int, *, is_checked_archive: bool = False) -> None:
        """`size` is that of the blob, compressed, in bytes.

        `is_checked_archive`: the source is the archive itself, uncompressed, and fails at its end unless its bytes have the
        diff_id; so they are not hashed again here, nor decompressed whatever they begin with.
        """
        self.source = source
        self.diff_id = diff_id
        self.size = size
        self.is_checked_archive = is_checked_archive


def apply_layer(layer: Layer, index: Index, sink: DirectorySink, allowance: Allowance) -> None:
    """Unpack `layer` on top of what `index` and `sink` hold, and close its source.

    Raises `LayerError` and `DigestMismatch` for what is wrong with it, `NoSpace` and `StoreError` of the sink, and
    whatever the source was failed with. After an error index and directory are of no use.
    """
    try:
        read_layer(layer, allowance, lambda reader: _merge(reader, LayerMerge(index), sink))
    except OSError as error:
        raise sink.explain(error) from error


def read_layer(layer: Layer, allowance: Allowance, take: Callable[[TarReader], object]) -> None:
    """Have `take` read the entries of a layer to their end, and close its source.

    Raises `LayerError` and `DigestMismatch` for what is wrong with it, whatever the source was failed with, and what `take` raises. What
    `take` has made of a layer is of no use after an error.
    """
    to_parse, to_hash = Channel(_DEPTH), Channel(_DEPTH)
    found: list[Digest] = []
    allowance.add_layer(layer.size)
    if layer.is_checked_archive:
        threads = [Thread(target=_read, args=(layer, allowance, to_parse), name="sampan-read", daemon=True)]
        found.append(layer.diff_id)
    else:
        threads = [
            Thread(target=_decompress, args=(layer, allowance, to_parse, to_hash), name="sampan-decompress", daemon=True),
            Thread(target=_hash, args=(to_hash, layer.diff_id.algorithm, found), name="sampan-hash", daemon=True),
        ]
    try:
        for thread in threads:
            thread.start()
        take(TarReader(to_parse, allowance))
    except BaseException as error:
        # Whoever waits for whom: wake all, so that the joins below end.
        layer.source.give_up()
        to_parse.close()
        to_hash.close()
        if isinstance(error, (LayerError, UnsupportedContent, ProgramMissing)):
            raise error.about(f"layer {layer.diff_id.short}") from error.__cause__
        raise
    finally:
        for thread in threads:
            if thread.ident is not None:
                thread.join()
        layer.source.close()
    if found != [layer.diff_id]:
        raise DigestMismatch(
            f"layer {layer.diff_id.short} unpacks to other bytes than the image says: they have {found[0].short}"
        )


def _merge(reader: TarReader, merge: LayerMerge, sink: DirectorySink) -> None:
    for entry in reader:
        for operation in merge.apply(entry):
            if operation.action is WRITE:
                sink.write(operation, reader.body())
            else:
                sink.perform(operation)


def _read(layer: Layer, allowance: Allowance, to_parse: Channel) -> None:
    error: BaseException | None = None
    try:
        while piece := layer.source.read(PIECE_OUT):
            allowance.add_stream(len(piece))
            to_parse.send(piece)
    except Closed:
        pass
    except BaseException as caught:  # noqa: BLE001 - raised again by the receiver, in the caller's thread
        error = caught
    to_parse.end(error)


def _decompress(layer: Layer, allowance: Allowance, to_parse: Channel, to_hash: Channel) -> None:
    error: BaseException | None = None
    pieces = decompressed(layer.source, allowance)
    try:
        for piece in pieces:
            to_hash.send(piece)
            to_parse.send(piece)
    except Closed:
        pass
    except BaseException as caught:  # noqa: BLE001 - raised again by the receiver, in the caller's thread
        error = caught
    pieces.close()
    to_hash.end()
    to_parse.end(error)


def _hash(pieces: Channel, algorithm: str, found: list[Digest]) -> None:
    content = new_hash(algorithm)
    for piece in pieces:
        content.update(piece)
    found.append(Digest(algorithm, content.hexdigest()))
