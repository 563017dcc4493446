"""From a layer's blob to the bytes of its archive, whatever compressed it.

The first bytes decide how, not the media type: labels lie both ways. Every byte is read: trailing junk is an error, and
the caller gets all that comes out, also behind the end of the archive, for the diff_id covers it. What comes out is
counted against the image's allowance, and comes in pieces of about 1 MiB, so that a bomb fills neither memory nor disk.

`METHODS` is the table for layers, `ALL_METHODS` the one for whole archives, which people also compress otherwise; a method is
a function of the source and its first bytes that yields pieces.
"""

from __future__ import annotations

import sys
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

    class Decompressor(Protocol):
        """What lzma and bz2 have in common."""

        @property
        def eof(self) -> bool: ...

        @property
        def needs_input(self) -> bool: ...

        @property
        def unused_data(self) -> bytes: ...

        def decompress(self, data: bytes, max_length: int = ...) -> bytes: ...

    Methods = tuple[tuple[bytes, Callable[[Source, bytes], Iterator[bytes]]], ...]


PIECE_OUT = 1 << 20
PIECE_IN = 128 << 10  # at gzip's best ratio of 1032 one piece still is many of the above: `max_length` bounds them
_MAGIC_LENGTH = 6
_GZIP_AND_HEADER = 31  # zlib's window bits for "gzip members only"


def decompressed(source: Source, allowance: Allowance, methods: Methods | None = None) -> Generator[bytes, None, None]:
    """The archive in pieces. Raises `LayerError` for damage and junk, `UnsupportedContent` for other compressions."""
    head = b""
    while len(head) < _MAGIC_LENGTH and (more := source.read(PIECE_IN)):
        head += more
    for piece in _method(head, METHODS if methods is None else methods)(source, head):
        allowance.add_stream(len(piece))
        yield piece


def compression_of(head: bytes) -> str:
    """The compression that the first bytes of a file show, `none` for none that is known."""
    for magic, name in _NAMES:
        if head.startswith(magic):
            return name
    return "zstd" if _is_skippable(head) else "none"


def _is_skippable(head: bytes) -> bool:
    """Whether a zstd frame that carries no data comes first."""
    return head[:1] in _SKIPPABLE and head[1:4] == b"\x2a\x4d\x18"


def _method(head: bytes, methods: Methods) -> Callable[[Source, bytes], Iterator[bytes]]:
    for magic, method in methods:
        if head.startswith(magic):
            return method
    name = compression_of(head)
    if name == "zstd":
        return _zstd
    if name != "none":
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


def _see_site_packages() -> None:
    """Let the node's own decoders be found where Python was started without site packages, as `sampan.pyz` is."""
    if sys.flags.no_site and "site" not in sys.modules:
        import site

        site.main()


def _gzip_library() -> ModuleType:
    _see_site_packages()
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


def _padding(source: Source, data: bytes) -> bytes:
    """Read NULs, which some writers pad a member with, to the end. Raises `LayerError` for anything else."""
    while data:
        if data.strip(b"\0"):
            raise LayerError("there are other bytes behind its compressed data")
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
    _see_site_packages()
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


def _xz(source: Source, head: bytes) -> Iterator[bytes]:
    try:
        import lzma
    except ImportError as error:
        raise ProgramMissing(
            "it is compressed with xz, and this Python has no decoder for it", "decompress it with unxz"
        ) from error
    yield from _streams(source, head, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), (lzma.LZMAError, EOFError), "xz")


def _bzip2(source: Source, head: bytes) -> Iterator[bytes]:
    try:
        import bz2
    except ImportError as error:
        raise ProgramMissing(
            "it is compressed with bzip2, and this Python has no decoder for it", "decompress it with bunzip2"
        ) from error
    yield from _streams(source, head, bz2.BZ2Decompressor, (OSError, ValueError, EOFError), "bzip2")


def _streams(
    source: Source, head: bytes, new: Callable[[], Decompressor], failures: tuple[type[Exception], ...], name: str
) -> Iterator[bytes]:
    """One stream after the other, with the interface that lzma and bz2 share."""
    stream = new()
    data = head
    while data or not (stream.eof or stream.needs_input):
        if stream.eof:
            stream = new()
        try:
            piece = stream.decompress(data, PIECE_OUT)
        except failures as error:
            raise LayerError(f"its {name} data is damaged: {error}") from error
        if piece:
            yield piece
        data = stream.unused_data if stream.eof else b""
        if not data and (stream.eof or stream.needs_input):
            data = source.read(PIECE_IN)
        if stream.eof:
            data = _after_stream(source, data)
    if not stream.eof:
        raise LayerError(f"its {name} data is cut")


def _after_stream(source: Source, data: bytes) -> bytes:
    """What follows a stream: another one, or NULs that fill the file up."""
    return data if data.strip(b"\0") else _padding(source, data)


METHODS: Methods = (
    (b"\x1f\x8b\x08", _gzip),
    (b"\x28\xb5\x2f\xfd", _zstd),
)
ALL_METHODS: Methods = (*METHODS, (b"\xfd7zXZ\0", _xz), (b"BZh", _bzip2))
_XZ_MEMORY = 256 << 20  # `xz -9` makes files whose decoder takes 65 MiB
_SKIPPABLE = tuple(bytes([b]) for b in range(0x50, 0x60))
_NAMES = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\xfd7zXZ\0", "xz"),
    (b"BZh", "bzip2"),
    (b"\x04\x22\x4d\x18", "lz4"),
)


def means() -> list[tuple[str, str, str]]:
    """For `doctor`: (compression, what decodes it here or empty, what would make it better or empty)."""
    from shutil import which

    gzip = _gzip_library().__name__.rpartition(".")[2]
    zstd = getattr(_zstd_library(), "__name__", "") or (which("zstd") or "")
    return [
        ("gzip", gzip, "" if gzip == "isal_zlib" else "pip install isal unpacks them twice as fast"),
        ("zstd", zstd, "" if zstd else "pip install backports.zstd, or install the program zstd"),
    ]
