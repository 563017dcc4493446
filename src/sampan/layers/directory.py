"""The sink that makes a directory follow a merge, at once, by descriptors.

Theory of operation. Operations name resolved parents (`merge.py`), so a parent is opened with no link followed at all;
descriptors of the last parents are kept and dropped when a directory goes. Files are made with O_EXCL and get their mode
and time through their descriptor. Directories are 0700 while layers are applied; `finish` gives them mode and time, by
descriptors again, when nothing more will be made in them. On disk nothing is setuid and the owner can read everything,
else it could neither be linked, checked nor removed (docs/design/store.md); devices and sockets are in the index alone.

Where the store can link equal files of other trees, the content decides, so a file of some size is hashed before it is written;
one too large to be held meanwhile is written first and replaced then.
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
    from collections.abc import Callable, Iterable
    from hashlib import _Hash

    from sampan.layers.index import Index, Node
    from sampan.layers.merge import Operation

    Pieces = Iterable[tuple[int, memoryview]]
    LinkEqual = Callable[[Node, int, bytes], bool]

MAX_PARENTS = 256
MIN_EQUAL = 4096
"""Smaller files are never looked for elsewhere: a link costs as much, and there is a limit of links."""
MAX_HELD = 4 << 20
_ZEROS = bytes(1 << 20)


class DirectorySink:
    """Carries operations out below one directory. Close it when done."""

    def __init__(self, root: int, shown: str, *, everyone: bool = False, link_equal: LinkEqual | None = None) -> None:
        """`root` is a descriptor of an own, empty directory, which is duplicated; `shown` its path for sentences.

        `everyone` is as for `ondisk.mode_on_disk`. `link_equal(node, directory, name)` makes the name a link to a file with
        the content and attributes of the node, or says that it knows none.
        """
        self._root = os.dup(root)
        self._shown = shown
        self._everyone = everyone
        self._link_equal = link_equal
        self._touched: set[bytes] = set()  # directories that got or lost a name
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
            self._touched.add(operation.parent)
            action(operation)

    def write(self, operation: Operation, body: Pieces) -> None:
        """Carry out a WRITE with the file's data, holes left out, and give the node its digest. Raises OSError."""
        node = operation.node
        parent = self._parent(operation.parent)
        self._touched.add(operation.parent)
        self.files += 1
        if self._link_equal is None or node.size < MIN_EQUAL:
            self._new_file(node, parent, operation.name, body)
        elif node.size <= MAX_HELD:
            held = list(body)
            node.digest = _digest(node, held)
            if not self._link_equal(node, parent, operation.name):
                self._new_file(node, parent, operation.name, held)
        else:
            self._new_file(node, parent, operation.name, body)
            # A name that no image has: this directory is ours alone, and the name is random.
            name = b".sampan-" + os.urandom(8).hex().encode()
            if self._link_equal(node, parent, name):
                os.rename(name, operation.name, src_dir_fd=parent, dst_dir_fd=parent)

    def _new_file(self, node: Node, parent: int, name: bytes, body: Pieces) -> None:
        content = None if node.digest else sha256()
        descriptor = os.open(name, NEW_FILE, 0o600, dir_fd=parent)
        try:
            end = 0
            for offset, view in body:
                if offset > end:
                    os.lseek(descriptor, offset, os.SEEK_SET)
                if content is not None:
                    _hash_hole(content, offset - end)
                    content.update(view)
                count = os.write(descriptor, view)
                while count < len(view):
                    count += os.write(descriptor, view[count:])
                end = offset + len(view)
            if end < node.size:
                os.ftruncate(descriptor, node.size)
            finish_file(descriptor, node, everyone=self._everyone)
        finally:
            os.close(descriptor)
        if content is not None:
            _hash_hole(content, node.size - end)
            node.digest = content.digest()
        self.written += node.size

    def finish(self, index: Index) -> None:
        """Give directories their mode, times and attributes, but for those that are as `clone` made them. Raises OSError."""
        for path, node in index.walk():
            if node.kind == DIRECTORY and (node.is_new or path in self._touched):
                self._finish_directory(path, node)
        self._finish_directory(b".", index.root)

    def _finish_directory(self, path: bytes, node: Node) -> None:
        descriptor = self._open(self._root, path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            finish_file(descriptor, node, everyone=self._everyone)
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
        make_fifo(self._parent(operation.parent), operation.name, operation.node, everyone=self._everyone)
        self.files += 1

    def _make_link(self, operation: Operation) -> None:
        node = operation.node
        if node.kind in NOT_ON_DISK:
            return
        above, name = operation.source
        # The second look-up may close the first descriptor: the parents kept are few.
        source = os.dup(self._parent(above))
        try:
            link_or_copy(source, name, self._parent(operation.parent), operation.name, node, everyone=self._everyone)
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


def _digest(node: Node, body: Pieces) -> bytes:
    content = sha256()
    end = 0
    for offset, view in body:
        _hash_hole(content, offset - end)
        content.update(view)
        end = offset + len(view)
    _hash_hole(content, node.size - end)
    return content.digest()


def _hash_hole(content: _Hash, size: int) -> None:
    while size > 0:
        step = min(size, len(_ZEROS))
        content.update(_ZEROS if step == len(_ZEROS) else _ZEROS[:step])
        size -= step
