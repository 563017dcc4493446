"""Is a repository whole and right: every catalog by the rules of the format, every object by its hash.

All that a client could stumble over is looked at, and what the official `check` complains about besides: statistics, link counts,
markers of nested catalogs. Faults are collected, not raised, so that one run names them all.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from sampan.cvmfs import entry, reach
from sampan.cvmfs.hashing import CERTIFICATE, HISTORY, METAINFO, Hash, path_key
from sampan.errors import SampanError, printable
from sampan.events import SILENT_PROGRESS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cvmfs.catalog import Catalog
    from sampan.cvmfs.entry import Entry
    from sampan.cvmfs.objects import Objects
    from sampan.cvmfs.reader import Repository
    from sampan.events import Progress

MAX_FAULTS = 1000
"""More are counted no further."""
_BATCH = 64


class Checked(NamedTuple):
    """What was looked at, and the faults, each a sentence."""

    catalogs: int
    entries: int
    objects: int
    bytes: int
    faults: tuple[str, ...]


class _Findings:
    def __init__(self) -> None:
        self.catalogs = self.entries = self.objects = self.bytes = 0
        self.faults: list[str] = []
        self._lock = threading.Lock()

    def fault(self, sentence: str) -> None:
        with self._lock:
            if len(self.faults) < MAX_FAULTS:
                self.faults.append(sentence)

    def saw(self, objects: int, size: int) -> None:
        with self._lock:
            self.objects += objects
            self.bytes += size


def check(
    repository: Repository,
    objects: Objects,
    *,
    data: bool = True,
    workers: int | None = None,
    progress: Progress = SILENT_PROGRESS,
) -> Checked:
    """Look at everything that this state reaches; with `data`, hash each object, else only ask whether it is there.

    Raises nothing for faults of the repository; `Unreachable` and `HostError` where the place cannot be asked.
    """
    findings = _Findings()
    wanted: set[tuple[bytes, str, str]] = set()
    _check_named(repository, objects, findings)
    try:
        for catalog in reach.catalogs(repository, set()):
            findings.catalogs += 1
            try:
                _check_catalog(repository, catalog, findings, wanted)
            except SampanError as error:
                findings.fault(error.sentence)
    except SampanError as error:
        findings.fault(error.sentence)
    _check_objects(objects, sorted(wanted), findings, data=data, workers=workers, progress=progress)
    return Checked(findings.catalogs, findings.entries, findings.objects, findings.bytes, tuple(findings.faults))


def _check_named(repository: Repository, objects: Objects, findings: _Findings) -> None:
    """What the manifest names besides the catalogs."""
    state = repository.manifest
    for hash, suffix in ((state.certificate, CERTIFICATE), (state.history, HISTORY), (state.metainfo, METAINFO)):
        if hash is not None:
            _check_object(objects, hash, suffix, findings, data=True)
    for what in ("history", "metainfo", "reflog"):
        try:
            getattr(repository, what)
        except SampanError as error:
            if what != "reflog" or state.reflog is not None:
                findings.fault(error.sentence)


def _check_catalog(repository: Repository, catalog: Catalog, findings: _Findings, wanted: set[tuple[bytes, str, str]]) -> None:
    shown = printable(catalog.mountpoint) or "/"
    if catalog.prefix != catalog.mountpoint:
        findings.fault(f"the catalog at {shown} says it belongs at {printable(catalog.prefix) or '/'}")
    if catalog.counted() != catalog.statistics.own:
        findings.fault(f"the statistics of the catalog at {shown} differ from its rows")
    below: Counter[str] = Counter()
    for path in catalog.nested:
        if path not in catalog.binds:
            below += repository.nested_in(catalog, path).statistics.total
            _check_transition(repository, catalog, path, findings)
    if below != +catalog.statistics.below:
        findings.fault(f"the statistics of the catalog at {shown} differ from those of the catalogs below it")
    top = catalog.lookup(catalog.mountpoint)
    if top is None or not top.is_directory:
        findings.fault(f"the catalog at {shown} has no directory for itself")
        return
    if catalog.mountpoint and not any(catalog.lookup(catalog.mountpoint + b"/" + name) for name in _MARKERS):
        findings.fault(f"the nested catalog at {shown} has no marker file")
    keys = {path_key(catalog.prefix)}
    for path, found in _rows(catalog, findings, top):
        keys.add(
            path_key(path) if catalog.prefix == catalog.mountpoint else path_key(catalog.prefix + path[len(catalog.mountpoint) :])
        )
        body = found.body
        if body is not None and not found.flags & entry.EXTERNAL:
            if body.hash is not None and not body.chunks:
                wanted.add((body.hash.digest, body.hash.algorithm, ""))
            wanted.update((chunk.hash.digest, chunk.hash.algorithm, "P") for chunk in body.chunks)
    findings.entries += len(keys)
    if keys != catalog.keys():
        findings.fault(f"the catalog at {shown} has rows that no directory leads to, or that have another path's key")


def _rows(catalog: Catalog, findings: _Findings, top: Entry) -> Iterator[tuple[bytes, Entry]]:
    """Every entry of a catalog, with link counts checked on the way."""
    todo = [(catalog.mountpoint, top)]
    while todo:
        parent, directory = todo.pop()
        inside = catalog.listdir(parent, hidden=True)
        subdirectories = sum(one.is_directory for one in inside)
        if directory.links != 2 + subdirectories:
            findings.fault(f"{printable(parent) or '/'} has {directory.links} links, not {2 + subdirectories}")
        groups = Counter(one.group for one in inside if one.group)
        for one in inside:
            where = parent + b"/" + one.name
            if not one.is_directory and one.links != max(groups.get(one.group, 1), 1):
                findings.fault(f"{printable(where)} has {one.links} links, not {max(groups.get(one.group, 1), 1)}")
            if one.flags & entry.NESTED_MOUNT and where not in catalog.nested:
                findings.fault(f"{printable(where)} leads into a nested catalog that is not listed")
            if one.is_directory and where not in catalog.nested:
                todo.append((where, one))
            yield where, one


def _check_transition(repository: Repository, catalog: Catalog, path: bytes, findings: _Findings) -> None:
    """A nested catalog's root has a row on both sides, which say the same."""
    above = catalog.lookup(path)
    below = repository.nested_in(catalog, path).lookup(path)
    if above is None or not above.flags & entry.NESTED_MOUNT:
        findings.fault(f"the nested catalog at {printable(path)} has no directory to be mounted at")
    elif below is None or not below.flags & entry.NESTED_ROOT:
        findings.fault(f"the nested catalog at {printable(path)} does not begin with its root")
    elif above._replace(flags=0) != below._replace(flags=0):
        findings.fault(f"{printable(path)} differs in the two catalogs that have it")


