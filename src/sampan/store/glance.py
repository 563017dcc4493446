"""Whether a tree is as its index says, at a glance: one pass over the lines, a stat a name, no values made.

It only ever says yes or "look closer" (`treecheck.py`, four times as slow): what is unusual in a line counts as the latter. All
is text here, for the index is ASCII, and directory listings come as text.
"""

from __future__ import annotations

import os
import stat
from hashlib import sha256

from sampan.layers.entry import BLOCK, CHAR, SOCKET
from sampan.layers.mtree import DEFAULTS, FIRST_LINE, plain
from sampan.store import trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.store.trees import Tree

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TYPES = {"file": stat.S_IFREG, "dir": stat.S_IFDIR, "link": stat.S_IFLNK, "fifo": stat.S_IFIFO}
_NOT_ON_DISK = (BLOCK, CHAR, SOCKET)
_MAX_OPEN = 200


class _Unclear(Exception):
    """Never leaves this module."""


def is_clean(tree: Tree, *, everyone: bool) -> bool:
    """Whether the tree certainly has no fault but in contents. Raises `CorruptRecord` for its record."""
    expected = trees.facts(tree).index
    try:
        with open(tree.index, "rb") as stream:
            data = stream.read()
        if f"sha256:{sha256(data).hexdigest()}" != expected or not data.startswith(FIRST_LINE + DEFAULTS):
            return False
        glance = _Glance(tree.rootfs, everyone=everyone)
        try:
            glance.lines(data.decode("ascii").split("\n")[2:-1])
            return glance.is_complete()
        finally:
            glance.close()
    except (OSError, ValueError, IndexError, KeyError, _Unclear):
        return False


class _Glance:
    """One walk. The directory at hand and those above it are open, with the names in them that are still to come."""

    def __init__(self, root: str, *, everyone: bool) -> None:
        self._root = root
        self._dir_bits, self._file_bits = (0o755, 0o444) if everyone else (0o700, 0o400)
        self._heads: dict[str, tuple[str, int]] = {}
        self._open: list[tuple[str, int, dict[str, os.DirEntry[str]]]] = []
        self._inodes: dict[int, str] = {}  # of files with several names -> the group in this tree, or the one name
        self._last_inode = 0

    def lines(self, lines: list[str]) -> None:
        """Look at every name. Raises `_Unclear` and others at the first that differs."""
        for line in lines:
            if line[0] == "#":
                if line.startswith("#inode ") and self._last_inode:
                    self._same_group(line)
                continue
            shown, _, words = line.partition(" ")
            head, _, tail = words.partition("time=")
            kind, mode = self._heads.get(head) or self._head(head)
            if shown == ".":
                self._enter(".", self._root, None)
                _check(os.fstat(self._open[0][1]), mode, tail)
                continue
            above, _, name = shown.rpartition("/")
            while self._open[-1][0] != above:
                self._leave()
            if "\\" in name:
                name = os.fsdecode(plain(name.encode("ascii")))
            entries = self._open[-1][2]
            if kind in _NOT_ON_DISK:
                continue
            status = entries.pop(name).stat(follow_symlinks=False)
            if kind == "file":
                self._file(status, mode, tail)
            elif kind == "dir":
                _check(status, mode, tail)
                self._enter(shown, name, self._open[-1][1])
                continue
            elif kind == "link":
                self._link(status, name, words)
            else:
                _check(status, mode, tail)
            self._last_inode = 0
            if status.st_nlink > 1 or " nlink=" in tail:
                self._linked(status, tail, shown)

    def _head(self, head: str) -> tuple[str, int]:
        """Type, and what st_mode must be, out of the words before the time."""
        values = dict(word.split("=", 1) for word in head.split())
        kind = values.pop("type", "file")
        bits = int(values.pop("mode", "0644"), 8) & 0o755 | (self._dir_bits if kind == "dir" else self._file_bits)
        found = self._heads[head] = (kind, _TYPES.get(kind, 0) | bits)
        return found

    @staticmethod
    def _file(status: os.stat_result, mode: int, tail: str) -> None:
        at = tail.index(" size=") + 6
        if status.st_mode != mode or status.st_size != int(tail[at : tail.index(" ", at)]):
            raise _Unclear
        if status[8] != int(tail[: tail.index(".")]):
            raise _Unclear

    def _linked(self, status: os.stat_result, tail: str, shown: str) -> None:
        """One of several names of an inode: those of this tree are one group, which the next line says, or it is the only one."""
        if " nlink=" not in tail:
            if self._inodes.setdefault(status.st_ino, shown) is not shown:
                raise _Unclear
        elif status.st_nlink == 1:
            raise _Unclear  # copies, where a file system has no links
        else:
            self._last_inode = status.st_ino

    def _same_group(self, line: str) -> None:
        if self._inodes.setdefault(self._last_inode, line) != line:
            raise _Unclear

    def _link(self, status: os.stat_result, name: str, words: str) -> None:
        target = words[words.index(" link=") + 6 :].partition(" ")[0]
        if "\\" in target:
            target = os.fsdecode(plain(target.encode("ascii")))
        if not stat.S_ISLNK(status.st_mode) or os.readlink(name, dir_fd=self._open[-1][1]) != target:
            raise _Unclear

    def _enter(self, shown: str, name: str, parent: int | None) -> None:
        if len(self._open) >= _MAX_OPEN:
            raise _Unclear
        descriptor = os.open(name, _DIRECTORY, dir_fd=parent)
        self._open.append((shown, descriptor, {}))
        with os.scandir(descriptor) as entries:
            self._open[-1][2].update((entry.name, entry) for entry in entries)

    def _leave(self) -> None:
        _, descriptor, left = self._open.pop()
        os.close(descriptor)
        if left:
            raise _Unclear

    def is_complete(self) -> bool:
        """Whether every name on the disk was in the index."""
        while self._open:
            self._leave()
        return True

    def close(self) -> None:
        """Close what is open after a fault."""
        for _, descriptor, _ in self._open:
            os.close(descriptor)
        self._open.clear()


def _check(status: os.stat_result, mode: int, tail: str) -> None:
    if status.st_mode != mode or status[8] != int(tail[: tail.index(".")]):
        raise _Unclear
