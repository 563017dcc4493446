"""The servers of a repository and the proxies before them: which is asked, what happens when one fails.

Theory of operation. Servers are asked in their order, which `distance` may have changed; proxies by groups: those of one
group share the load, the next group is for when all of one fail. Whoever failed is left out for a while (a server 30
minutes, a proxy 5), then is first again; when all are left out, all are asked. An answer that does not have the right
hash is asked for once more past all caches, then elsewhere. A server that does not have an object may be a replica that is behind: the next one
is asked. When nobody answers, the same sentence is given for a few seconds without asking again, so that a program that
reads a thousand files does not wait a thousand times.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Callable, TypeVar

from sampan.cvmfs.client.web import Failed, Web
from sampan.errors import IntegrityError, NotInRepository, RepositoryError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cvmfs.client.site import Sources
    from sampan.cvmfs.hashing import Hash

_T = TypeVar("_T")
SERVER_PAUSE, PROXY_PAUSE = 1800.0, 300.0
DARK = 10.0
RETRIES = 1


class Servers:
    """Fetches, verifies by what the caller says, and goes on to the next; for many threads."""

    def __init__(self, fqrn: str, sources: Sources, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds, for tests."""
        self.fqrn = fqrn
        self.name = sources.urls[0] if sources.urls else fqrn
        self._urls = [url.rstrip("/") for url in sources.urls]
        self._groups = [_turned(group) for group in sources.proxies] or [(None,)]
        self._clock = clock
        self._lock = threading.Lock()
        self._failed_until: dict[object, float] = {}
        self._dark: tuple[float, str] = (0.0, "")
        self.web = Web(sources.direct_seconds, sources.proxy_seconds)

    @property
    def urls(self) -> tuple[str, ...]:
        """The servers in the order in which they are asked when all are well."""
        return tuple(self._urls)

    @property
    def proxies(self) -> tuple[str | None, ...]:
        """All proxies in their order; `None` for none."""
        return tuple(proxy for group in self._groups for proxy in group)

    def reorder(self, urls: list[str]) -> None:
        """Ask in this order from now on; those that are not named come last."""
        with self._lock:
            self._urls = [url for url in urls if url in self._urls] + [url for url in self._urls if url not in urls]

    def fetch(self, path: str, accept: Callable[[bytes], _T], *, fresh: bool = False) -> _T:
        """What `accept` makes of the bytes at a path below the repository; it raises `IntegrityError` for wrong ones.

        Raises `NotInRepository` if no server has it, `Unreachable` with each server's reason, `IntegrityError` if all lie.
        """
        until, said = self._dark
        if self._clock() < until:
            raise Unreachable(said, self._hint())
        reasons: list[str] = []
        missing, faults = 0, 0
        lies: IntegrityError | None = None
        for url in self._available(self._urls):
            try:
                return self._from_server(f"{url}/{path}", url, accept, fresh)
            except Failed as failure:
                reasons.append(f"{_host(url)} {failure.reason}")
                missing += failure.is_missing
                faults += not failure.is_missing
                if not failure.is_missing:
                    self._leave_out(url, SERVER_PAUSE)
            except IntegrityError as error:
                lies = error
                reasons.append(f"{_host(url)} sends something else")
                self._leave_out(url, SERVER_PAUSE)
        if missing and not faults and lies is None:
            raise NotInRepository(f"{path} is not in {self.fqrn} (asked: {', '.join(_host(url) for url in self._urls)})")
        if lies is not None and not faults:
            raise lies
        told = "; ".join(reasons) or "it has none"
        sentence = f"no server of {self.fqrn} gives {path}: {told}"
        if faults and not missing and lies is None:
            self._dark = (self._clock() + DARK, sentence)
        raise Unreachable(sentence, self._hint())

    def _from_server(self, url: str, server: str, accept: Callable[[bytes], _T], fresh: bool) -> _T:
        """By one proxy after the other. Raises `Failed`, `IntegrityError`."""
        last = Failed("has no proxy")
        for proxy in self._proxies_in_order():
            lied: IntegrityError | None = None
            for attempt in range(1 + RETRIES):
                try:
                    data = self.web.get(url, proxy, fresh=fresh or lied is not None)
                except Failed as failure:
                    last = failure
                    if failure.is_missing:
                        raise
                    if attempt == RETRIES and failure.at_proxy and proxy is not None:
                        self._leave_out((proxy,), PROXY_PAUSE)
                    continue
                try:
                    found = accept(data)
                except IntegrityError as error:
                    lied = error
                    continue
                self._is_well(server, (proxy,))
                return found
            if lied is not None:
                raise lied
            if not last.at_proxy:
                break
        raise last

    def _available(self, all_of_them: list[str]) -> list[str]:
        """Those that have not failed lately; then the others."""
        now = self._clock()
        with self._lock:
            well = [url for url in all_of_them if self._failed_until.get(url, 0.0) <= now]
        return well or list(all_of_them)

    def _proxies_in_order(self) -> Iterator[str | None]:
        now = self._clock()
        every = [proxy for group in self._groups for proxy in group]
        well = [proxy for proxy in every if self._failed_until.get((proxy,), 0.0) <= now]
        yield from well
        yield from (proxy for proxy in every if proxy not in well)

    def _leave_out(self, key: object, seconds: float) -> None:
        with self._lock:
            self._failed_until[key] = self._clock() + seconds

    def _is_well(self, *keys: object) -> None:
        if self._failed_until:
            with self._lock:
                for key in keys:
                    self._failed_until.pop(key, None)

    def _hint(self) -> str:
        by = [proxy for proxy in self.proxies if proxy]
        return (
            f"is this machine connected, and is the proxy {by[0]} right?" if by else "is this machine connected to the network?"
        )

    # The protocol `Objects`

    def get(self, hash: Hash, suffix: str = "") -> bytes:
        """The stored bytes of an object, not verified."""
        return self.fetch(hash.path(suffix), bytes)

    def has(self, hash: Hash, suffix: str = "") -> bool:
        """Whether some server has it."""
        try:
            self.get(hash, suffix)
        except NotInRepository:
            return False
        return True

    def get_root_file(self, name: str) -> bytes:
        """A signed file at the top. It changes, so caches on the way are asked to look."""
        return self.fetch(name, _not_empty(name), fresh=True)


def _not_empty(name: str) -> Callable[[bytes], bytes]:
    def accept(data: bytes) -> bytes:
        if not data:
            raise RepositoryError(f"{name} is empty")
        return data

    return accept


def _turned(group: tuple[str | None, ...]) -> tuple[str | None, ...]:
    """A group that starts at a random member, so that nodes share the load."""
    start = int.from_bytes(os.urandom(2), "big") % len(group) if group else 0
    return group[start:] + group[:start]


def _host(url: str) -> str:
    return url.split("/", 3)[2] if url.count("/") >= 2 else url
