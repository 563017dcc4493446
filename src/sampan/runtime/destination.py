"""Where `save` and `export` write to: a file that appears when it is complete, a pipe, standard output; never a terminal."""

from __future__ import annotations

import errno
import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.errors import HostError, NoSpace, SampanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STDOUT = "-"


@contextmanager
def destination(path: str) -> Iterator[Callable[[bytes], object]]:
    """A function that writes bytes to the file `path`, or to standard output for `-`.

    A file gets its name, or replaces one, when the block ends without an error; what is there and no file (a pipe, a device) is
    written as it comes. Raises `UsageError` for a terminal or a directory, `NoSpace`, `HostError`.
    """
    if path == STDOUT:
        if sys.stdout is None or os.isatty(sys.stdout.fileno()):
            raise UsageError("an archive is not written to a terminal", "name a file with --output, or redirect the output")
        sys.stdout.flush()
        yield _writer(sys.stdout.fileno(), "standard output")
        return
    kind = _kind_of(path)
    if kind == "directory":
        raise UsageError(f"{path} is a directory", "name a file in it")
    if kind == "special":
        descriptor = _opened(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            if os.isatty(descriptor):
                raise UsageError("an archive is not written to a terminal", "name a file with --output, or redirect the output")
            yield _writer(descriptor, path)
        finally:
            os.close(descriptor)
        return
    yield from _new_file(path)


def _new_file(path: str) -> Iterator[Callable[[bytes], object]]:
    # A link is written through, as a shell would; the file it leads to is replaced.
    goal = os.path.realpath(path)
    temporary = f"{goal}.{os.urandom(6).hex()}.partial"
    descriptor = _opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, path)
    try:
        try:
            yield _writer(descriptor, path)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, goal)
    except OSError as error:
        raise failure(path, error) from error
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)


@contextmanager
def new_directory(path: str) -> Iterator[str]:
    """A directory to fill, which gets the name `path` when the block ends without an error; one that is there must be empty.

    Raises `UsageError`, `NoSpace`, `HostError`.
    """
    from sampan.layers.removal import remove

    path = os.path.abspath(path)
    if os.path.lexists(path) and (not os.path.isdir(path) or os.listdir(path)):
        raise UsageError(f"{path} is there already", "choose another directory")
    temporary = f"{path}.{os.urandom(6).hex()}.partial"
    try:
        os.mkdir(temporary)
        yield temporary
        os.rename(temporary, path)
    except OSError as error:
        raise failure(path, error) from error
    finally:
        if os.path.isdir(temporary):
            parent = os.open(os.path.dirname(temporary), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                remove(parent, os.path.basename(temporary))
            finally:
                os.close(parent)


def _kind_of(path: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return "file"
    return "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "special"


def _opened(path: str, flags: int, shown: str = "") -> int:
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        raise failure(shown or path, error) from error


def _writer(descriptor: int, shown: str) -> Callable[[bytes], object]:
    def write(data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(descriptor, view) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise failure(shown, error) from error

    return write


def failure(path: str, error: OSError) -> SampanError:
    """The error to raise for an OSError while `path` is written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"cannot write {path}: no space left ({error.strerror})", "choose a place on another file system")
    return HostError(f"cannot write {path}: {error.strerror or error}")
