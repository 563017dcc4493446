"""Copy directories with all that is in them: modes, times, links, attributes; blocks are shared where the file system can.

For a private copy of a tree where no overlay works, and for moving a store. Everything goes by descriptors of the
directories on the way, so no link is followed and no path is too long. Hard links between the directories that one `Copying`
copies stay hard links. Devices are the business of root; only overlayfs's whiteouts (0:0) can be made by anyone.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from sampan.events import Task
from sampan.layers.ondisk import NEW_FILE, NO_LINK, copy_content

_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAX_DEPTH = 400  # directories open at once, two descriptors each; an image has at most 256
_LOST = (*NO_LINK, errno.ENOENT, errno.ENAMETOOLONG)


def copy_tree(source: str, target: str) -> None:
    """Make the directory `target` a copy of the directory `source`. Raises OSError."""
    above, _, name = target.rpartition("/")
    base = os.open(above or "/", _STEP)
    try:
        Copying(base, Task()).directory(source, os.fsencode(name))
    finally:
        os.close(base)


class Copying:
    """Copies directories below one `base` (a descriptor), one after the other; `task` is told the bytes."""

    def __init__(self, base: int, task: Task) -> None:
        self._base = base
        self._task = task
        # inode of a source -> where its first copy is (number of the directory, path in it), and how many names are to come
        self._first: dict[tuple[int, int], tuple[int, bytes, int]] = {}
        self._places: list[bytes] = []

    def directory(self, source: str, name: bytes) -> None:
        """Copy the directory `source` to the new `name` below the base. Raises OSError."""
        self._walk(source, name, is_there=False)

    def found(self, source: str, name: bytes) -> None:
        """An earlier run copied `source` to `name`, so that later copies can have links to it. Raises OSError."""
        self._walk(source, name, is_there=True)

    def moved(self, name: bytes) -> None:
        """What was copied last has this name now."""
        self._places[-1] = name

    def _walk(self, source: str, name: bytes, *, is_there: bool) -> None:
        self._places.append(name)
        top = os.open(source, _STEP)
        try:
            if not is_there:
                os.mkdir(name, 0o700, dir_fd=self._base)
            stack = [_Level(top, os.open(name, _STEP, dir_fd=self._base), b"", os.fstat(top))]
        except BaseException:
            os.close(top)
            raise
        try:
            while stack:
                child = self._fill(stack[-1], is_there=is_there)
                if child is not None:
                    stack.append(child)
                    if len(stack) > _MAX_DEPTH:
                        raise OSError(errno.ENAMETOOLONG, "too many directories inside each other", child.path)
                else:
                    level = stack.pop()
                    if not is_there:
                        _attributes(level.source, level.target, level.status)
                    level.close()
        finally:
            for level in stack:
                level.close()

    def _fill(self, level: _Level, *, is_there: bool) -> _Level | None:
        """Copy files up to the next directory, which is made and opened; `None` at the end."""
        while level.names:
            name = os.fsencode(level.names.pop())
            status = os.stat(name, dir_fd=level.source, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if not is_there:
                    os.mkdir(name, 0o700, dir_fd=level.target)
                source = _opened(level.source, name, _STEP, status)
                try:
                    return _Level(source, os.open(name, _STEP, dir_fd=level.target), level.path + name + b"/", status)
                except OSError:
                    os.close(source)
                    raise
            if status.st_nlink > 1:
                self._linked(level, name, status, is_there=is_there)
            elif not is_there:
                self._file(level, name, status)
        return None

    def _linked(self, level: _Level, name: bytes, status: os.stat_result, *, is_there: bool) -> None:
        """One of several names of an inode: a link to its first copy, else that first copy."""
        key = (status.st_dev, status.st_ino)
        place, path, left = self._first.pop(key, (-1, b"", status.st_nlink))
        if not is_there and (place < 0 or not self._link(place, path, level, name)):
            self._file(level, name, status)
            place = -1
        if place < 0:
            place, path = len(self._places) - 1, level.path + name
        if left > 1:
            self._first[key] = (place, path, left - 1)

    def _link(self, place: int, path: bytes, level: _Level, name: bytes) -> bool:
        try:
            os.link(
                self._places[place] + b"/" + path, name, src_dir_fd=self._base, dst_dir_fd=level.target, follow_symlinks=False
            )
        except OSError as error:
            if error.errno not in _LOST:
                raise
            return False
        return True

    def _file(self, level: _Level, name: bytes, status: os.stat_result) -> None:
        kind = stat.S_IFMT(status.st_mode)
        if kind == stat.S_IFLNK:
            os.symlink(os.readlink(name, dir_fd=level.source), name, dir_fd=level.target)
            os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=level.target, follow_symlinks=False)
            return
        if kind == stat.S_IFREG:
            reading = _opened(level.source, name, _READ, status)
            try:
                writing = os.open(name, NEW_FILE, 0o600, dir_fd=level.target)
                try:
                    copy_content(reading, writing, status.st_size)
                    _attributes(reading, writing, status)
                finally:
                    os.close(writing)
            finally:
                os.close(reading)
            self._task.advance(status.st_size)
        elif kind == stat.S_IFCHR:
            os.mknod(name, kind, status.st_rdev, dir_fd=level.target)
        elif kind == stat.S_IFIFO:
            os.mkfifo(name, stat.S_IMODE(status.st_mode), dir_fd=level.target)
            os.chmod(name, stat.S_IMODE(status.st_mode), dir_fd=level.target)
            os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=level.target)
        elif kind != stat.S_IFSOCK:  # a socket without the process that listened is nothing
            raise OSError(errno.EPERM, "only root can copy a device", os.fsdecode(level.path + name))


class _Level:
    """A directory on the way, in the source and in the copy."""

    __slots__ = ("names", "path", "source", "status", "target")

    def __init__(self, source: int, target: int, path: bytes, status: os.stat_result) -> None:
        self.source = source
        self.target = target
        self.path = path
        self.status = status
        self.names = sorted(os.listdir(source), reverse=True)

    def close(self) -> None:
        """Close both descriptors, and lock the source again if it was."""
        mode = stat.S_IMODE(self.status.st_mode)
        if mode & stat.S_IRWXU != stat.S_IRWXU and self.status.st_uid == os.geteuid():
            os.fchmod(self.source, mode)
        os.close(self.source)
        os.close(self.target)


def _opened(parent: int, name: bytes, flags: int, status: os.stat_result) -> int:
    """Open it, also where a payload took its owner's permission away: given back until `_Level.close`, or for this moment."""
    try:
        if status.st_mode & stat.S_IXUSR or not stat.S_ISDIR(status.st_mode):
            return os.open(name, flags, dir_fd=parent)
    except PermissionError:
        pass
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fsdecode(name))
    mode = stat.S_IMODE(status.st_mode)
    handle = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        # An O_PATH descriptor cannot fchmod; its magic link names the very inode, and is no link of a tree.
        os.chmod(f"/proc/self/fd/{handle}", mode | stat.S_IRWXU)
        try:
            return os.open(name, flags, dir_fd=parent)
        finally:
            if not stat.S_ISDIR(status.st_mode):
                os.chmod(f"/proc/self/fd/{handle}", mode)
    finally:
        os.close(handle)


def _attributes(source: int, target: int, status: os.stat_result) -> None:
    """Give a copy what its source has: extended attributes where both file systems have them, mode and times."""
    with suppress(OSError):
        for name in os.listxattr(source):
            with suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
