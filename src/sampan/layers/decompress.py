"""From a layer's blob to the bytes of its archive, whatever compressed it.

The first bytes decide how, not the media type: labels lie both ways. Every byte is read: trailing junk is an error, and
the caller gets all that comes out, also behind the end of the archive, for the diff_id covers it. What comes out is
counted against the image's allowance, and comes in pieces of about 1 MiB, so that a bomb fills neither memory nor disk.

`METHODS` is the table; a method is a function of the source and its first bytes that yields pieces.
"""

from __future__ import annotations

import zlib

from sampan.errors import LayerError, ProgramMissing, UnsupportedContent
from sampan.layers.limits import MAX_WINDOW_LOG

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import ModuleType
    from typing import IO, Protocol

    from sampan.layers.limits import Allowance

    class Source(Protocol):
        """What has `read(size)`: up to `size` bytes, empty at the end."""

        def read(self, size: int) -> bytes: ...


PIECE_OUT = 1 << 20
PIECE_IN = 128 << 10  # at gzip's best ratio of 1032 one piece still is many of the above: `max_length` bounds them
_MAGIC_LENGTH = 6
_GZIP_AND_HEADER = 31  # zlib's window bits for "gzip members only"


def decompressed(source: Source, allowance: Allowance) -> Generator[bytes, None, None]:
    """The archive in pieces. Raises `LayerError` for damage and junk, `UnsupportedContent` for other compressions."""
    head = b""
    while len(head) < _MAGIC_LENGTH and (more := source.read(PIECE_IN)):
        head += more
    for piece in _method(head)(source, head):
        allowance.add_stream(len(piece))
        yield piece


def _method(head: bytes) -> Callable[[Source, bytes], Iterator[bytes]]:
    for magic, method in METHODS:
        if head.startswith(magic):
            return method
    if head[:1] in _SKIPPABLE and head[1:4] == b"\x2a\x4d\x18":
        return _zstd
    for magic, name in _KNOWN_BY_NAME:
        if head.startswith(magic):
            raise UnsupportedContent(f"it is compressed with {name}, which no layer of an image may be")
    return _plain


def _plain(source: Source, head: bytes) -> Iterator[bytes]:
    while head:
        yield head
        head = source.read(PIECE_OUT)


def _gzip(source: Source, head: bytes) -> Iterator[bytes]:
    library = _gzip_library()
    member = library.decompressobj(_GZIP_AND_HEADER)
    data = head
    try:
        while data:
            if member.eof:
                data = data if data.startswith(b"\x1f") else _padding(source, data)
                if not data:
                    return
                member = library.decompressobj(_GZIP_AND_HEADER)
            piece = member.decompress(data, PIECE_OUT)
            if piece:
                yield piece
            data = (member.unused_data if member.eof else member.unconsumed_tail) or source.read(PIECE_IN)
    except (zlib.error, library.error) as error:
        raise LayerError(f"its gzip data is damaged: {error}") from error
    # What the last bytes stood for may still be inside, when it was longer than a piece.
    while not member.eof and (piece := member.decompress(b"", PIECE_OUT)):
        yield piece
    if not member.eof:
        raise LayerError("its gzip data is cut")


def _gzip_library() -> ModuleType:
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def _padding(source: Source, data: bytes) -> bytes:
    """Read NULs, which some writers pad a member with, to the end. Raises `LayerError` for anything else."""
    while data:
        if data.strip(b"\0"):
            raise LayerError("there are other bytes behind its gzip data")
        data = source.read(PIECE_IN)
    return data


def _zstd(source: Source, head: bytes) -> Iterator[bytes]:
    library = _zstd_library()
    if library is None:
        yield from _zstd_program(source, head)
        return
    options = {library.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
    frame = library.ZstdDecompressor(options=options)
    data = head
    try:
        while data:
            if frame.eof:
                frame = library.ZstdDecompressor(options=options)
            piece = frame.decompress(data, PIECE_OUT)
            while piece or not (frame.needs_input or frame.eof):
                yield piece
                piece = b"" if frame.eof else frame.decompress(b"", PIECE_OUT)
            data = (frame.unused_data if frame.eof else b"") or source.read(PIECE_IN)
    except library.ZstdError as error:
        raise LayerError(f"its zstd data is damaged: {error}") from error
    if not frame.eof:
        raise LayerError("its zstd data is cut")


def _zstd_library() -> ModuleType | None:
    try:
        from compression import zstd
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            return None
    return zstd  # type: ignore[no-any-return,unused-ignore]


def _zstd_program(source: Source, head: bytes) -> Iterator[bytes]:
    """The `zstd` program as a pipe, fed by a thread of its own."""
    import subprocess
    import tempfile
    from threading import Thread

    with tempfile.TemporaryFile() as words:
        try:
            program = subprocess.Popen(
                ["zstd", "-q", "-d", "-c", f"--memory={1 << MAX_WINDOW_LOG}"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=words,
            )
        except FileNotFoundError:
            raise ProgramMissing(
                "it is compressed with zstd, and this Python has no decoder for it",
                "install backports.zstd, or the zstd program",
            ) from None
        failed: list[BaseException] = []
        feeder = Thread(target=_feed, args=(source, head, program.stdin, failed), daemon=True)
        feeder.start()
        try:
            while piece := program.stdout.read(PIECE_OUT):  # type: ignore[union-attr]
                yield piece
        finally:
            program.stdout.close()  # type: ignore[union-attr]
            status = program.wait()
            feeder.join()
        if failed:
            raise failed[0]
        if status != 0:
            words.seek(0)
            said = words.read(300).decode(errors="replace").replace("zstd: /*stdin*\\: ", "").strip()
            raise LayerError(f"its zstd data is damaged: {said}")


def _feed(source: Source, head: bytes, pipe: IO[bytes], failed: list[BaseException]) -> None:
    try:
        with pipe:
            while head:
                pipe.write(head)
                head = source.read(PIECE_IN)
    except BrokenPipeError:
        pass  # the program says why on stderr
    except BaseException as error:  # noqa: BLE001 - carried over to the thread that asked
        failed.append(error)


METHODS: tuple[tuple[bytes, Callable[[Source, bytes], Iterator[bytes]]], ...] = (
    (b"\x1f\x8b\x08", _gzip),
    (b"\x28\xb5\x2f\xfd", _zstd),
)
_SKIPPABLE = tuple(bytes([b]) for b in range(0x50, 0x60))  # zstd frames that carry no data
_KNOWN_BY_NAME = ((b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"\x04\x22\x4d\x18", "lz4"))


def means() -> list[tuple[str, str, str]]:
    """For `doctor`: (compression, what decodes it here or empty, what would make it better or empty)."""
    from shutil import which

    gzip = _gzip_library().__name__.rpartition(".")[2]
    zstd = getattr(_zstd_library(), "__name__", "") or (which("zstd") or "")
    return [
        ("gzip", gzip, "" if gzip == "isal_zlib" else "pip install isal unpacks them twice as fast"),
        ("zstd", zstd, "" if zstd else "pip install backports.zstd, or install the program zstd"),
    ]
