"""A repository as a tree for the FUSE server: entries of catalogs as items, contents by pieces, magic attributes.

Inodes are made of paths (of the link group for hard links), so they are the same for every mount and every user: git and tar
see what they saw before. The numbers of entries below a nested catalog need no map, and nothing grows with what was
looked at.

Files appear as the caller's, as the official client shows them: owners of an image mean nothing here, and what belongs to an unmapped user
could not be copied up by an overlay.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from typing import TYPE_CHECKING, TypeVar

from sampan.cvmfs.entry import EXTERNAL, expand_target, pieces
from sampan.cvmfs.fuse.tree import Item, WouldWait
from sampan.cvmfs.hashing import path_key
from sampan.errors import NoSpace, NotInRepository, SampanError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cvmfs.catalog import Catalog
    from sampan.cvmfs.client.contents import CachedContents
    from sampan.cvmfs.entry import Entry, Piece
    from sampan.cvmfs.reader import Repository

MAGIC = (
    b"user.fqrn", b"user.revision", b"user.root_hash", b"user.host", b"user.proxy", b"user.tag", b"user.timestamp",
)  # fmt: skip
_T = TypeVar("_T")
_INODES = (1 << 63) - 1


class Place:
    """Where an item is: its entry, and for a directory its path and the catalog that has its row."""

    __slots__ = ("catalog", "entry", "path")

    def __init__(self, entry: Entry, path: bytes, catalog: Catalog | None) -> None:
        self.entry = entry
        self.path = path
        self.catalog = catalog


class LazyTree:
    """What the server asks, of one revision at a time. `complain` gets a sentence about what could not be read."""

    def __init__(
        self,
        repository: Repository,
        contents: CachedContents,
        *,
        complain: Callable[[str], None],
        claim: bool = True,
        xattrs: bool = True,
    ) -> None:
        """`claim`: everything belongs to the caller. Without `xattrs` there are none, which spares an overlay many questions."""
        self.repository = repository
        self.contents = contents
        self.touched: Callable[[bytes, Piece, str], None] | None = None
        """Told of each piece that is read: the file's path, the piece, its compression."""
        self._complain = complain
        self._owner = (os.getuid(), os.getgid()) if claim else None
        self._xattrs = xattrs
        self._environ = dict(os.environ)

    # The protocol `Tree`

    def root(self) -> Item:
        catalog = self.repository.root_catalog()
        entry = catalog.lookup(b"")
        if entry is None:
            raise NotInRepository(f"{self.repository.name} has no root directory")
        return self._item(entry, b"", catalog)

    def lookup(self, directory: Item, name: bytes, *, wait: bool) -> Item | None:
        def find() -> Item | None:
            place, catalog = self._inside(directory)
            path = place.path + b"/" + name
            entry = catalog.lookup(path)
            return None if entry is None else self._item(entry, path, catalog)

        return self._answer(find, wait, directory)

    def entries(self, directory: Item, *, wait: bool) -> Sequence[tuple[bytes, Item]]:
        def find() -> Sequence[tuple[bytes, Item]]:
            place, catalog = self._inside(directory)
            above = place.path + b"/"
            return [(entry.name, self._item(entry, above + entry.name, catalog)) for entry in catalog.listdir(place.path)]

        return self._answer(find, wait, directory)

    def read(self, item: Item, offset: int, size: int, *, wait: bool) -> bytes:
        place = _place(item)
        body = place.entry.body
        if body is None:
            raise OSError(errno.EINVAL, "no file")
        if place.entry.flags & EXTERNAL:
            self._complain(f"{_shown(item)}: its content lies outside of the repository, which sampan does not read")
            raise OSError(errno.EIO, "external")

        def fetch() -> bytes:
            parts = []
            for piece in pieces(body, offset, size):
                if self.touched is not None:
                    self.touched(place.path, piece, body.compression)
                found = self.contents.stored(piece.hash, piece.suffix, body.compression, piece.size)
                parts.append(found.read(piece.start, piece.stop - piece.start))
            return parts[0] if len(parts) == 1 else b"".join(parts)

        return self._answer(fetch, wait, item)

    def link(self, item: Item) -> bytes:
        target = _place(item).entry.target
        return expand_target(target, self._environ) if b"$(" in target else target

    def attribute(self, item: Item, name: bytes, *, wait: bool) -> bytes | None:  # noqa: ARG002 - never waits
        if not self._xattrs:
            raise OSError(errno.ENOSYS, "none here")
        for known, value in _place(item).entry.xattrs:
            if known == name:
                return value
        return self._magic(item, name) if name.startswith(b"user.") else None

    def attributes(self, item: Item) -> Sequence[bytes]:
        if not self._xattrs:
            raise OSError(errno.ENOSYS, "none here")
        place = _place(item)
        names = [name for name, _ in place.entry.xattrs]
        return [*names, *MAGIC] if place.catalog is not None and not place.path else names

    def space(self) -> tuple[int, int]:
        counts = self.repository.root_catalog().statistics.total
        return counts["file_size"], sum(counts[name] for name in ("regular", "symlink", "special", "dir"))

    # Inside

    def change(self, repository: Repository) -> None:
        """Another revision from now on; items of the old one stay readable."""
        self.repository = repository

    def item_at(self, path: bytes) -> Item | None:
        """The item of a path in the current revision."""
        catalog = self.repository.catalog_of(path)
        entry = catalog.lookup(path)
        return None if entry is None else self._item(entry, path, catalog)

    def _inside(self, directory: Item) -> tuple[Place, Catalog]:
        """Where a directory's entries are: behind a transition that is in the nested catalog."""
        place = _place(directory)
        if place.catalog is None:
            raise OSError(errno.ENOTDIR, "no directory")
        if place.path in place.catalog.nested:
            return place, self.repository.nested_in(place.catalog, place.path)
        return place, place.catalog

    def _item(self, entry: Entry, path: bytes, catalog: Catalog) -> Item:
        is_directory = stat.S_ISDIR(entry.mode)
        if entry.group:
            key = b"%s\0%s\0%d" % (catalog.mountpoint, path.rpartition(b"/")[0], entry.group)
            inode = int.from_bytes(hashlib.md5(key, usedforsecurity=False).digest()[:8], "little") & _INODES
        else:
            inode = path_key(path)[0] & _INODES
        size = len(entry.target) if stat.S_ISLNK(entry.mode) else entry.size
        keeps_path = is_directory or self.touched is not None
        place = Place(entry, path if keeps_path else b"", catalog if is_directory else None)
        # The row of a directory says nothing of what is in it, and a nested one has another row in its own catalog.
        item = Item(inode or 1, entry.mode, size, entry[:11] if is_directory else entry, place)
        item.links = entry.links
        item.uid, item.gid = self._owner or (entry.uid, entry.gid)
        item.seconds, item.nanoseconds = divmod(entry.mtime, 1_000_000_000)
        item.device = entry.device
        return item

    def _answer(self, ask: Callable[[], _T], wait: bool, item: Item) -> _T:
        """What `ask` gives; errors as numbers that a program understands, told in the log."""
        self.contents.must_not_wait(not wait)
        try:
            return ask()
        except WouldWait:
            raise
        except SampanError as error:
            self._complain(f"{_shown(item)}: {error.sentence}")
            raise OSError(number_of(error), error.sentence) from error
        finally:
            self.contents.must_not_wait(False)

    def _magic(self, item: Item, name: bytes) -> bytes | None:
        manifest, entry, servers = self.repository.manifest, _place(item).entry, self.contents.servers
        body = entry.body
        values: dict[bytes, Callable[[], str]] = {
            b"user.fqrn": lambda: manifest.fqrn,
            b"user.revision": lambda: str(manifest.revision),
            b"user.root_hash": lambda: manifest.root.text,
            b"user.timestamp": lambda: str(manifest.timestamp),
            b"user.host": lambda: servers.urls[0],
            b"user.proxy": lambda: servers.proxies[0] or "DIRECT",
            b"user.rx": lambda: str(servers.web.received),
            b"user.ndownload": lambda: str(servers.web.requests),
            b"user.maxfd": lambda: str(os.sysconf("SC_OPEN_MAX")),
            b"user.pid": lambda: str(os.getpid()),
        }
        if body is not None:
            values[b"user.hash"] = lambda: "" if body.hash is None else body.hash.text
            values[b"user.chunks"] = lambda: str(max(len(body.chunks), 1))
            values[b"user.compression"] = lambda: body.compression
            values[b"user.chunk_list"] = lambda: "".join(f"{c.hash},{c.offset},{c.size}\n" for c in body.chunks)
        if name == b"user.tag":
            return next((tag.name for tag in self.repository.history if tag.root == manifest.root), "trunk").encode()
        found = values.get(name)
        return None if found is None else found().encode()


def _place(item: Item) -> Place:
    place = item.place
    if not isinstance(place, Place):
        raise OSError(errno.ESTALE, "not an item of a repository")
    return place


def _shown(item: Item) -> str:
    place = _place(item)
    return (place.path or place.entry.name).decode("utf-8", "backslashreplace") or "/"


def number_of(error: SampanError) -> int:
    """What a program sees of an error: I/O error for all that may pass or is broken, no space where that is it."""
    return errno.ENOSPC if isinstance(error, NoSpace) else errno.EIO
