"""Publishing: make a repository, or carry one on by one revision.

A publication holds the repository's lock. Contents go in through `bodies` first; then entries are grafted, put and removed, which
changes scratch copies of catalogs and stores new objects; `commit` writes the changed catalogs and at the very end the manifest. Leaving
without `commit`, by an error or a kill, leaves the old revision and some objects that nothing names.
"""

from __future__ import annotations

import contextlib
import io
import threading
import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sampan.cvmfs import build, compression, entry, history, manifest, metainfo, reflog, resign
from sampan.cvmfs.bodies import Bodies
from sampan.cvmfs.build import LIMIT, Setting, Tree
from sampan.cvmfs.deposit import Deposit
from sampan.cvmfs.edit import Editor
from sampan.cvmfs.hashing import CERTIFICATE, HISTORY, METAINFO, SHA1, Hash
from sampan.cvmfs.history import TRUNK, Tag
from sampan.cvmfs.letter import hash_text, join
from sampan.cvmfs.manifest import DEFAULT_TTL, Manifest
from sampan.cvmfs.reflog import Reference
from sampan.cvmfs.release import Release, with_names
from sampan.cvmfs.rows import parent_of
from sampan.cvmfs.scratch import scratch_directory
from sampan.errors import NotInRepository, RepositoryError, UsageError, printable
from sampan.events import SILENT_NOTICE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sampan.cvmfs.build import Built
    from sampan.cvmfs.entry import Body, Entry
    from sampan.cvmfs.keys import Signer
    from sampan.cvmfs.metainfo import Metainfo
    from sampan.cvmfs.objects import Store
    from sampan.cvmfs.reader import Repository
    from sampan.events import Notice


class Options(NamedTuple):
    """What is fixed when a repository is made; whitelists last `days`."""

    algorithm: str = SHA1
    compressor: str = compression.DEFAULT
    ttl: int = DEFAULT_TTL
    days: int = resign.DAYS


class Grafted(NamedTuple):
    """What became of a subtree: its topmost catalog, and counts of it with all below."""

    catalog: Hash
    catalogs: int
    entries: int
    size: int


class Limits(NamedTuple):
    """Where a publication may change something, how many threads compress, and whether markers of nested catalogs are hidden."""

    within: bytes = b""
    workers: int | None = None
    hide_markers: bool = True
    now: int | None = None


class Ending(Protocol):
    """How the new root catalog becomes the repository's state: by our signature, or by a gateway's."""

    def publish(self, root: tuple[Hash, int], names: Mapping[str, str]) -> Manifest: ...


class Publication:
    """One publish. Several threads may use it: catalogs of subtrees are made side by side, and joined one after the other."""

    def __init__(self, base: Repository, bodies: Bodies, setting: Setting, ending: Ending, within: bytes = b"") -> None:
        """Use `begin`, of this module or of `gateway`."""
        self.base = base
        self.bodies = bodies
        self._setting = setting
        self._ending = ending
        self._editor = Editor(base, setting)
        self._lock = threading.RLock()
        self._forced = False
        self._within = within

    def _allowed(self, path: bytes) -> bytes:
        """Raises `UsageError` for a path that is none, or not below the one that was leased."""
        if checked(path) != self._within and not path.startswith(self._within + b"/"):
            raise UsageError(
                f"{printable(path) or '/'} does not lie below {printable(self._within)}, which is all that may be changed"
            )
        return path

    def _below(self, path: bytes) -> bytes:
        if not self._allowed(path):
            raise UsageError("the root of a repository can only be grafted as a whole")
        return path

    @property
    def changed(self) -> bool:
        """Whether `commit` will make a revision."""
        return self._forced or self._editor.changed

    @property
    def stored(self) -> tuple[int, int]:
        """New objects so far, and their bytes."""
        return self._setting.deposit.objects, self._setting.deposit.bytes

    def graft(self, path: bytes, entries: Iterable[tuple[bytes, Entry]], *, limit: int = LIMIT) -> Grafted:
        """The subtree at `path` becomes exactly these entries, in a nested catalog, or several where there are more than `limit`.

        Paths are relative to `path` (`b"usr/bin"`), directories before what is in them; `b""`, if it comes first, is `path` itself.
        Missing parents are made. Raises `RepositoryError` for a tree that cannot be published, `UsageError`, `HostError`.
        """
        self._allowed(path)
        tree = Tree(entry.directory(mtime=self._setting.now * 10**9), entries)
        built = build.build(self._setting, path, tree, limit)
        with self._lock:
            self._editor.attach(path, built)
        return _grafted(built)

    def put(self, path: bytes, found: Entry) -> None:
        """One entry, whose name is the path's; missing parents are made (0755). A directory that is there keeps what is in it.

        Raises `UsageError` where a directory would become something else, `RepositoryError`.
        """
        with self._lock:
            self._editor.put(self._below(path), found._replace(name=path.rpartition(b"/")[2]))

    def remove(self, path: bytes) -> bool:
        """The whole subtree; False if there is nothing."""
        with self._lock:
            return self._editor.remove(self._below(path))

    def nest(self, path: bytes) -> None:
        """The directory becomes a nested catalog with what is in it; nothing if it is one."""
        with self._lock:
            self._editor.nest(self._below(path))

    def exists(self, path: bytes) -> bool:
        """Whether there is something at `path`, with what this publication changed."""
        with self._lock:
            return self._editor.flags(checked(path)) is not None

    def force(self) -> None:
        """Make a revision even if nothing changes."""
        self._forced = True

    def commit(self, tags: Mapping[str, str] | None = None) -> Manifest:
        """Publish; `tags` are names for the new revision with their descriptions. Without a change nothing is written.

        Raises `RepositoryBusy`, `HostError`, `NoSpace`, `Unreachable`.
        """
        names = {history.checked_name(name): text for name, text in (tags or {}).items()}
        with self._lock:
            built = self._editor.finish(always=self._forced or bool(names))
            return self.base.manifest if built is None else self._ending.publish((built.hash, built.size), names)

    def close(self) -> None:
        """End the threads, remove the scratch copies."""
        self.bodies.close()
        self._editor.close()


