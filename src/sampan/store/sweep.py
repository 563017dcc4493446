"""Remove what dead processes left below `tmp/`."""

from __future__ import annotations

import os
import time

from sampan.events import SILENT_NOTICE
from sampan.layers.removal import remove
from sampan.store import layout
from sampan.store.blobs import PARTIAL
from sampan.store.layout import OTHER_NODE_SECONDS, Store
from sampan.store.leases import names_below
from sampan.store.locks import locked_file

_LOCKED = (PARTIAL, ".tree")
"""Ends of names that belong to whoever holds their lock, not to who made them."""


def leftovers(store: Store) -> int:
    """Remove them; how many there were. What cannot be removed now is left for the next time."""
    count = 0
    base = store.join("tmp")
    for name in names_below(base):
        try:
            age = time.time() - os.lstat(f"{base}/{name}").st_mtime
            if name.endswith(_LOCKED):
                count += age > OTHER_NODE_SECONDS and _remove_unlocked(f"{base}/{name}")
            elif layout.is_left_over(name, age):
                parent = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    remove(parent, name)
                finally:
                    os.close(parent)
                count += 1
        except OSError:
            continue
    return count


def _remove_unlocked(path: str) -> bool:
    descriptor, held = locked_file(path, SILENT_NOTICE, "", wait=False)
    try:
        os.unlink(path)
    finally:
        os.close(descriptor)
    return held
