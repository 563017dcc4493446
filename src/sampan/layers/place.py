"""The sink that puts the entries of an archive into a directory that has things in it, for `cp`: by descriptors, beneath.

Every name is resolved from the directory given, and no link on the way is followed: one that stands where the archive has a
directory is refused, as is a file there; a directory is never replaced by a file. What is replaced gets the new content by one
rename, so no reader sees half a file. Directories get mode and time when nothing more comes into them.

Parents that the archive lacks are made. Entries whose kind only root can make are counted and left out, unless owners are
noted: then a device becomes an empty file with a note (`recorded.py`).
"""

from __future__ import annotations

import errno
import os
import stat

from sampan.errors import UsageError, printable
from sampan.layers import recorded
from sampan.layers.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Entry, clean
from sampan.layers.pack import is_users

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sampan.layers.recorded import Owner

    Content = Iterable[tuple[int, memoryview]]

_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
NOTE, CHANGE, NEITHER = "note", "change", "neither"


class Manner:
    """What becomes of owners and modes.

    `owners` is `note` (as an attribute), `change` (chown) or `neither`; `owner_of` says whose an entry is to be; `mode` are the bits of
    a mode that are kept.
    """

    __slots__ = ("mode", "owner_of", "owners")

    def __init__(self, owners: str, owner_of: Callable[[Entry], Owner], mode: int = 0o7777) -> None:
        self.owners = owners
        self.owner_of = owner_of
        self.mode = mode


