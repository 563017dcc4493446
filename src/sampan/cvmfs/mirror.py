"""A replica: everything that a repository's current state and tags reach, in another store, verified on the way.

A catalog is stored after everything it names. So where a catalog is there already, all below it is, and is not looked at again: a
replica of an unchanged repository costs a manifest. The manifest comes last; until then clients see the old state, whole.
"""

from __future__ import annotations

import contextlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from sampan.cvmfs import database, manifest, reflog, whitelist
from sampan.cvmfs.catalog import Catalog
from sampan.cvmfs.hashing import CATALOG, CERTIFICATE, HISTORY, METAINFO, Hash
from sampan.cvmfs.objects import Verified, unpacked
from sampan.cvmfs.reader import MAX_DEPTH, Repository
from sampan.cvmfs.trust import Rules, Seen
from sampan.errors import DigestMismatch, IntegrityError, NotInRepository, RepositoryError
from sampan.events import SILENT_NOTICE, SILENT_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cvmfs.keys import PublicKey
    from sampan.cvmfs.objects import Objects, Store
    from sampan.events import Notice, Progress, Task

_WORKERS = 8


class Mirrored(NamedTuple):
    """The revision that is there now, and what had to be fetched for it."""

    revision: int
    objects: int
    bytes: int


class _Recorded(Verified):
    """Keeps the signed files as they came, because exactly those that were verified are to be stored."""

    def __init__(self, objects: Objects) -> None:
        super().__init__(objects)
        self.root_files: dict[str, bytes] = {}

    def fresh_root_file(self, name: str) -> bytes:
        found = self.root_files[name] = super().fresh_root_file(name)
        return found


class _Copy:
    def __init__(self, source: Objects, target: Store, workers: int, task: Task) -> None:
        self._source = source
        self._target = target
        self._pool = ThreadPoolExecutor(workers, "sampan-mirror")
        self._task = task
        self.objects = 0
        self.bytes = 0

    def close(self) -> None:
        """Drop what has not begun, wait for the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def one(self, hash: Hash, suffix: str) -> int:
        """Copy an object unless it is there; the bytes that were fetched."""
        if self._target.has(hash, suffix):
            return 0
        data = self._source.get(hash, suffix)
        if Hash.of(data, hash.algorithm) != hash:
            raise DigestMismatch(
                f"object {hash}{suffix} of {self._source.name} differs from its hash, so it was damaged or changed"
            )
        self._target.put(hash, suffix, data)
        return len(data)

    def count(self, size: int) -> None:
        if size:
            self.objects += 1
            self.bytes += size
            self._task.advance(size)

    def tree(self, hash: Hash, mountpoint: bytes, depth: int = 0) -> None:
        """A catalog and everything below it, itself last."""
        if depth > MAX_DEPTH:
            raise RepositoryError(f"{self._source.name} nests more than {MAX_DEPTH} catalogs")
        if self._target.has(hash, CATALOG):
            return
        stored = self._source.get(hash, CATALOG)
        catalog = Catalog(database.opened(unpacked(hash, stored, what=self._source.name)), mountpoint, hash, 0)
        for path, nested in catalog.nested.items():
            if path not in catalog.binds:
                self.tree(nested.hash, path, depth + 1)
        wanted = set(catalog.objects())
        for size in self._pool.map(lambda one: self.one(*one), sorted(wanted)):
            self.count(size)
        self._target.put(hash, CATALOG, stored)
        self.count(len(stored))


def mirror(
    source: Objects,
    target: Store,
    keys: Sequence[PublicKey],
    *,
    fqrn: str | None = None,
    workers: int | None = None,
    events: tuple[Notice, Progress] = (SILENT_NOTICE, SILENT_PROGRESS),
) -> Mirrored:
    """Bring `target` to the state of `source`. An older state than the replica has is refused.

    Raises `RepositoryBusy`, `DigestMismatch`, `RepositoryError`, `NotInRepository`, `Unreachable`, `HostError`; the old state stays then.
    """
    notice, progress = events
    with target.lock("replicates", notice):
        contents = _Recorded(source)
        rules = Rules(tuple(keys), fqrn, seen=_seen(target, keys))
        repository = Repository.open(source, keys, fqrn=fqrn, contents=contents, rules=rules)
        state = repository.manifest
        task = progress.begin(f"replicating {state.fqrn}")
        copy = _Copy(source, target, workers or max(_WORKERS, len(os.sched_getaffinity(0))), task)
        with contextlib.closing(copy):
            for root in dict.fromkeys([state.root, *(tag.root for tag in repository.history)]):
                copy.tree(root, b"")
            for hash, suffix in ((state.certificate, CERTIFICATE), (state.history, HISTORY), (state.metainfo, METAINFO)):
                if hash is not None:
                    copy.count(copy.one(hash, suffix))
        target.flush()
        target.put_root_file(whitelist.NAME, contents.root_files[whitelist.NAME])
        stamp = time.strftime("%a, %d %b %Y %H:%M:%S UTC", time.gmtime())
        target.put_root_file(".cvmfs_last_snapshot", f"{stamp}\n".encode())
        last = [manifest.NAME]
        if state.reflog is not None:
            _ = repository.reflog  # fetched and verified
            last.insert(0, reflog.NAME)
        target.put_root_files([(name, contents.root_files[name]) for name in last])
        task.done()
        return Mirrored(state.revision, copy.objects, copy.bytes)


def _seen(target: Store, keys: Sequence[PublicKey]) -> Seen | None:
    """What the replica has now; its whitelist may have expired meanwhile."""
    try:
        there = Repository.open(target, keys, rules=Rules((), now=0)).manifest
    except (NotInRepository, IntegrityError):
        return None
    return Seen(there.revision, there.timestamp)
