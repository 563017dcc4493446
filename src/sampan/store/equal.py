"""Find and link a file of another tree that equals one that is about to be written.

Theory of operation. The tables of the trees made last (`contents.py`) are read when the first file asks, and their keys put into
one set, so that a file without an equal costs one look-up. A key that is there leads to lines of indexes; content and
attributes are compared there, then what lies on the disk is looked at, and linked. Whatever is in the way (the tree is
collected meanwhile, the file has no link left, the file system has none), the answer is no, and the file is written.

No inode gets a second name in one tree, unless the image says so: inodes given out are remembered, those of the tree below are
looked up. That one content stands several times in an image only means that each takes another equal, if there are several.

The content of the file found is not read again: it is as good as every other file of the store, which `fsck --contents` checks.
"""

from __future__ import annotations

import errno
import os
import stat

from sampan.layers import beneath, mtree
from sampan.layers.ondisk import NO_LINK, mode_on_disk
from sampan.store import contents

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.layers.index import Node
    from sampan.store.layout import Store
    from sampan.store.trees import Tree

MAX_TREES = 64
MAX_KEYS = 200_000
"""What is read of the store before the first file is linked: some 20 MB of memory."""
_MAX_TRIES = 16
_LINE = 1024
_LONGEST_LINE = 4 * 4096 + 300


class Equals:
    """The equal files of one store, for one tree under construction above `base`. Close it when done."""

    def __init__(self, store: Store, base: Tree | None) -> None:
        self._store = store
        self._base = base.directory if base is not None else ""
        self._sources: list[_Source] = []
        self._keys: set[int] = set()
        self._is_loaded = False
        self._base_keys: set[int] = set()
        self._taken: set[tuple[int, int]] = set()
        self._is_off = False

    def link(self, node: Node, parent: int, name: bytes) -> bool:
        """Make `name` in the directory `parent` a link to a file that equals `node`; False if there is none."""
        if self._is_off or not contents.is_listed(node, node.size):
            return False
        if not self._is_loaded:
            self._load()
        words = mtree.attributes(node)
        key = contents.key_of(words)
        if key not in self._keys:
            return False
        if key not in self._base_keys:
            self._base_keys.add(key)
            self._taken.update(
                inode
                for source in self._sources
                if source.directory == self._base
                for _, _, inode in source.found(key, words, node)
            )
        return any(self._linked(found, parent, name) for found in self._candidates(key, words, node))

    def _candidates(self, key: int, words: bytes, node: Node) -> Iterator[tuple[int, bytes, tuple[int, int]]]:
        tries = 0
        for source in self._sources:
            for found in source.found(key, words, node):
                tries += 1
                if found[2] not in self._taken:
                    yield found
                if tries >= _MAX_TRIES or self._is_off:
                    return

    def _linked(self, found: tuple[int, bytes, tuple[int, int]], parent: int, name: bytes) -> bool:
        directory, source_name, inode = found
        try:
            os.link(source_name, name, src_dir_fd=directory, dst_dir_fd=parent, follow_symlinks=False)
        except OSError as error:
            if error.errno in NO_LINK and error.errno != errno.EMLINK:
                self._is_off = True
            elif error.errno not in (errno.EMLINK, errno.ENOENT, errno.ESTALE):
                raise
            return False
        self._taken.add(inode)
        return True

    def _load(self) -> None:
        self._is_loaded = True
        directories = _newest(self._store.join("trees"))[:MAX_TREES]
        if self._base:
            # First, and always: its inodes are in the new tree already.
            directories = [self._base, *(one for one in directories if one != self._base)]
        for directory in directories:
            source = _Source.opened(directory, everyone=self._store.is_shared())
            if source is not None:
                self._sources.append(source)
                self._keys.update(source.table.keys)
                if len(self._keys) > MAX_KEYS:
                    break

    def close(self) -> None:
        """Close the trees looked at."""
        for source in self._sources:
            source.close()
        self._sources.clear()
        self._is_off = True


class _Source:
    """One tree to link from."""

    def __init__(self, directory: str, table: contents.Table, index: int, root: int, *, everyone: bool) -> None:
        self.directory = directory
        self.table = table
        self._index = index
        self._root = root
        self._everyone = everyone
        self._open = beneath.openers()[1]
        self._last: tuple[bytes, int] = (b"", os.dup(root))

    @classmethod
    def opened(cls, directory: str, *, everyone: bool) -> _Source | None:
        """`None` if the tree has no table, or is gone."""
        table = contents.load(directory)
        if table is None:
            return None
        try:
            index = os.open(f"{directory}/index", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            root = os.open(f"{directory}/rootfs", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            os.close(index)
            return None
        return cls(directory, table, index, root, everyone=everyone)

    def found(self, key: int, words: bytes, node: Node) -> Iterator[tuple[int, bytes, tuple[int, int]]]:
        """The files with these words: directory, name and inode of each."""
        for offset in self.table.offsets(key)[:_MAX_TRIES]:
            try:
                path = self._path(offset, words)
                if path is None:
                    continue
                above, _, name = path.rpartition(b"/")
                directory = self._directory(above)
                status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            except OSError:
                continue
            if self._is_as_described(status, node):
                yield directory, name, (status.st_dev, status.st_ino)

    def _path(self, offset: int, words: bytes) -> bytes | None:
        """The path in the line at `offset`, if it is a file with these words but for owner, setuid and the like."""
        data = os.pread(self._index, _LINE, offset)
        if b"\n" not in data:
            data = os.pread(self._index, _LONGEST_LINE, offset)
        shown, _, rest = data.partition(b"\n")[0].partition(b" ")
        has = b" " + rest.partition(b" nlink=")[0]
        try:
            (mode, facts), (wanted, expected) = contents.split(has), contents.split(words)
        except ValueError:
            return None
        if facts != expected or (mode ^ wanted) & 0o355 or not shown.startswith(b"./"):
            return None
        return mtree.plain(shown[2:])

    def _directory(self, path: bytes) -> int:
        if path != self._last[0]:
            descriptor = self._open(self._root, path or b".", os.O_PATH | os.O_DIRECTORY)
            os.close(self._last[1])
            self._last = (path, descriptor)
        return self._last[1]

    def _is_as_described(self, status: os.stat_result, node: Node) -> bool:
        return (
            stat.S_ISREG(status.st_mode)
            and status.st_uid == os.geteuid()
            and status.st_size == node.size
            and stat.S_IMODE(status.st_mode) == mode_on_disk(node, everyone=self._everyone)
            and int(status.st_mtime) == node.mtime // 1_000_000_000
        )

    def close(self) -> None:
        """Close its descriptors."""
        os.close(self._last[1])
        os.close(self._root)
        os.close(self._index)


def _newest(base: str) -> list[str]:
    """The trees, the one made last first: what is like the image at hand was probably pulled not long ago."""
    found = []
    try:
        with os.scandir(base) as entries:
            for entry in entries:
                try:
                    found.append((entry.stat(follow_symlinks=False).st_mtime, entry.path))
                except OSError:
                    continue
    except OSError:
        return []
    return [path for _, path in sorted(found, reverse=True)]
