"""Remove what dead processes left below `tmp/`, and give back what a dead collection had moved there without a sentence."""

from __future__ import annotations

import os
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode

from sampan.events import SILENT_NOTICE
from sampan.layers.removal import remove
from sampan.store import layout
from sampan.store.blobs import PARTIAL
from sampan.store.layout import OTHER_NODE_SECONDS, Store
from sampan.store.leases import names_below
from sampan.store.locks import locked_file

_LOCKED = (PARTIAL, ".tree")
"""Ends of names that belong to whoever holds their lock, not to who made them."""
DEAD = "-dead"
_UNDECIDED = "-gone-"


def leftovers(store: Store) -> int:
    """Remove them; how many there were. What cannot be removed now is left for the next time."""
    count = 0
    base = store.join("tmp")
    for name in names_below(base):
        try:
            status = os.lstat(f"{base}/{name}")
            # What was moved here has the times of its making; only its inode was changed by that.
            age = time.time() - (status.st_ctime if _UNDECIDED in name or name.endswith(DEAD) else status.st_mtime)
            if name.endswith(_LOCKED):
                count += age > OTHER_NODE_SECONDS and _remove_unlocked(f"{base}/{name}")
            elif layout.is_left_over(name, age):
                if _UNDECIDED in name:
                    if _given_back(store, name):
                        continue
                    name = _sentenced(store, name)  # noqa: PLW2901 - the same thing under its new name
                parent = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                try:
                    remove(parent, name)
                finally:
                    os.close(parent)
                count += 1
        except (OSError, ValueError):
            continue
    return count


def undecided(digest: str, *, is_tree: bool) -> str:
    """The end of the name of what gc moved away and may give back: it says where it belongs.

    In base64, for with the hex digits of a sha512 the name would be longer than a file system takes.
    """
    algorithm, _, encoded = digest.partition(":")
    return f"{_UNDECIDED[1:]}{'tree' if is_tree else algorithm}-{urlsafe_b64encode(bytes.fromhex(encoded)).decode().rstrip('=')}"


def _given_back(store: Store, name: str) -> bool:
    """Whether a tree or blob was moved to its place again. Its collector died before it had looked who holds it."""
    kind, _, encoded = name.rpartition(_UNDECIDED)[2].partition("-")
    digest = urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
    goal = store.join("trees", digest) if kind == "tree" else store.join("blobs/blobs", kind, digest)
    if os.path.exists(goal):
        return False
    os.rename(store.join("tmp", name), goal)
    return True


def _sentenced(store: Store, name: str) -> str:
    """Its new name, by which no part of it is given back if this process dies while it removes the rest."""
    place = store.temporary(DEAD[1:])
    os.rename(store.join("tmp", name), place)
    return os.path.basename(place)


def _remove_unlocked(path: str) -> bool:
    descriptor, held = locked_file(path, SILENT_NOTICE, "", wait=False)
    try:
        os.unlink(path)
    finally:
        os.close(descriptor)
    return held
