"""How much room the store takes: each inode once, so that files shared by trees count where they are first seen."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.store.layout import Store

PARTS = ("blobs", "trees", "containers", "programs", "names", "pins", "tmp")


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


def tree_sizes(store: Store) -> dict[str, tuple[int, int]]:
    """Directory name of each tree -> bytes of disk it takes in all, and bytes that its removal would free."""
    found: dict[str, list[int]] = {}
    counted: dict[tuple[int, int], tuple[int, int, set[str]]] = {}
    base = store.join("trees")
    for name in sorted(os.listdir(base)) if os.path.isdir(base) else ():
        sizes = found.setdefault(name, [0, 0])
        _add_tree(f"{base}/{name}", name, sizes, counted)
    for size, links, owners in counted.values():
        for name in owners:
            found[name][0] += size
        if len(owners) == 1 and links <= 0:
            found[next(iter(owners))][1] += size
    return {name: (sizes[0], sizes[1]) for name, sizes in found.items()}


def _add_tree(path: str, name: str, sizes: list[int], counted: dict[tuple[int, int], tuple[int, int, set[str]]]) -> None:
    pending = [path]
    while pending:
        with os.scandir(pending.pop()) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                size = status.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                if status.st_nlink == 1 or entry.is_dir(follow_symlinks=False):
                    sizes[0] += size
                    sizes[1] += size
                else:
                    key = (status.st_dev, status.st_ino)
                    _, left, owners = counted.get(key, (size, status.st_nlink, set()))
                    owners.add(name)
                    counted[key] = (size, left - 1, owners)


def _count(path: str, name: str) -> int:
    try:
        found = (
            sum(len(os.listdir(f"{path}/{inner}")) for inner in os.listdir(path)) if name == "blobs" else len(os.listdir(path))
        )
    except OSError:
        return 0
    return found - (name == "containers" and os.path.isdir(f"{path}/names"))
