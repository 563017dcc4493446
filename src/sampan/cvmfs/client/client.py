"""A repository to read from, lazily: what programs use, and what mounts, bundles and listings are made of.

```python
with open_client(read_site("sw.example.org")) as client:
    client.stat("/tools/bin/x").size
    with client.open("/tools/data.bin") as file:
        file.seek(1 << 30); file.read(4096)        # fetches the one piece that holds it
```
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from sampan.cvmfs.client.cache import Cache
from sampan.cvmfs.client.contents import CachedContents
from sampan.cvmfs.client.distance import by_distance
from sampan.cvmfs.client.servers import Servers
from sampan.cvmfs.entry import EXTERNAL, expand_target, pieces
from sampan.cvmfs.hashing import Hash
from sampan.cvmfs.keys import public_keys
from sampan.cvmfs.reader import Repository
from sampan.errors import NotInRepository, RepositoryError, UsageError, printable
from sampan.events import SILENT_NOTICE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from sampan.cvmfs.client.site import Site
    from sampan.cvmfs.entry import Entry
    from sampan.cvmfs.keys import PublicKey
    from sampan.events import Notice

MAX_LINKS = 40
MEGABYTE = 1000000


def open_client(site: Site, *, offline: bool = False, notice: Notice = SILENT_NOTICE) -> Client:
    """A repository by what a site says of it.

    Raises `UsageError` if servers or keys are not known, `Unreachable`, `RepositoryError`, `NotInRepository`, `HostError` for the cache.
    """
    if not site.sources.urls and not offline:
        raise UsageError(
            f"no server of {site.fqrn} is known here",
            "give its address (--url http://HOST/cvmfs/NAME), or set cvmfs_servers; /etc/cvmfs is read, too",
        )
    keys = _keys(site)
    cache = Cache(site.alien, 0, shared=True) if site.alien else Cache(site.cache, site.quota * MEGABYTE)
    servers = Servers(site.fqrn, site.sources)
    contents = CachedContents(servers, cache, offline=offline, say=notice.warn)
    try:
        if not offline:
            servers.reorder(by_distance(servers, geo=site.geo))
        repository = Repository.open(servers, keys, fqrn=site.fqrn, contents=contents, scratch=cache.directory)
        contents.remember()
        if site.root or site.tag:
            repository = repository.at(Hash.parse(site.root) if site.root else site.tag)
    except BaseException:
        contents.forget()
        servers.web.close()
        raise
    return Client(site, repository, contents)


def _keys(site: Site) -> tuple[PublicKey, ...]:
    if not site.keys:
        raise UsageError(
            f"no public key of {site.fqrn} is known here, so nothing of it could be verified",
            "put it as NAME.pub into ~/.config/sampan/keys, or name its file or directory with the setting repo_keys",
        )
    return tuple(key for place in site.keys for key in public_keys(place, site.fqrn))


class Client:
    """A repository with its cache; for many threads. Paths are absolute in the repository, text or bytes."""

    def __init__(self, site: Site, repository: Repository, contents: CachedContents) -> None:
        """Use `open_client`."""
        self.site = site
        self.repository = repository
        self.contents = contents

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close connections and files."""
        self.contents.forget()
        self.contents.servers.web.close()

    @property
    def is_pinned(self) -> bool:
        """Whether one state was asked for, or none is to follow."""
        return bool(self.site.root or self.site.tag or not self.site.refresh or self.contents.offline)

    def refresh(self) -> bool:
        """Go on with a newer revision if there is one. Raises as `open_client`."""
        if self.is_pinned:
            return False
        newer = self.repository.refresh()
        self.contents.remember()
        if newer is None:
            return False
        self.repository = newer
        return True

    def follow(self, path: str | bytes) -> tuple[bytes, Entry]:
        """Where a path leads through symbolic links, and what is there. Raises `NotInRepository`, `RepositoryError`."""
        parts = _parts(path)
        here: list[bytes] = []
        links = 0
        entry = self._entry(b"")
        while parts:
            part = parts.pop(0)
            if part == b"..":
                here = here[:-1]
                continue
            where = b"/" + b"/".join([*here, part])
            entry = self._entry(where)
            if not entry.is_symlink:
                here.append(part)
                continue
            links += 1
            if links > MAX_LINKS:
                raise RepositoryError(f"{printable(path)} in {self.repository.name} has too many symbolic links")
            target = expand_target(entry.target, os.environ)
            own = f"/cvmfs/{self.repository.name}/".encode()
            if target.startswith(b"/"):
                if not (target + b"/").startswith(own):
                    raise NotInRepository(f"{printable(where)} in {self.repository.name} leads out of it, to {printable(target)}")
                target, here = target[len(own) :], []
            parts = _parts(target) + parts
        found = b"".join(b"/" + part for part in here)
        return found, self._entry(found)

    def _entry(self, path: bytes) -> Entry:
        entry = self.repository.lookup(path)
        if entry is None:
            raise NotInRepository(f"{self.repository.name} has no {printable(path)}", "`sampan repo ls` shows what is there")
        return entry

    def stat(self, path: str | bytes, *, follow: bool = True) -> Entry:
        """What the repository says of a path. Raises `NotInRepository`."""
        return self.follow(path)[1] if follow else self._entry(b"".join(b"/" + part for part in _parts(path)))

    def walk(self, path: str | bytes = b"") -> Iterator[tuple[bytes, Entry]]:
        """Absolute path and entry of everything from a path on, parents first."""
        return self.repository.walk(self.follow(path)[0])

    def read(self, path: str | bytes, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file; only the pieces that hold them are fetched."""
        return self.read_entry(self.stat(path), offset, size)

    def read_entry(self, entry: Entry, offset: int = 0, size: int | None = None) -> bytes:
        """The same for an entry."""
        body = entry.body
        if body is None or entry.flags & EXTERNAL:
            what = "is no file" if body is None else "has its content outside of the repository"
            raise RepositoryError(f"{printable(entry.name)!r} in {self.repository.name} {what}")
        parts = []
        for piece in pieces(body, offset, body.size if size is None else size):
            found = self.contents.stored(piece.hash, piece.suffix, body.compression, piece.size)
            parts.append(found.read(piece.start, piece.stop - piece.start))
        return b"".join(parts)

    def open(self, path: str | bytes) -> io.BufferedReader:
        """A file to read and seek in."""
        return io.BufferedReader(_File(self, self.stat(path)), 128 * 1024)


class _File(io.RawIOBase):
    """Reads by range."""

    def __init__(self, client: Client, entry: Entry) -> None:
        if entry.body is None:
            raise RepositoryError(f"{printable(entry.name)!r} in {client.repository.name} is no file")
        self._client = client
        self._entry = entry
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._entry.size}[whence], 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._client.read_entry(self._entry, self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _parts(path: str | bytes) -> list[bytes]:
    raw = os.fsencode(path) if isinstance(path, str) else path
    return [part for part in raw.split(b"/") if part not in (b"", b".")]
