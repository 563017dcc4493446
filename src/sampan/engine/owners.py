"""The table of owners and modes that an imitated root sees, filled from an image's index.

On disk every file of a private copy belongs to the caller and nothing is setuid. The engine `intercept` shows `--root` what
the image says instead, and keeps what the payload changes in the same file (docs/design/intercept.md has its format).
"""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING

from sampan.layers.entry import DIRECTORY, FIFO, FILE, SYMLINK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.layers.index import Index

MAGIC = 0x31726E776F706D73  # "smpownr1"
SLOTS = 1 << 18
HEADER = struct.Struct("<QQ48x")
OWNER = struct.Struct("<QIIIIQ")
HAS_IDS = 1
HAS_MODE = 2
GOLDEN = 0x9E3779B97F4A7C15
# Devices and sockets are in the index alone, so nothing of them is shown.
TYPES = {FILE: stat.S_IFREG, DIRECTORY: stat.S_IFDIR, SYMLINK: stat.S_IFLNK, FIFO: stat.S_IFIFO}


def write(index: Index, rootfs: str, target: str) -> int:
    """Make the table of a private copy at `rootfs` of an image with this index; the number of its entries. Raises OSError."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    taken: set[int] = set()
    try:
        os.ftruncate(descriptor, HEADER.size + SLOTS * OWNER.size)
        os.pwrite(descriptor, HEADER.pack(MAGIC, SLOTS), 0)
        for inode, entry in _entries(index, os.fsencode(rootfs)):
            if len(taken) > SLOTS // 2:
                break  # room for what the payload changes
            slot = _free_slot(inode, taken)
            taken.add(slot)
            os.pwrite(descriptor, entry, HEADER.size + slot * OWNER.size)
    finally:
        os.close(descriptor)
    return len(taken)


def _entries(index: Index, root: bytes) -> Iterator[tuple[int, bytes]]:
    """Inode and entry of every file of which the disk, seen by an imitated root, does not show what the image says."""
    seen: set[int] = set()
    for path, node in index.walk():
        if node.kind not in TYPES:
            continue
        found = os.lstat(os.path.join(root, path))
        mode = TYPES[node.kind] | node.mode
        other_mode = mode != found.st_mode and node.kind != SYMLINK
        flags = ((node.uid, node.gid) != (0, 0)) * HAS_IDS | other_mode * HAS_MODE
        if flags and found.st_ino not in seen:
            seen.add(found.st_ino)
            yield found.st_ino, OWNER.pack(found.st_ino, flags, node.uid, node.gid, mode, 0)


def _free_slot(key: int, taken: set[int]) -> int:
    """Open addressing, as native/intercept/identity/owners.c looks for it."""
    slot = (key * GOLDEN % (1 << 64) >> 40) % SLOTS
    while slot in taken:
        slot = (slot + 1) % SLOTS
    return slot
