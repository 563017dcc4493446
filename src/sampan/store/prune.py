"""Make the store no larger than some size: what was used longest ago goes first, and never what is held.

In three steps, each only as far as it must go: what nothing leads to; compressed layers of images that are unpacked, which only
`push` and `save` need and a registry may give again; whole images with their names. A blob or tree that several images have
counts as used when the last of them was. Containers, pins, running programs and pulls hold what they have; where others may
be running from the store unseen (a network file system, a shared store), so does a use within the grace time.
"""

from __future__ import annotations

import calendar
import os
import time

from sampan.errors import SampanError
from sampan.host import filesystems
from sampan.oci.digest import Digest
from sampan.store import blobs, du, gc, names, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.store.layout import Store
    from sampan.store.names import Image


class Pruned:
    """What was done: references and digests of blobs removed, the size before and after, and what was in the way of more."""

    __slots__ = ("after", "before", "blobs", "held", "references")

    def __init__(self, before: int) -> None:
        self.before = before
        self.after = before
        self.references: list[str] = []
        self.blobs: list[str] = []
        self.held: list[str] = []
        """Sentences such as `debian:12 is held by container web`."""


def prune(store: Store, goal: int) -> Pruned:
    """Remove until the store takes at most `goal` bytes of disk, or nothing more may go.

    Raises `CorruptRecord`, `NewerStore`, `StoreError`.
    """
    done = Pruned(du.total(store))
    if done.after <= goal:
        return done
    grace = gc.GRACE if is_seen_by_others(store) else 0
    done.blobs += gc.collect(store, grace, 0).blobs
    done.after = du.total(store)
    images = names.listing(store)
    used = {image.chain: 0.0 for image in images}
    for image in images:
        used[image.chain] = max(used[image.chain], _last_use(store, image))
    _drop_layers(store, goal, done, images, used)
    if done.after > goal:
        _evict(store, goal, done, images, used)
    done.after = du.total(store)
    return done


def is_seen_by_others(store: Store) -> bool:
    """Whether programs that are not seen from here may be running from the store's trees."""
    return store.is_shared() or filesystems.is_shared(store.path)


def _last_use(store: Store, image: Image) -> float:
    """When a container was last started from it, or it was pulled."""
    try:
        pulled = float(calendar.timegm(time.strptime(image.pulled, "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:
        pulled = 0.0
    try:
        return max(pulled, os.stat(f"{trees.directory_of(store, image.chain)}/used").st_mtime)
    except (OSError, ValueError):
        return pulled


def _is_unpacked(store: Store, chain: str) -> bool:
    try:
        return trees.find(store, chain) is not None
    except ValueError:
        return False


def _drop_layers(store: Store, goal: int, done: Pruned, images: list[Image], used: dict[str, float]) -> None:
    """Drop blobs that are neither manifest nor configuration of any image, of images that are unpacked."""
    documents = {digest for image in images for digest in (image.manifest, image.config, image.index)}
    last: dict[str, float] = {}
    for image in images:
        is_unpacked = _is_unpacked(store, image.chain)
        for digest in gc.mentioned(store, image.manifest) - documents:
            # The layers of an image that is not unpacked are all that there is of it; they go with it.
            last[digest] = max(last.get(digest, 0.0), used[image.chain] if is_unpacked else float("inf"))
    for digest in sorted(last, key=lambda digest: (last[digest], digest)):
        if done.after <= goal or last[digest] == float("inf"):
            return
        dropped = gc.drop(store, [digest])
        done.blobs += dropped.blobs
        done.after -= dropped.size


def _evict(store: Store, goal: int, done: Pruned, images: list[Image], used: dict[str, float]) -> None:
    """Remove images, names and all."""
    sizes = du.TreeSizes(store)
    grace = gc.GRACE if is_seen_by_others(store) else 0
    for chain in sorted(used, key=lambda chain: (used[chain], chain)):
        if done.after <= goal:
            return
        own = [image for image in images if image.chain == chain]
        holders = sorted(gc.roots(store, with_names=False).trees.get(chain.partition(":")[2], ()))
        if grace and used[chain] > time.time() - grace:
            holders.append("its last use, which is less than 7 days ago")
        if holders:
            done.held.append(f"{own[0].reference} is held by {', '.join(holders)}")
            continue
        done.after -= _remove_image(store, own, done)
        done.after -= sizes.remove(chain.partition(":")[2]) if not _is_unpacked(store, chain) else 0


def _remove_image(store: Store, own: list[Image], done: Pruned) -> int:
    """Remove an image under all its names; bytes of its blobs."""
    gone = {own[0].chain}
    for image in own:
        try:
            gone |= gc.mentioned(store, image.manifest)
        except SampanError:
            pass  # a damaged manifest holds nothing
        gone |= {image.manifest, image.config, image.index}
        if names.remove(store, image.reference):
            done.references.append(image.reference)
    found = {text: size for text in gone if text and (size := blobs.size_of(store, Digest.parse(text))) is not None}
    collected = gc.collect(store, gc.GRACE if is_seen_by_others(store) else 0, 0, frozenset(gone))
    done.blobs += collected.blobs
    return sum(found.get(digest, 0) for digest in collected.blobs)
