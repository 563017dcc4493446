"""The node's cache: verified, uncompressed objects as files, shared by all of a user's processes, bounded, safe against kills.

Theory of operation. An object is written under a name of its own below `txn` and gets its final name `XX/REST[S]` by rename:
it is there whole or not at all, and whoever comes second replaces equal by equal. No lock is ever waited for. What was read is marked
by its access time, at most once an hour; when the files' sizes exceed the quota, one process removes the least recently used
ones until half of it is free again, as the official client does. A file that is removed while it is open stays readable.

How much there is, is counted in a small file that processes add to; a count that is wrong after a kill is put right by the
next cleaning, which looks at all files. What a dead process left below `txn` is swept then, too.

An alien cache has the same layout, is shared by several users or nodes on a network file system, and has neither quota nor marks.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from sampan.errors import HostError, NoSpace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cvmfs.hashing import Hash

TRANSACTIONS, USAGE, CLEANING = "txn", "usage", "cleaning"
MARK_AGE = 3600
STALE = 86400
REPORT = 16 << 20
"""Bytes written by a process before it adds them to the common count, if the quota is no smaller."""
_COUNT = struct.Struct("=q")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Stored:
    """An object that is here: a descriptor, closed with its last user, or bytes where the disk had no room."""

    __slots__ = ("_data", "descriptor", "size")

    def __init__(self, descriptor: int, size: int, data: bytes = b"") -> None:
        self.descriptor = descriptor
        self.size = size
        self._data = data

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of it. Raises OSError."""
        return self._data[offset : offset + size] if self.descriptor < 0 else os.pread(self.descriptor, size, offset)

    def __del__(self) -> None:
        if self.descriptor >= 0:
            with suppress(OSError):
                os.close(self.descriptor)