class Placing:
    """Puts entries below a directory; `finish` it at the end. `left_out` counts what could not be made, `unowned` whose owner not."""

    def __init__(self, directory: int, manner: Manner) -> None:
        """`directory` is duplicated."""
        self._root = os.dup(directory)
        self._manner = manner
        self._last: tuple[bytes, int] = (b"", self._root)
        self._directories: dict[bytes, Entry] = {}
        self._number = 0
        self.left_out = 0
        self.unowned = 0

    def add(self, path: bytes, entry: Entry, body: Content, source: bytes = b"") -> None:
        """Put the entry at `path`; `source` is the path of what a hard link leads to. Raises OSError, `UsageError`, `LayerError`."""
        path = clean(path)
        if not path:
            self._top(entry)
            return
        above, _, name = path.rpartition(b"/")
        parent = self._parent(above)
        if entry.kind == DIRECTORY:
            self._directory(parent, name, path, entry)
        elif not self._is_free_of_directory(parent, name):
            raise UsageError(f"{printable(path)} is a directory there and no directory here, and is not replaced")
        elif entry.kind in (CHAR, BLOCK) and self._manner.owners != NOTE:
            self.left_out += 1
        elif entry.kind == HARD_LINK:
            self._link(parent, name, clean(source))
        elif entry.kind == SYMLINK:
            self._symlink(parent, name, entry)
        elif entry.kind == FIFO:
            self._made(parent, name, entry, lambda temporary: os.mkfifo(temporary, 0o600, dir_fd=parent))
        else:
            self._file(parent, name, entry, body)

    def finish(self) -> None:
        """Give the directories their modes and times, the deepest first."""
        for path in sorted(self._directories, reverse=True):
            descriptor = self._parent(path)
            self._attributes(descriptor, self._directories[path])
        self.close()

    def close(self) -> None:
        """Close the descriptors."""
        for descriptor in {self._last[1], self._root}:
            if descriptor >= 0:
                os.close(descriptor)
        self._last, self._root = (b"", -1), -1

    # Kinds

    def _top(self, entry: Entry) -> None:
        if entry.kind != DIRECTORY:
            raise UsageError("the archive has no directory where one is wanted")
        self._directories[b""] = entry

    def _directory(self, parent: int, name: bytes, path: bytes, entry: Entry) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise UsageError(f"{printable(path)} is no directory there, and is not replaced by one") from None
        self._directories[path] = entry

    def _file(self, parent: int, name: bytes, entry: Entry, body: Content) -> None:
        temporary = self._temporary()
        descriptor = os.open(temporary, _NEW, 0o600, dir_fd=parent)
        try:
            for offset, view in body:
                while view:
                    count = os.pwrite(descriptor, view, offset)
                    view, offset = view[count:], offset + count  # noqa: PLW2901 - what is left of it
            if entry.kind == FILE:
                os.ftruncate(descriptor, entry.size)
            self._attributes(descriptor, entry)
            os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            os.unlink(temporary, dir_fd=parent)
            raise
        finally:
            os.close(descriptor)

    def _symlink(self, parent: int, name: bytes, entry: Entry) -> None:
        temporary = self._temporary()
        os.symlink(entry.target, temporary, dir_fd=parent)
        if self._manner.owners == CHANGE:
            self._change_owner(temporary, entry, parent)
        os.utime(temporary, ns=(entry.mtime, entry.mtime), dir_fd=parent, follow_symlinks=False)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)

    def _made(self, parent: int, name: bytes, entry: Entry, make: Callable[[bytes], None]) -> None:
        temporary = self._temporary()
        make(temporary)
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            self._attributes(descriptor, entry)
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)

    def _link(self, parent: int, name: bytes, source: bytes) -> None:
        here = os.dup(parent)  # the look-up below may close the parent
        try:
            above, _, last = source.rpartition(b"/")
            temporary = self._temporary()
            os.link(last, temporary, src_dir_fd=self._parent(above), dst_dir_fd=here, follow_symlinks=False)
            os.rename(temporary, name, src_dir_fd=here, dst_dir_fd=here)
            # Two names of one inode: then rename does nothing.
            try:
                os.unlink(temporary, dir_fd=here)
            except FileNotFoundError:
                pass
        finally:
            os.close(here)

    # Attributes

    def _attributes(self, descriptor: int, entry: Entry) -> None:
        if self._manner.owners == CHANGE:
            self._change_owner(descriptor, entry)
        elif self._manner.owners == NOTE:
            self.unowned += not recorded.note_owner(descriptor, self._manner.owner_of(entry))
            if entry.kind in (CHAR, BLOCK):
                words = b"%b %d %d" % (b"c" if entry.kind == CHAR else b"b", *entry.device)
                os.setxattr(descriptor, recorded.DEVICE, words)
        for name, value in entry.xattrs:
            if is_users(name):
                try:
                    os.setxattr(descriptor, name, value)
                except OSError:
                    break  # the file system has none, or no room for them
        os.fchmod(descriptor, entry.mode & self._manner.mode)
        os.utime(descriptor, ns=(entry.mtime, entry.mtime))

    def _change_owner(self, target: int | bytes, entry: Entry, parent: int | None = None) -> None:
        uid, gid = self._manner.owner_of(entry)
        try:
            if isinstance(target, int):
                os.fchown(target, uid, gid)
            else:
                os.chown(target, uid, gid, dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EINVAL):
                raise
            self.unowned += 1

    # Names

    def _temporary(self) -> bytes:
        self._number += 1
        return b".sampan-%d-%d" % (os.getpid(), self._number)

    @staticmethod
    def _is_free_of_directory(parent: int, name: bytes) -> bool:
        try:
            return not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
        except FileNotFoundError:
            return True

    def _parent(self, path: bytes) -> int:
        """The directory of a path, made where it is missing; kept open until another is asked for."""
        if path == self._last[0]:
            return self._last[1]
        here = self._root
        for name in path.split(b"/") if path else ():
            try:
                below = os.open(name, _STEP, dir_fd=here)
            except FileNotFoundError:
                os.mkdir(name, 0o755, dir_fd=here)
                below = os.open(name, _STEP, dir_fd=here)
            except OSError as error:
                if error.errno in (errno.ENOTDIR, errno.ELOOP):
                    raise UsageError(f"{printable(name)} is no directory there, and is not replaced by one") from None
                raise
            finally:
                if here != self._root:
                    os.close(here)
            here = below
        if self._last[1] != self._root:
            os.close(self._last[1])
        self._last = (path, here)
        return here
