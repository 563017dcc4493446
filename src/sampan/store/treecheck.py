"""One tree against its index: types, modes, sizes, times, links and, if asked, contents."""

from __future__ import annotations

import os
import stat
from hashlib import sha256

from sampan.errors import printable
from sampan.layers import beneath
from sampan.layers.entry import DIRECTORY, FIFO, FILE, SYMLINK
from sampan.layers.merge import join
from sampan.layers.ondisk import NOT_ON_DISK, mode_on_disk
from sampan.store.build import read_index

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.events import Task
    from sampan.layers.index import Node
    from sampan.store.trees import Tree

_TYPES = {FILE: stat.S_IFREG, DIRECTORY: stat.S_IFDIR, SYMLINK: stat.S_IFLNK, FIFO: stat.S_IFIFO}
_LAST_TIME = 1 << 31  # some file systems know no time from here on, and none before 1970
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


class TreeCheck:
    """Checks trees one after the other; a file that several have is hashed once."""

    def __init__(self, contents: bool, task: Task, *, everyone: bool = False) -> None:
        """`everyone` is as for `ondisk.mode_on_disk`."""
        self._contents = contents
        self._task = task
        self._everyone = everyone
        self._hashed: dict[tuple[int, int], bytes] = {}
        self._nodes: dict[int, Node] = {}  # of the tree at hand, by inode
        _, self._open = beneath.openers()

    def faults(self, tree: Tree) -> Iterator[str]:
        """A sentence for each fault. Raises `CorruptRecord` if record or index cannot be read."""
        index = read_index(tree, every_word=True)
        try:
            root = os.open(tree.rootfs, _DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            yield f"{tree.rootfs} cannot be opened: {error.strerror}"
            return
        self._nodes = {}
        try:
            for path, fault in self._walk(root, index.root):
                yield f"{tree.rootfs}/{printable(path)} {fault}" if path else f"{tree.rootfs} {fault}"
        finally:
            os.close(root)

    def _walk(self, root: int, node: Node) -> Iterator[tuple[bytes, str]]:
        fault = self._difference(os.fstat(root), node)
        if fault:
            yield b"", fault
        pending = [(b"", node)]
        while pending:
            path, node = pending.pop()
            try:
                here = self._open(root, path or b".", _DIRECTORY)
            except OSError as error:
                yield path, f"cannot be opened: {error.strerror}"
                continue
            try:
                for name, fault in self._directory(here, node):
                    if fault:
                        yield join(path, name), fault
                    elif node.children[name].kind == DIRECTORY:
                        pending.append((join(path, name), node.children[name]))
            finally:
                os.close(here)

    def _directory(self, here: int, node: Node) -> Iterator[tuple[bytes, str]]:
        """Every name of one directory with its fault, empty if there is none."""
        on_disk = {os.fsencode(name) for name in os.listdir(here)}
        for name in sorted(on_disk - node.children.keys()):
            yield name, "is not in the index"
        for name in sorted(node.children):
            child = node.children[name]
            if child.kind in NOT_ON_DISK:
                if name in on_disk:
                    yield name, f"is there, but the index has a {child.kind} device or socket"
            elif name not in on_disk:
                yield name, "is missing"
            else:
                try:
                    yield name, self._name(here, name, child)
                except OSError as error:
                    yield name, f"cannot be read: {error.strerror}"

    def _name(self, here: int, name: bytes, node: Node) -> str:
        status = os.stat(name, dir_fd=here, follow_symlinks=False)
        fault = self._difference(status, node)
        if fault or node.kind == DIRECTORY:
            return fault
        if node.kind == SYMLINK and os.readlink(name, dir_fd=here) != node.target:
            return "leads elsewhere than the index says"
        if status.st_nlink > 1 and self._nodes.setdefault(status.st_ino, node) is not node:
            return "is linked with a name that the image has apart from it"
        if node.kind == FILE and self._contents and self._digest(here, name, status) != node.digest:
            return "has other content than the index says"
        return ""

    def _digest(self, here: int, name: bytes, status: os.stat_result) -> bytes:
        key = (status.st_dev, status.st_ino)
        known = self._hashed.get(key) if status.st_nlink > 1 else None
        if known is None:
            content = sha256()
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
            try:
                while piece := os.read(descriptor, 1 << 20):
                    content.update(piece)
            finally:
                os.close(descriptor)
            known = content.digest()
            self._task.advance(status.st_size)
            if status.st_nlink > 1:
                self._hashed[key] = known
        return known

    def _difference(self, status: os.stat_result, node: Node) -> str:
        """How what lies on the disk differs from the index by its inode alone; empty if it does not."""
        if stat.S_IFMT(status.st_mode) != _TYPES.get(node.kind):
            return f"is not the {node.kind} of the index"
        expected = mode_on_disk(node, everyone=self._everyone)
        if node.kind != SYMLINK and stat.S_IMODE(status.st_mode) != expected:
            return f"has mode {stat.S_IMODE(status.st_mode):04o} instead of {expected:04o}"
        if node.kind == FILE and status.st_size != node.size:
            return f"has {status.st_size} bytes instead of {node.size}"
        seconds = node.mtime // 1_000_000_000
        # Up to two seconds is how coarse a file system may be.
        if node.kind != SYMLINK and 0 <= seconds < _LAST_TIME and abs(int(status.st_mtime) - seconds) > 2:
            return "was changed after it was unpacked"
        return ""
