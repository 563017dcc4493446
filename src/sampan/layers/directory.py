"""The sink that makes a directory follow a merge, at once, by descriptors.

Theory of operation. Operations name resolved parents (`merge.py`), so a parent is opened with no link followed at all;
descriptors of the last parents are kept and dropped when a directory goes. Files are made with O_EXCL and get their mode
and time through their descriptor. Directories are 0700 while layers are applied; `finish` gives them mode and time, by
descriptors again, when nothing more will be made in them. On disk nothing is setuid and the owner can read everything,
else it could neither be linked, checked nor removed (docs/design/store.md); devices and sockets are in the index alone.
"""

from __future__ import annotations

import errno
import os
from hashlib import sha256

from sampan.errors import NoSpace, SampanError, StoreError, printable
from sampan.layers import beneath, merge
from sampan.layers.entry import DIRECTORY
from sampan.layers.ondisk import NEW_FILE, NOT_ON_DISK, finish_file, link_or_copy, make_fifo, make_symlink
from sampan.layers.removal import remove

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from hashlib import _Hash

    from sampan.layers.index import Index
    from sampan.layers.merge import Operation

MAX_PARENTS = 256
_ZEROS = bytes(1 << 20)


class DirectorySink:
    """Carries operations out below one directory. Close it when done."""

    def __init__(self, root: int, shown: str) -> None:
        """`root` is a descriptor of an own, empty directory, which is duplicated; `shown` its path for sentences."""
        self._root = os.dup(root)
        self._shown = shown
        self._parents: dict[bytes, int] = {b"": self._root}
        self._last: tuple[bytes, int] = (b"", self._root)
        _, self._open = beneath.openers()
        self._actions = {
            merge.REMOVE: self._remove,
            merge.MAKE_DIRECTORY: self._make_directory,
            merge.MAKE_SYMLINK: self._make_symlink,
            merge.MAKE_LINK: self._make_link,
            merge.MAKE_FIFO: self._make_fifo,
        }
        self.written = 0
        self.files = 0

    def perform(self, operation: Operation) -> None:
        """Carry out one operation but WRITE. Raises OSError."""
        action = self._actions.get(operation.action)
        if action is not None:
            action(operation)

    def write(self, operation: Operation, body: Iterable[tuple[int, memoryview]]) -> bytes:
        """Carry out a WRITE with the file's data, holes left out; the sha256 of its content. Raises OSError."""
        node = operation.node
        descriptor = os.open(operation.name, NEW_FILE, 0o600, dir_fd=self._parent(operation.parent))
        try:
            content = sha256()
            end = 0
            for offset, view in body:
                if offset > end:
                    _hash_hole(content, offset - end)
                    os.lseek(descriptor, offset, os.SEEK_SET)
                content.update(view)
                count = os.write(descriptor, view)
                while count < len(view):
                    count += os.write(descriptor, view[count:])
                end = offset + len(view)
            if end < node.size:
                _hash_hole(content, node.size - end)
                os.ftruncate(descriptor, node.size)
            finish_file(descriptor, node)
        finally:
            os.close(descriptor)
        self.written += node.size
        self.files += 1
        return content.digest()

    def finish(self, index: Index) -> None:
        """Give all directories their mode, times and attributes. Raises OSError."""
        for path, node in index.walk():
            if node.kind == DIRECTORY:
                descriptor = self._open(self._root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    finish_file(descriptor, node)
                finally:
                    os.close(descriptor)
        descriptor = os.open(b".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._root)
        try:
            finish_file(descriptor, index.root)
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close all descriptors."""
        for descriptor in self._parents.values():
            os.close(descriptor)
        self._parents.clear()

    # Operations

    def _remove(self, operation: Operation) -> None:
        kind = operation.node.kind
        if kind == DIRECTORY:
            self._forget(operation.path)
            remove(self._parent(operation.parent), operation.name)
        elif kind not in NOT_ON_DISK:
            os.unlink(operation.name, dir_fd=self._parent(operation.parent))

    def _make_directory(self, operation: Operation) -> None:
        os.mkdir(operation.name, 0o700, dir_fd=self._parent(operation.parent))
        self.files += 1

    def _make_symlink(self, operation: Operation) -> None:
        make_symlink(self._parent(operation.parent), operation.name, operation.node)
        self.files += 1

    def _make_fifo(self, operation: Operation) -> None:
        make_fifo(self._parent(operation.parent), operation.name, operation.node)
        self.files += 1

    def _make_link(self, operation: Operation) -> None:
        node = operation.node
        if node.kind in NOT_ON_DISK:
            return
        above, name = operation.source
        # The second look-up may close the first descriptor: the parents kept are few.
        source = os.dup(self._parent(above))
        try:
            link_or_copy(source, name, self._parent(operation.parent), operation.name, node)
        finally:
            os.close(source)
        self.files += 1

    # Parents

    def _parent(self, path: bytes) -> int:
        if path == self._last[0]:
            return self._last[1]
        descriptor = self._parents.pop(path, -1)
        if descriptor < 0:
            descriptor = self._open(self._root, path, os.O_PATH | os.O_DIRECTORY)
            if len(self._parents) >= MAX_PARENTS:
                oldest = next(kept for kept in self._parents if kept)
                os.close(self._parents.pop(oldest))
        self._parents[path] = descriptor  # last in the dict: most recently used
        self._last = (path, descriptor)
        return descriptor

    def _forget(self, path: bytes) -> None:
        """Drop the descriptors of a directory that goes, and of all below it."""
        below = path + b"/"
        for kept in [kept for kept in self._parents if kept == path or kept.startswith(below)]:
            os.close(self._parents.pop(kept))
        self._last = (b"", self._root)

    # Errors

    def explain(self, error: OSError) -> SampanError:
        """The error as a person should read it."""
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return no_space(self._root, self._shown, self.written, self.files)
        name = error.filename if isinstance(error.filename, (bytes, str)) else ""
        if error.errno == errno.EEXIST:
            return StoreError(
                f"the file system of {self._shown} takes two names of the image for one: {printable(name)!r}",
                "choose another place with SAMPAN_HOME: one whose file system tells upper from lower case",
            )
        return StoreError(f"cannot write {printable(name) or 'a file'} below {self._shown}: {error.strerror}")


def no_space(directory: int, shown: str, size: int, files: int) -> NoSpace:
    """`size` bytes in `files` were written below the directory when the disk or quota was full."""
    free = os.fstatvfs(directory)
    return NoSpace(
        f"no space left for {shown}: the image needs more than {size / 1e6:.0f} MB in {files} files, and "
        f"{free.f_bavail * free.f_frsize / 1e6:.0f} MB and {free.f_favail} files are left (or a quota is reached)",
        "remove images with `sampan rmi`, or choose another place with SAMPAN_HOME",
    )


def _hash_hole(content: _Hash, size: int) -> None:
    while size > 0:
        step = min(size, len(_ZEROS))
        content.update(_ZEROS if step == len(_ZEROS) else _ZEROS[:step])
        size -= step
