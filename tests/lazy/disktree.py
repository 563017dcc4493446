"""A directory of this machine as a tree for the FUSE server; run as a program, it is mounted until it is unmounted."""

from __future__ import annotations

import os
import sys
import time

from sampan.cvmfs.fuse import mounting
from sampan.cvmfs.fuse.server import Server
from sampan.cvmfs.fuse.tree import Item, WouldWait


class DiskTree:
    """`delay`: seconds that each first read of a file takes, as a network would."""

    def __init__(self, directory: str, delay: float = 0.0) -> None:
        self.directory = os.fsencode(directory)
        self.delay = delay
        self._here: set[bytes] = set()

    def _item(self, path: bytes) -> Item:
        found = os.lstat(path)
        item = Item(found.st_ino, found.st_mode, found.st_size, (found.st_mtime_ns, found.st_size, found.st_ino), path)
        item.links, item.uid, item.gid = found.st_nlink, found.st_uid, found.st_gid
        item.seconds, item.nanoseconds = divmod(found.st_mtime_ns, 10**9)
        item.device = found.st_rdev
        return item

    def root(self) -> Item:
        return self._item(self.directory)

    def lookup(self, directory: Item, name: bytes, *, wait: bool) -> Item | None:
        try:
            return self._item(os.path.join(directory.place, name))
        except FileNotFoundError:
            return None

    def entries(self, directory: Item, *, wait: bool) -> list[tuple[bytes, Item]]:
        return [(name, self._item(os.path.join(directory.place, name))) for name in os.listdir(directory.place)]

    def read(self, item: Item, offset: int, size: int, *, wait: bool) -> bytes:
        if self.delay and item.place not in self._here:
            if not wait:
                raise WouldWait
            time.sleep(self.delay)
            self._here.add(item.place)
        descriptor = os.open(item.place, os.O_RDONLY)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)

    def link(self, item: Item) -> bytes:
        return os.readlink(item.place)

    def attribute(self, item: Item, name: bytes, *, wait: bool) -> bytes | None:
        try:
            return os.getxattr(item.place, name, follow_symlinks=False)
        except OSError:
            return None

    def attributes(self, item: Item) -> list[bytes]:
        return [os.fsencode(name) for name in os.listxattr(item.place, follow_symlinks=False)]

    def space(self) -> tuple[int, int]:
        return 1 << 30, 1000


def main(words: list[str]) -> None:
    directory, place = words[:2]
    found = mounting.mount(place, "disk:" + directory, kind="sampan-test")
    server = Server(
        found.descriptor, DiskTree(directory, float(words[2]) if words[2:] else 0.0), lambda s: print(s, file=sys.stderr)
    )
    assert server.start()
    print("ready", flush=True)
    server.wait()
    print(len(server.answers.nodes), "nodes left", flush=True)
    server.close()
    found.release()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