class Cache:
    """Files of one directory; for many threads and processes. `quota` in bytes, 0 for none."""

    def __init__(self, directory: str, quota: int, *, shared: bool = False) -> None:
        """`shared`: an alien cache, whose files are for the group too. Raises `HostError` if it cannot be used."""
        self.directory = directory
        self._quota = 0 if shared else quota
        self._shared = shared
        self._mode = 0o660 if shared else 0o600
        self._directory_mode = 0o770 if shared else 0o700
        self._lock = threading.Lock()
        self._unreported = 0
        self._number = 0
        self._known: set[str] = set()
        self._make()

    def _make(self) -> None:
        try:
            os.makedirs(os.path.join(self.directory, TRANSACTIONS), self._directory_mode, exist_ok=True)
            found = os.stat(self.directory)
        except OSError as error:
            raise _unusable(self.directory, error) from error
        if not self._shared and (found.st_uid != os.geteuid() or found.st_mode & 0o022):
            raise HostError(
                f"the cache {self.directory} is not a directory of yours alone, so what it holds cannot be trusted",
                "set SAMPAN_CVMFS_CACHE to a directory of your own",
            )
        if not os.access(os.path.join(self.directory, TRANSACTIONS), os.W_OK):
            raise HostError(f"the cache {self.directory} cannot be written", "set SAMPAN_CVMFS_CACHE to another directory")

    def path(self, hash: Hash, suffix: str = "") -> str:
        """Where an object is or would be."""
        text = hash.text
        return f"{self.directory}/{text[:2]}/{text[2:]}{suffix}"

    def open(self, hash: Hash, suffix: str = "", size: int | None = None) -> Stored | None:
        """An object, if it is here and has this size; one of another size is a leftover of a crash and is removed."""
        path = self.path(hash, suffix)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                raise
            return None
        found = os.fstat(descriptor)
        if (size is not None and found.st_size != size) or not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(path)
            return None
        if self._quota and found.st_atime < time.time() - MARK_AGE:
            with suppress(OSError):
                os.utime(descriptor, ns=(time.time_ns(), found.st_mtime_ns))
        return Stored(descriptor, found.st_size)

    def has(self, hash: Hash, suffix: str = "") -> bool:
        """Whether it is here."""
        return os.path.exists(self.path(hash, suffix))

    def add(self, hash: Hash, suffix: str, data: bytes, *, durable: bool = False) -> Stored:
        """Keep an object; it is readable in any case. `durable`: it must not be found cut after a power failure."""
        for attempt in (0, 1):
            try:
                return self._write(self.path(hash, suffix), data, durable)
            except OSError as error:
                if error.errno not in (*_FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EMFILE):
                    raise _unusable(self.directory, error) from error
                if error.errno == errno.ENOENT:
                    self._known.clear()
                    with suppress(OSError):
                        os.makedirs(os.path.join(self.directory, TRANSACTIONS), self._directory_mode, exist_ok=True)
                elif error.errno not in _FULL or attempt or not self._quota:
                    break
                else:
                    self.clean(len(data))
        return Stored(-1, len(data), data)

    def _write(self, path: str, data: bytes, durable: bool) -> Stored:
        above = path.rpartition("/")[0]
        if above not in self._known:
            with suppress(FileExistsError):
                os.mkdir(above, self._directory_mode)
            self._known.add(above)
        with self._lock:
            self._number += 1
            temporary = f"{self.directory}/{TRANSACTIONS}/{os.getpid()}.{self._number}.{os.urandom(4).hex()}"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._mode)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if durable:
                os.fsync(descriptor)
            os.rename(temporary, path)
        except BaseException:
            os.close(descriptor)
            with suppress(OSError):
                os.unlink(temporary)
            raise
        self._count(len(data))
        return Stored(descriptor, len(data))

    # Files that have names

    def read_named(self, name: str) -> bytes | None:
        """A small file of the cache, such as the manifest that was seen last."""
        try:
            with open(os.path.join(self.directory, name), "rb") as stream:
                return stream.read()
        except OSError:
            return None

    def write_named(self, name: str, data: bytes) -> None:
        """Replace a small file at once; without room it stays as it is."""
        with suppress(OSError):
            self._write(os.path.join(self.directory, name), data, True)

    # How much there is

    def _count(self, size: int) -> None:
        if not self._quota:
            return
        with self._lock:
            self._unreported += size
            if self._unreported < min(REPORT, self._quota // 16):
                return
            size, self._unreported = self._unreported, 0
        if self._add_to_count(size) > self._quota:
            self.clean(0)

    def _add_to_count(self, size: int) -> int:
        """The sum after adding to it."""
        try:
            descriptor = os.open(os.path.join(self.directory, USAGE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return 0
        try:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            raw = os.pread(descriptor, _COUNT.size, 0)
            total = max(_COUNT.unpack(raw)[0] if len(raw) == _COUNT.size else self.measure(), 0) + size
            with suppress(OSError):
                os.pwrite(descriptor, _COUNT.pack(total), 0)
            return total
        finally:
            os.close(descriptor)

    def measure(self) -> int:
        """Bytes of all objects."""
        return sum(size for _, size, _ in self._files())

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """(last use, size, path) of each object."""
        for name in _names(self.directory):
            if len(name) != 2:
                continue
            directory = os.path.join(self.directory, name)
            with suppress(OSError), os.scandir(directory) as found:
                for entry in found:
                    with suppress(OSError):
                        about = entry.stat(follow_symlinks=False)
                        yield max(about.st_atime, about.st_mtime), about.st_size, entry.path

    def clean(self, room: int) -> int:
        """Remove what was not used for longest until half the quota, and `room` more, is free; bytes removed.

        One process does it at a time; another that wants to goes on without.
        """
        try:
            descriptor = os.open(os.path.join(self.directory, CLEANING), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return 0
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno in (errno.EAGAIN, errno.EACCES):
                    return 0
            return self._clean(max(self._quota // 2 - room, 0))
        finally:
            os.close(descriptor)

    def _clean(self, goal: int) -> int:
        files = sorted(self._files())
        total = before = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total <= goal:
                break
            with suppress(OSError):
                os.unlink(path)
                total -= size
        self._sweep()
        with suppress(OSError):
            descriptor = os.open(os.path.join(self.directory, USAGE), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(descriptor, _COUNT.pack(total), 0)
            os.close(descriptor)
        return before - total

    def _sweep(self) -> None:
        """Take away what dead processes were writing."""
        place = os.path.join(self.directory, TRANSACTIONS)
        for name in _names(place):
            path = os.path.join(place, name)
            with suppress(OSError):
                pid = name.partition(".")[0]
                is_dead = pid.isdigit() and not os.path.exists(f"/proc/{pid}")
                if is_dead or os.lstat(path).st_mtime < time.time() - STALE:
                    os.unlink(path)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _unusable(directory: str, error: OSError) -> HostError:
    if error.errno in _FULL:
        return NoSpace(f"the cache {directory} is full: {error.strerror}", "make room, or set SAMPAN_CVMFS_CACHE to another disk")
    return HostError(
        f"the cache {directory} cannot be used: {error.strerror}", "set SAMPAN_CVMFS_CACHE to a directory of your own"
    )
