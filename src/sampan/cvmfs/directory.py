"""A repository in a directory, as a web server gives it out.

An object is written below `data/txn` and renamed, so that it is whole or not there; one `syncfs` before the manifest brings them all
to the disk. Everything is readable by all, whatever the umask, because a web server of another user reads it. An object that is put
again becomes young again: a collection elsewhere that has not seen its new use yet spares it.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from typing import TYPE_CHECKING

from sampan.cvmfs.hashing import Hash
from sampan.cvmfs.objects import Stored
from sampan.errors import HostError, NoSpace, NotInRepository, RepositoryBusy, RepositoryError
from sampan.store.build import flush_file_system
from sampan.store.locks import locked_file, release

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.events import Notice

_YOUNG = 3600
_OPEN = 0o755
_SUFFIXES = "CHXMPLT"
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DirectoryStore:
    """A `Store` in the directory `path`, which `prepare` makes."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._numbers = itertools.count()

    @property
    def name(self) -> str:
        return self.path

    def prepare(self) -> None:
        """Make the directories. Raises `HostError`."""
        for path in (self.path, f"{self.path}/data", f"{self.path}/data/txn"):
            try:
                os.makedirs(path, exist_ok=True)
                os.chmod(path, _OPEN)
            except OSError as error:
                raise _failure("cannot make", path, error) from error

    def get(self, hash: Hash, suffix: str = "") -> bytes:
        return self._read(hash.path(suffix))

    def has(self, hash: Hash, suffix: str = "") -> bool:
        return os.path.exists(f"{self.path}/{hash.path(suffix)}")

    def get_root_file(self, name: str) -> bytes:
        return self._read(name)

    def _read(self, name: str) -> bytes:
        path = f"{self.path}/{name}"
        try:
            with open(path, "rb", buffering=0) as stream:
                return stream.readall()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotInRepository(
                f"{self.path} has no {name}", None if os.path.isdir(self.path) else "is it a repository?"
            ) from error
        except OSError as error:
            raise _failure("cannot read", path, error) from error

    def put(self, hash: Hash, suffix: str, data: bytes) -> bool:
        path = f"{self.path}/{hash.path(suffix)}"
        try:
            there = os.stat(path)
        except OSError:
            pass
        else:
            if there.st_size == len(data):
                if there.st_mtime < time.time() - _YOUNG:
                    with contextlib.suppress(PermissionError):
                        os.utime(path)
                return False
        self._write(path, data)
        return True

    def put_root_file(self, name: str, data: bytes) -> None:
        self.put_root_files(((name, data),))

    def put_root_files(self, files: Sequence[tuple[str, bytes]]) -> None:
        written = [(self._written(f"{self.path}/{name}", data, durable=True), f"{self.path}/{name}") for name, data in files]
        try:
            for temporary, path in written:
                os.rename(temporary, path)
            _sync_directory(self.path)
        except OSError as error:
            raise _failure("cannot replace", written[-1][1], error) from error

    def _write(self, path: str, data: bytes) -> None:
        temporary = self._written(path, data, durable=False)
        try:
            try:
                os.rename(temporary, path)
            except FileNotFoundError:
                _make(os.path.dirname(path))
                os.rename(temporary, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise _failure("cannot write", path, error) from error

    def _written(self, path: str, data: bytes, *, durable: bool) -> str:
        """A file with these bytes under a temporary name."""
        temporary = f"{self.path}/data/txn/{os.getpid()}.{next(self._numbers)}"
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                os.fchmod(descriptor, 0o644)
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
                if durable:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise _failure("cannot write", path, error) from error
        return temporary

    def flush(self) -> None:
        try:
            flush_file_system(self.path)
        except OSError as error:
            raise _failure("cannot flush", self.path, error) from error

    @contextlib.contextmanager
    def lock(self, what: str, notice: Notice, *, wait: bool = False) -> Iterator[None]:
        path = f"{self.path}/data/txn/lock"
        try:
            descriptor, held = locked_file(path, notice, what, wait)
        except BlockingIOError as error:
            raise RepositoryBusy(
                f"another process publishes into {self.path} or collects its garbage", "try again, or let it wait for the other"
            ) from error
        except FileNotFoundError as error:
            raise NotInRepository(f"{self.path} is no repository", "`sampan repo init` makes one") from error
        except OSError as error:
            raise _failure("cannot lock", path, error) from error
        try:
            self._sweep_leftovers()
            yield
        finally:
            if held:
                release(descriptor)
            os.close(descriptor)

    def _sweep_leftovers(self) -> None:
        """Half-written objects of processes that died: only the holder of the lock writes, so old ones are nobody's."""
        with contextlib.suppress(OSError):
            for item in os.scandir(f"{self.path}/data/txn"):
                if item.name != "lock" and item.is_file(follow_symlinks=False) and item.stat().st_mtime < time.time() - _YOUNG:
                    os.unlink(item.path)

    def stored(self) -> Iterator[Stored]:
        try:
            directories = sorted(item.name for item in os.scandir(f"{self.path}/data") if len(item.name) == 2)
        except OSError as error:
            raise _failure("cannot list", f"{self.path}/data", error) from error
        for first in directories:
            for item in os.scandir(f"{self.path}/data/{first}"):
                found = named(first + item.name)
                if found is not None:
                    status = item.stat(follow_symlinks=False)
                    yield Stored(*found, status.st_size, status.st_mtime)

    def remove(self, hash: Hash, suffix: str) -> None:
        path = f"{self.path}/{hash.path(suffix)}"
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _failure("cannot remove", path, error) from error


def named(name: str) -> tuple[Hash, str] | None:
    """The object that a file name below `data`, without its slash, is of; `None` if it is none of ours."""
    suffix = name[-1:] if name[-1:] in _SUFFIXES else ""
    try:
        return Hash.parse(name[: len(name) - len(suffix)]), suffix
    except RepositoryError:
        return None


def _make(directory: str) -> None:
    try:
        os.mkdir(directory)
        os.chmod(directory, _OPEN)
    except FileExistsError:
        pass  # another thread was faster


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failure(what: str, path: str, error: OSError) -> HostError:
    if error.errno in _FULL:
        return NoSpace(f"{what} {path}: {error.strerror}", "nothing was published; what was written is used by the next try")
    return HostError(f"{what} {path}: {error.strerror}")
