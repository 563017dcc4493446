"""One object from one server, directly or by one proxy: bytes, or why not and whose fault it was.

Time-outs bound each phase, and a transfer that is slower than 1 kB/s over a whole time-out counts as stalled: a server that drips
must not hold up a job for ever.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import TYPE_CHECKING

from sampan import __version__
from sampan.cvmfs.client.site import DIRECT_SECONDS, PROXY_SECONDS
from sampan.errors import printable
from sampan.registry.connections import Connection, ConnectTimeout, Pool, ProxyFault, Way
from sampan.registry.http1 import Cut, Malformed, Unsendable
from sampan.registry.pacing import Limits

if TYPE_CHECKING:
    import ssl

PIECE = 256 * 1024
MAX_SIZE = 1 << 30
SLOWEST = 1024.0
"""Bytes a second."""
KEPT = 16
"""Idle connections to each place."""
_MISSING = (403, 404, 410)
_AT_PROXY = (407, 502, 503, 504)
_WORDS = {
    errno.ECONNREFUSED: "refuses the connection",
    errno.ECONNRESET: "cut the connection",
    errno.EHOSTUNREACH: "cannot be reached",
    errno.ENETUNREACH: "cannot be reached: no network",
}


class Failed(Exception):
    """A request that failed: `reason` follows the name of the server, as in `refuses the connection`.

    `at_proxy`: the proxy is to be blamed; `is_missing`: the server answers, and does not have it.
    """

    def __init__(self, reason: str, *, at_proxy: bool = False, is_missing: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at_proxy = at_proxy
        self.is_missing = is_missing


class Web:
    """Connections that are kept for the next request, for many threads."""

    def __init__(self, direct: float = DIRECT_SECONDS, by_proxy: float = PROXY_SECONDS) -> None:
        """Seconds without an answer after which a server, or a proxy, is given up."""
        self._seconds = {False: direct, True: by_proxy}
        self._limits = {key: Limits(connect=seconds, silence=seconds) for key, seconds in self._seconds.items()}
        self._pools = {key: Pool(limits, KEPT) for key, limits in self._limits.items()}
        self._context: ssl.SSLContext | None = None
        self.received = 0
        """Bytes of bodies so far."""
        self.requests = 0

    def get(self, url: str, proxy: str | None, *, fresh: bool = False) -> bytes:
        """The body. `fresh`: caches on the way shall ask the server. Raises `Failed`."""
        key = (url.split("/", 3)[:3], proxy)
        pool = self._pools[proxy is not None]
        seconds = self._seconds[proxy is not None]
        headers = {"User-Agent": f"sampan/{__version__}", "Accept-Encoding": "identity"}
        if fresh:
            headers.update({"Cache-Control": "no-cache", "Pragma": "no-cache"})
        self.requests += 1
        try:
            connection = pool.get(str(key), lambda: self._way(url, proxy))
            try:
                try:
                    data, keep = self._ask(connection, url, headers, seconds, proxy is not None)
                except (Cut, OSError) as error:
                    if not connection.was_used or isinstance(error, socket.timeout):
                        raise
                    connection.close()
                    connection = pool.new(lambda: self._way(url, proxy))  # an idle one that the server has closed
                    data, keep = self._ask(connection, url, headers, seconds, proxy is not None)
            except BaseException:
                connection.close()
                raise
        except (OSError, ConnectTimeout, ProxyFault, Malformed, Cut, Unsendable, UnicodeError) as error:
            raise _failed(error, by_proxy=proxy is not None, seconds=seconds) from error
        if keep:
            pool.put(str(key), connection)
        else:
            connection.close()
        return data

    def _ask(
        self, connection: Connection, url: str, headers: dict[str, str], seconds: float, by_proxy: bool
    ) -> tuple[bytes, bool]:
        response = connection.ask("GET", url, headers, None, seconds)
        try:
            if response.status in _MISSING:
                raise Failed(f"does not have it ({response.status})", is_missing=True)
            if response.status != 200:
                at_proxy = by_proxy and response.status in _AT_PROXY
                raise Failed(f"answers {response.status}", at_proxy=at_proxy)
            pieces, length, begin = [], 0, time.monotonic()
            while piece := response.read(PIECE):
                pieces.append(piece)
                length += len(piece)
                if length > MAX_SIZE:
                    raise Failed(f"sends more than {MAX_SIZE // 1000000} MB")
                passed = time.monotonic() - begin
                if passed > seconds and length < passed * SLOWEST:
                    raise Failed("sends too slowly", at_proxy=by_proxy)
            self.received += length
            return b"".join(pieces), response.is_reusable
        finally:
            response.close()

    def _way(self, url: str, proxy: str | None) -> Way:
        context = None
        if url.startswith("https:"):
            if self._context is None:
                import ssl

                self._context = ssl.create_default_context()
            context = self._context
        return Way(url, proxy, context, None)

    def close(self) -> None:
        """Close idle connections."""
        for pool in self._pools.values():
            pool.clear()


def _failed(error: BaseException, *, by_proxy: bool, seconds: float) -> Failed:
    """What a fault of a connection means."""
    if isinstance(error, ProxyFault):
        status = f" ({error.status})" if error.status else ""
        return Failed(f"its proxy does not answer{status}", at_proxy=True)
    if isinstance(error, (ConnectTimeout, socket.timeout)):
        return Failed(f"does not answer within {seconds:g} s", at_proxy=by_proxy)
    if isinstance(error, socket.gaierror):
        return Failed("has no address here")
    if isinstance(error, Cut):
        return Failed("cut the connection", at_proxy=by_proxy)
    if isinstance(error, Malformed):
        return Failed("does not answer as a web server does", at_proxy=by_proxy)
    if isinstance(error, OSError) and error.errno is not None:
        return Failed(_WORDS.get(error.errno, os.strerror(error.errno)))
    return Failed(printable(str(error)[:200]) or type(error).__name__)