class _Signed:
    """An `Ending` by our own keys."""

    def __init__(self, release: Release) -> None:
        self._release = release

    def publish(self, root: tuple[Hash, int], names: Mapping[str, str]) -> Manifest:
        state = self._release.base.manifest
        tag = Tag("", root[0], state.revision + 1, max(self._release.now, state.timestamp), size=root[1])
        info = self._release.base.metainfo
        record = None
        if info.compressor is None:
            used = self._release.compressor()
            record = info.recording(used.name, used.sample())
        return self._release.publish(root, tags=with_names(names, tag) if names else None, metainfo=record)


@contextlib.contextmanager
def begin(
    store: Store,
    signer: Signer,
    *,
    wait: bool = False,
    notice: Notice = SILENT_NOTICE,
    workers: int | None = None,
    now: float | None = None,
) -> Iterator[Publication]:
    """Carry a repository on. Raises `RepositoryBusy` if somebody else does and `wait` is not set, and what reading it raises."""
    with store.lock("publishes", notice, wait=wait), scratch_directory() as scratch:
        release = Release.load(store, signer, scratch, now)
        publication = started(
            release.base,
            release.deposit,
            release.compressor(),
            _Signed(release),
            scratch,
            Limits(workers=workers, now=release.now),
        )
        with contextlib.closing(publication):
            yield publication


def started(
    base: Repository,
    deposit: Deposit,
    compressor: compression.Compressor,
    ending: Ending,
    scratch: str,
    limits: Limits,
) -> Publication:
    """A publication on `base`; the caller holds what keeps others away."""
    bodies = Bodies(deposit, compressor, limits.workers)

    def previous(path: bytes) -> Hash | None:
        if not path:
            return base.manifest.root
        nested = base.catalog_of(parent_of(path)).nested.get(path)
        return None if nested is None else nested.hash

    empty = bodies.add(io.BytesIO(b""))
    state = base.manifest
    setting = Setting(
        deposit,
        scratch,
        state.revision + 1,
        int(time.time()) if limits.now is None else limits.now,
        state.ttl,
        empty,
        previous,
        limits.hide_markers,
    )
    return Publication(base, bodies, setting, ending, limits.within)


def create(
    store: Store,
    signer: Signer,
    options: Options = Options(),  # noqa: B008 - a value
    *,
    about: Metainfo | None = None,
    now: float | None = None,
) -> Manifest:
    """A new, empty repository with revision 1. Raises `UsageError` if there is one or the master key is missing, `HostError`."""
    compressor = compression.compressor(options.compressor)
    time_now = int(time.time() if now is None else now)
    with store.lock("makes a repository", SILENT_NOTICE), scratch_directory() as scratch:
        try:
            store.get_root_file(manifest.NAME)
        except NotInRepository:
            pass
        else:
            raise UsageError(f"{store.name} is a repository already", "publish into it, or use another place")
        deposit = Deposit(store, options.algorithm)
        bodies = Bodies(deposit, compressor, 1)
        empty: Body = bodies.add(io.BytesIO(b""))
        bodies.close()
        setting = Setting(deposit, scratch, 1, time_now, options.ttl, empty, lambda _: None)
        root = build.build(setting, b"", Tree(entry.directory(mtime=time_now * 10**9), ()))
        trunk = Tag(TRUNK, root.hash, 1, time_now, "current HEAD", root.size)
        info = (about or metainfo.described({})).recording(compressor.name, compressor.sample())
        state = Manifest(
            root.hash, 1, time_now, signer.fqrn, deposit.add(signer.certificate.pem, CERTIFICATE), root.size, options.ttl,
            deposit.add(history.written((trunk,), signer.fqrn, None, scratch), HISTORY), deposit.add(info.written(), METAINFO),
        )  # fmt: skip
        named = ((state.root, reflog.ROOT), (state.certificate, 1), (state.history, 2), (state.metainfo, 3))
        data = reflog.written(tuple(Reference(h, k, time_now) for h, k in named if h), signer.fqrn, scratch)
        state = state._replace(reflog=Hash.of(data, options.algorithm))
        signed = hash_text(state.text(), options.algorithm)
        store.flush()
        store.put_root_file(reflog.NAME, data)
        store.put_root_file(".cvmfs_master_replica", b"replicable\n")
        store.put_root_file(".cvmfs_status.json", b"{}\n")
        resign.put_whitelist(store, signer, options.algorithm, (signer.certificate,), days=options.days, now=time_now)
        store.put_root_file(manifest.NAME, join(state.text(), signed, signer.key.sign(signed)))
    return state


def checked(path: bytes) -> bytes:
    """An absolute path in the one spelling. Raises `UsageError`."""
    parts = path.split(b"/")[1:]
    if path and (not path.startswith(b"/") or any(part in (b"", b".", b"..") for part in parts)):
        raise UsageError(f"{printable(path)!r} is not an absolute path of a repository, as b'/a/b'")
    return path


def _grafted(built: Built) -> Grafted:
    counts = built.counters.total
    entries = counts["regular"] + counts["symlink"] + counts["special"] + counts["dir"] - counts["nested"]
    if counts["dir"] < 1:
        raise RepositoryError("a catalog without a directory was built")
    return Grafted(built.hash, built.catalogs, entries, counts["file_size"])