def _check_objects(
    objects: Objects,
    wanted: list[tuple[bytes, str, str]],
    findings: _Findings,
    *,
    data: bool,
    workers: int | None,
    progress: Progress,
) -> None:
    task = progress.begin("checking objects", len(wanted), "objects")
    batches = [wanted[at : at + _BATCH] for at in range(0, len(wanted), _BATCH)]

    def one_batch(batch: list[tuple[bytes, str, str]]) -> int:
        for digest, algorithm, suffix in batch:
            _check_object(objects, Hash(digest, algorithm), suffix, findings, data=data)
        return len(batch)

    with ThreadPoolExecutor(workers or len(os.sched_getaffinity(0)), "sampan-check") as pool:
        for count in pool.map(one_batch, batches):
            task.advance(count)
    task.done()


def _check_object(objects: Objects, hash: Hash, suffix: str, findings: _Findings, *, data: bool) -> None:
    try:
        if not data:
            there = objects.has(hash, suffix)
            findings.saw(1, 0)
            if not there:
                findings.fault(f"object {hash}{suffix} is missing")
            return
        stored = objects.get(hash, suffix)
    except SampanError as error:
        findings.fault(error.sentence)
        return
    findings.saw(1, len(stored))
    if Hash.of(stored, hash.algorithm) != hash:
        findings.fault(f"object {hash}{suffix} differs from its hash")


_MARKERS = (entry.MARKER, b".cvmfsautocatalog")
