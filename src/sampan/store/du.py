"""How much room the store takes: each inode once, so that files shared by trees count where they are first seen."""

from __future__ import annotations

import os

from sampan.store import trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.store.layout import Store

PARTS = ("blobs", "trees", "containers", "programs", "names", "pins", "applications", "tmp")


class Part:
    """One part of the store. `size` is bytes of disk (blocks), `files` inodes."""

    __slots__ = ("count", "files", "name", "size")

    def __init__(self, name: str, count: int, files: int, size: int) -> None:
        """`count` is of blobs, trees, containers, ...: the things of this part."""
        self.name = name
        self.count = count
        self.files = files
        self.size = size


class _Walk:
    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        self.files = 0
        self.size = 0

    def add(self, path: str) -> None:
        """Count everything at and below `path` that was not counted before."""
        pending = [path]
        while pending:
            here = pending.pop()
            try:
                with os.scandir(here) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                        self._count(entry.stat(follow_symlinks=False))
            except OSError:
                continue  # removed meanwhile, or locked by a payload with other ids

    def _count(self, status: os.stat_result) -> None:
        if status.st_nlink > 1:
            key = (status.st_dev, status.st_ino)
            if key in self._seen:
                return
            self._seen.add(key)
        self.files += 1
        self.size += status.st_blocks * 512


def total(store: Store) -> int:
    """The bytes of disk that the whole store takes."""
    return sum(part.size for part in usage(store))


def size_of(path: str) -> int:
    """Bytes of disk of a directory and all in it."""
    walk = _Walk()
    walk.add(path)
    return walk.size


def usage(store: Store) -> list[Part]:
    """The parts of the store in the order of the design page."""
    walk = _Walk()
    parts = []
    for name in PARTS:
        files, size = walk.files, walk.size
        path = store.join("blobs/blobs") if name == "blobs" else store.join(name)
        walk.add(store.join(name))
        parts.append(Part(name, _count(path, name), walk.files - files, walk.size - size))
    return parts


class TreeSizes:
    """What trees take and what is freed when one goes, given that they share files."""

    def __init__(self, store: Store) -> None:
        self._own: dict[str, int] = {}
        # inode -> size, names it has outside of the trees that are left, and these
        self._shared: dict[tuple[int, int], tuple[int, int, set[str]]] = {}
        for name in trees.names(store):
            self._own[name] = 0
            self._add(store.join("trees", name), name)

    def _add(self, path: str, name: str) -> None:
        pending = [path]
        while pending:
            try:
                with os.scandir(pending.pop()) as entries:
                    for entry in entries:
                        status = entry.stat(follow_symlinks=False)
                        size = status.st_blocks * 512
                        is_directory = entry.is_dir(follow_symlinks=False)
                        if is_directory:
                            pending.append(entry.path)
                        if is_directory or status.st_nlink == 1:
                            self._own[name] += size
                        else:
                            key = (status.st_dev, status.st_ino)
                            _, left, owners = self._shared.get(key, (size, status.st_nlink, set()))
                            owners.add(name)
                            self._shared[key] = (size, left - 1, owners)
            except OSError:
                continue  # collected meanwhile

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Directory name of each tree -> bytes of disk it takes in all, and bytes that its removal would free."""
        found = {name: [own, own] for name, own in self._own.items()}
        for size, left, owners in self._shared.values():
            for name in owners:
                found[name][0] += size
            if len(owners) == 1 and left <= 0:
                found[next(iter(owners))][1] += size
        return {name: (both[0], both[1]) for name, both in found.items()}

    def remove(self, name: str) -> int:
        """The tree is gone; the bytes that this freed."""
        freed = self._own.pop(name, 0)
        gone = []
        for key, (size, left, owners) in self._shared.items():
            if name in owners:
                owners.remove(name)
                if not owners:
                    gone.append(key)
                    freed += size if left <= 0 else 0
        for key in gone:
            del self._shared[key]
        return freed


def _count(path: str, name: str) -> int:
    try:
        found = (
            sum(len(os.listdir(f"{path}/{inner}")) for inner in os.listdir(path)) if name == "blobs" else len(os.listdir(path))
        )
    except OSError:
        return 0
    return found - (name == "containers" and os.path.isdir(f"{path}/names"))
