"""A repository at one revision, read; everything is verified up to the master key.

Catalogs are fetched when a path leads into them and kept within a bound of bytes; states of the same repository share them, because
an unchanged nested catalog has the same hash in every revision.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from sampan.cvmfs import database, entry, history, manifest, metainfo, reflog, whitelist
from sampan.cvmfs.catalog import Catalog
from sampan.cvmfs.hashing import CATALOG, CERTIFICATE, HISTORY, METAINFO, Hash
from sampan.cvmfs.objects import Verified
from sampan.cvmfs.trust import Rules, Seen
from sampan.errors import DigestMismatch, NotInRepository, RepositoryError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.cvmfs.entry import Entry
    from sampan.cvmfs.history import Tag
    from sampan.cvmfs.keys import PublicKey
    from sampan.cvmfs.manifest import Manifest
    from sampan.cvmfs.metainfo import Metainfo
    from sampan.cvmfs.objects import Contents, Objects
    from sampan.cvmfs.reflog import Reference
    from sampan.cvmfs.whitelist import Whitelist

MAX_DEPTH = 64
"""Nested catalogs within each other."""
_CATALOG_BYTES = 64 << 20


class Catalogs:
    """Opened catalogs, the least recently used dropped beyond a bound of bytes. For several threads."""

    def __init__(self, contents: Contents, scratch: str | None = None, limit: int = _CATALOG_BYTES) -> None:
        self._contents = contents
        self._scratch = scratch
        self._limit = limit
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[Hash, bytes], Catalog] = OrderedDict()
        self._bytes = 0

    def get(self, hash: Hash, mountpoint: bytes, size: int | None) -> Catalog:
        """Raises `RepositoryError`, `DigestMismatch` and what fetching raises."""
        key = (hash, mountpoint)
        with self._lock:
            found = self._open.get(key)
            if found is not None:
                self._open.move_to_end(key)
                return found
        path = self._contents.file(hash, CATALOG)
        if path is not None:
            made = Catalog(database.opened_file(path), mountpoint, hash, size or 0)
        else:
            data = self._contents.content(hash, CATALOG, size=size or None)
            made = Catalog(database.opened(data, self._scratch), mountpoint, hash, len(data))
        with self._lock:
            # Two threads may have opened it; the first one stays.
            made = self._open.setdefault(key, made)
            self._bytes = sum(one.size for one in self._open.values())
            while self._bytes > self._limit and len(self._open) > 1:
                self._bytes -= self._open.popitem(last=False)[1].size
        return made


class Repository:
    """One state of a repository. All methods may be called by several threads."""

    def __init__(self, contents: Contents, rules: Rules, allowed: Whitelist, state: Manifest, catalogs: Catalogs) -> None:
        """Use `open`."""
        self.contents = contents
        self.rules = rules
        self.whitelist = allowed
        self.manifest = state
        self._catalogs = catalogs

    @classmethod
    def open(
        cls,
        objects: Objects,
        keys: Sequence[PublicKey],
        *,
        fqrn: str | None = None,
        contents: Contents | None = None,
        scratch: str | None = None,
        rules: Rules | None = None,
    ) -> Repository:
        """The current state. `rules` carries black list, what was seen last and another time; then `keys` and `fqrn` are its.

        Raises `NotInRepository`, `Unreachable`, `HostError`, `RepositoryError`, `DigestMismatch`.
        """
        source = Verified(objects) if contents is None else contents
        believed = Rules(tuple(keys), fqrn) if rules is None else rules._replace(keys=tuple(keys), fqrn=fqrn or rules.fqrn)
        return cls._opened(source, believed, Catalogs(source, scratch))

    @classmethod
    def _opened(cls, source: Contents, rules: Rules, catalogs: Catalogs) -> Repository:
        allowed = rules.whitelist(source.fresh_root_file(whitelist.NAME))
        state, _ = rules.manifest(source.fresh_root_file(manifest.NAME), allowed, lambda name: source.content(name, CERTIFICATE))
        return cls(source, rules, allowed, state, catalogs)

    @property
    def name(self) -> str:
        return self.manifest.fqrn

    def refresh(self) -> Repository | None:
        """The newer state if there is one; an older one is refused (`RepositoryError`). This one stays usable."""
        seen = Seen(self.manifest.revision, self.manifest.timestamp)
        rules = self.rules._replace(seen=seen, fqrn=self.manifest.fqrn)
        newer = self._opened(self.contents, rules, self._catalogs)
        return None if newer.manifest == self.manifest else newer

    def at(self, state: str | Hash) -> Repository:
        """The state with this tag or root catalog. Raises `NotInRepository`."""
        if isinstance(state, Hash):
            root, size, revision = state, 0, self.manifest.revision
        else:
            found = next((tag for tag in self.history if tag.name == state), None)
            if found is None:
                raise NotInRepository(f"{self.name} has no tag {printable(state)!r}", "`sampan repo tag` lists them")
            root, size, revision = found.root, found.size, found.revision
        changed = self.manifest._replace(root=root, root_size=size, revision=revision)
        return Repository(self.contents, self.rules, self.whitelist, changed, self._catalogs)

    @property
    def history(self) -> tuple[Tag, ...]:
        """The tags, newest first."""
        hash = self.manifest.history
        return () if hash is None else history.read(self.contents.content(hash, HISTORY))

    @property
    def metainfo(self) -> Metainfo:
        """What its operators say."""
        hash = self.manifest.metainfo
        return metainfo.described({}) if hash is None else metainfo.parse(self.contents.content(hash, METAINFO))

    @property
    def reflog(self) -> tuple[Reference, ...]:
        """Every state that was published; verified by the manifest. Raises `NotInRepository` in repositories without one."""
        if self.manifest.reflog is None:
            raise NotInRepository(f"{self.name} has no reflog")
        data = self.contents.fresh_root_file(reflog.NAME)
        if Hash.of(data, self.manifest.reflog.algorithm) != self.manifest.reflog:
            raise DigestMismatch(
                f"the reflog of {self.name} differs from the hash in the manifest", "the next publish writes it anew"
            )
        return reflog.read(data)

    def root_catalog(self) -> Catalog:
        """The catalog of the root."""
        return self._catalogs.get(self.manifest.root, b"", self.manifest.root_size)

    def nested_in(self, catalog: Catalog, path: bytes) -> Catalog:
        """The catalog that `catalog` has at `path`."""
        return self._catalogs.get(catalog.nested[path].hash, path, catalog.nested[path].size)

    def catalog_of(self, path: bytes) -> Catalog:
        """The deepest catalog whose part of the tree `path` lies in."""
        catalog = self.root_catalog()
        at = path.find(b"/", 1)
        depth = 0
        while catalog.nested and path:
            prefix = path if at < 0 else path[:at]
            if prefix in catalog.nested:
                depth += 1
                if depth > MAX_DEPTH:
                    raise RepositoryError(f"{self.name} nests more than {MAX_DEPTH} catalogs at {printable(prefix)!r}")
                catalog = self.nested_in(catalog, prefix)
            if at < 0:
                break
            at = path.find(b"/", at + 1)
        return catalog

    def lookup(self, path: bytes) -> Entry | None:
        """The entry of an absolute path (`b""`: the root); links are not followed. Hidden ones are found."""
        return self.catalog_of(path).lookup(path)

    def listdir(self, path: bytes = b"", *, hidden: bool = False) -> list[Entry]:
        """The entries of a directory by name. Raises `NotInRepository`; `RepositoryError` if it is no directory."""
        catalog = self.catalog_of(path)
        found = catalog.listdir(path, hidden=hidden)
        if not found:
            there = catalog.lookup(path)
            if there is None:
                raise NotInRepository(f"{self.name} has no {printable(path)}")
            if not there.is_directory:
                raise NotInRepository(f"{printable(path)} in {self.name} is no directory")
        return found

    def walk(self, path: bytes = b"", *, hidden: bool = False) -> Iterator[tuple[bytes, Entry]]:
        """Absolute path and entry of everything from `path` on: parents first, siblings by name. Raises `NotInRepository`."""
        catalog = self.catalog_of(path)
        top = catalog.lookup(path)
        if top is None:
            raise NotInRepository(f"{self.name} has no {printable(path)}")
        yield path, top
        todo = [(path, catalog)] if top.is_directory else []
        while todo:
            parent, catalog = todo.pop()
            if parent in catalog.nested:
                if parent.count(b"/") > _MAX_COMPONENTS:
                    raise RepositoryError(f"{self.name} is deeper than {_MAX_COMPONENTS} directories")
                catalog = self.nested_in(catalog, parent)
            below = []
            for child in catalog.listdir(parent, hidden=hidden):
                where = parent + b"/" + child.name
                yield where, child
                if child.is_directory:
                    below.append((where, catalog))
            todo += reversed(below)

    def read(self, found: Entry, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file; fewer at its end. Raises `DigestMismatch` and what fetching raises."""
        if found.body is None:
            raise RepositoryError(f"{printable(found.name)!r} in {self.name} is no file")
        if found.flags & entry.EXTERNAL:
            raise RepositoryError(
                f"the content of {printable(found.name)!r} lies outside of {self.name}, which sampan does not read"
            )
        wanted = found.body.size if size is None else size
        parts = []
        for piece in entry.pieces(found.body, offset, wanted):
            content = self.contents.content(piece.hash, piece.suffix, found.body.compression, piece.size)
            parts.append(content if piece.stop - piece.start == len(content) else content[piece.start : piece.stop])
        return parts[0] if len(parts) == 1 else b"".join(parts)


_MAX_COMPONENTS = 4096
