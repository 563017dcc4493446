"""Open what holds images: a file, a directory, or a stream that is kept on the disk first.

A tar archive in a file is read where it lies. What is compressed or comes through a pipe is written to a file of the store's
file system that has no name, so that whatever happens nothing of it stays; its size is bounded by what the compressed one may
unpack to (`layers.limits`), and by the disk.
"""

from __future__ import annotations

import os
import stat
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from sampan.errors import UnsupportedContent, UsageError, printable
from sampan.image import magic
from sampan.image.members import DirectoryMembers
from sampan.layers.decompress import ALL_METHODS, compression_of, decompressed
from sampan.layers.limits import Allowance
from sampan.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.events import Progress
    from sampan.layers.decompress import Source
    from sampan.store.layout import Store

STDIN = "-"


class Opened:
    """An input: `shown` names it in sentences; a directory, or `archive`, a descriptor of a plain tar archive."""

    def __init__(self, shown: str, descriptor: int, *, is_directory: bool) -> None:
        self.shown = shown
        self.descriptor = descriptor
        self.is_directory = is_directory

    def directory(self) -> DirectoryMembers:
        """The files of the directory."""
        return DirectoryMembers(self.descriptor)


def shown(path: str) -> str:
    """What an input is called in sentences."""
    return "standard input" if path == STDIN else printable(path)


@contextmanager
def opened(path: str, store: Store, progress: Progress) -> Iterator[Opened]:
    """Open the file or directory `path`, or standard input for `-`.

    Raises `UsageError` for what is missing or is no archive, `LayerError` for damaged compressed data, `NoSpace`, `StoreError`.
    """
    name = shown(path)
    descriptor = _open(path)
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            yield Opened(name, descriptor, is_directory=True)
            return
        plain = _plain_archive(descriptor, status, name)
        if plain:
            yield Opened(name, descriptor, is_directory=False)
            return
        allowance = Allowance()
        source = _Stream(descriptor, progress, status.st_size if stat.S_ISREG(status.st_mode) else None, allowance)
        try:
            kept = spool(source, allowance, store, name)
        finally:
            source.done()
        try:
            yield Opened(name, kept, is_directory=False)
        finally:
            os.close(kept)
    finally:
        if path != STDIN:
            os.close(descriptor)


def _open(path: str) -> int:
    if path == STDIN:
        if sys.stdin is None or sys.stdin.closed:
            raise UsageError("standard input is closed")
        descriptor = sys.stdin.fileno()
        if os.isatty(descriptor):
            raise UsageError("there is no archive on standard input, which is a terminal", "name a file with --input")
        return descriptor
    try:
        return os.open(path, os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot open {printable(path)}: {error.strerror}") from error


def _plain_archive(descriptor: int, status: os.stat_result, name: str) -> bool:
    """Whether it is a file to be read in place; raises `UsageError` if it is a file of another kind."""
    if not stat.S_ISREG(status.st_mode) or os.lseek(descriptor, 0, os.SEEK_CUR):
        return False  # a pipe, or a file that somebody has read the beginning of
    head = os.pread(descriptor, magic.HEAD, 0)
    if compression_of(head) in ("gzip", "zstd", "xz", "bzip2"):
        return False
    check_tar(head, name)
    return True


def check_tar(head: bytes, name: str) -> None:
    """Raises `UsageError` that says what it is unless a tar archive begins like this."""
    if not magic.is_tar(head):
        kind, hint = magic.wrong_kind(head)
        words = f"is {kind}, " if kind else "is " if head else "is empty, "
        raise UsageError(f"{name} {words}not an archive of images", hint)


class _Stream:
    """What decompression reads from, counted for progress and for the allowance."""

    def __init__(self, descriptor: int, progress: Progress, size: int | None, allowance: Allowance) -> None:
        self._descriptor = descriptor
        self._task = progress.begin("reading", size)
        self._allowance = allowance

    def read(self, size: int) -> bytes:
        piece = os.read(self._descriptor, size)
        self._allowance.add_layer(len(piece))
        self._task.advance(len(piece))
        return piece

    def done(self) -> None:
        self._task.done()


def spool(source: Source, allowance: Allowance, store: Store, name: str) -> int:
    """Decompress the whole source into a file without a name; its descriptor.

    `allowance` has to be told what is read of the source. Raises as `opened`.
    """
    layout.create(store)
    path = store.temporary("spool")
    with ExitStack() as undo:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            undo.callback(os.close, descriptor)
            os.unlink(path)
            _fill(descriptor, decompressed(source, allowance, ALL_METHODS), name)
        except OSError as error:
            raise layout.failure(store, f"cannot keep the archive of {name} while it is read", error) from error
        except UnsupportedContent as error:
            raise UsageError(f"{name}: it is compressed in a way that is not known", "decompress it first") from error
        undo.pop_all()
    return descriptor


def _fill(descriptor: int, pieces: Iterator[bytes], name: str) -> None:
    head = b""
    for piece in pieces:
        if len(head) < magic.HEAD:
            head += piece[: magic.HEAD]
            if len(head) >= magic.HEAD:
                check_tar(head, name)
        view = memoryview(piece)
        while view:
            view = view[os.write(descriptor, view) :]
    if len(head) < magic.HEAD:
        check_tar(head, name)
