"""Garbage collection: keep what the current state, tags and young states reach, remove the rest.

Mark and sweep: the catalogs of all kept states say which objects are used; whatever else lies in the store and is not young goes. The
reflog without the old states and the manifest are written before anything is removed, so a process that dies leaves garbage and nothing
else. Catalogs are removed first: as long as a catalog is there, so is everything it names, and a publish or a replica that finds it
need not look below. It holds the publisher's lock; where locks do not work, the grace time protects what a publisher puts or finds.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from sampan.cvmfs import reach, reflog
from sampan.cvmfs.hashing import CATALOG
from sampan.cvmfs.release import Release
from sampan.cvmfs.scratch import scratch_directory
from sampan.errors import NotInRepository, UsageError
from sampan.events import SILENT_NOTICE, SILENT_PROGRESS

if TYPE_CHECKING:
    from sampan.cvmfs.hashing import Hash
    from sampan.cvmfs.keys import Signer
    from sampan.cvmfs.objects import Store, Stored
    from sampan.cvmfs.reader import Repository
    from sampan.events import Notice, Progress

KEEP_DAYS = 3
GRACE = 86400
_DAY = 86400


class Collected(NamedTuple):
    """States that are not kept any more, and objects that were removed (or would be) with their bytes."""

    roots: int
    objects: int
    bytes: int
    kept: int


def collect(
    store: Store,
    signer: Signer,
    *,
    keep_days: float = KEEP_DAYS,
    grace: float = GRACE,
    dry_run: bool = False,
    events: tuple[Notice, Progress] = (SILENT_NOTICE, SILENT_PROGRESS),
) -> Collected:
    """Remove what nothing reaches; states younger than `keep_days` and objects younger than `grace` seconds stay.

    Raises `RepositoryBusy`, `UsageError` if the repository is not to be collected, and what reading it raises; then nothing was removed.
    """
    notice, progress = events
    with store.lock("collects garbage", notice), scratch_directory() as scratch:
        release = Release.load(store, signer, scratch)
        if not release.base.manifest.collectable:
            raise UsageError(f"{release.base.name} is not to be collected: its manifest says `G` no")
        young = release.now - keep_days * _DAY
        kept, used = _mark(release, young)
        condemned = [one for one in store.stored() if one.hash.digest not in used and one.mtime < time.time() - grace]
        dropped = {one.hash for one in release.references() if one.hash not in kept}
        roots = sum(one.type == reflog.ROOT for one in release.references() if one.hash in dropped)
        if not dry_run:
            if dropped or not release.is_reflog_right():
                # What the next manifest names anew (a certificate) is added by itself.
                release.publish(keep=lambda one: one.hash in kept)
            _sweep(store, condemned, progress)
            status = {"last_gc": time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime(release.now))}
            store.put_root_file(".cvmfs_status.json", (json.dumps(status) + "\n").encode())
        return Collected(roots, len(condemned), sum(one.size for one in condemned), len(used))


def _mark(release: Release, young: float) -> tuple[set[Hash], set[bytes]]:
    """The references that stay, and the digests of all objects that they reach."""
    base = release.base
    state = base.manifest
    needed = [state.root, *(tag.root for tag in base.history)]
    kept = {hash for hash in (state.certificate, state.history, state.metainfo) if hash is not None}
    met: set[Hash] = set()
    used: set[bytes] = set()
    for hash in needed:
        _reach(base, hash, met, used)
        kept.add(hash)
    for one in release.references():
        if one.timestamp < young or one.hash in kept:
            continue
        try:
            if one.type == reflog.ROOT:
                _reach(base, one.hash, met, used)
        except NotInRepository:
            continue  # a collection that was killed, or another tool, has removed a part of it already
        kept.add(one.hash)
    return kept, used | {hash.digest for hash in kept}


def _reach(base: Repository, root: Hash, met: set[Hash], used: set[bytes]) -> None:
    for catalog in reach.catalogs(base.at(root), met):
        used.add(catalog.hash.digest)
        used.update(hash.digest for hash, _ in catalog.objects())


def _sweep(store: Store, condemned: list[Stored], progress: Progress) -> None:
    task = progress.begin("removing objects", len(condemned), "objects")
    for one in sorted(condemned, key=lambda one: one.suffix != CATALOG):
        store.remove(one.hash, one.suffix)
        task.advance(1)
    task.done()
