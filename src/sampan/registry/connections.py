"""Connections to web servers: opened, through a proxy if need be, secured, used for one request after the other.

Theory of operation. `http1` (the standard library's http.client) knows the protocol; sockets are ours, so that each phase has
its own time-out and another thread can end a transfer. A connection that has given a whole answer is kept for the next
request to the same place. Servers close idle ones without a word: one that has data or an end to read is dropped, and if a kept one turns out to be
closed when it is used, the request goes once more over a new one (transport.py).

Not urllib3: importing it costs 57 ms, twice as long as skopeo takes for a whole push of what is known, and its retries,
redirects and decoding were switched off here (docs/adr/0006).
"""

from __future__ import annotations

import base64
import select
import socket
import threading
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from sampan.registry.http1 import Cut, Malformed, Response, request_head

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from sampan.registry.pacing import Limits

OK = 200


class ProxyFault(Exception):
    """The proxy itself fails: `status` is what it answered, 0 if it did not."""

    def __init__(self, status: int = 0) -> None:
        super().__init__(f"proxy: {status}")
        self.status = status


class ConnectTimeout(Exception):
    """No connection within its time; waiting for an answer is `socket.timeout`."""


class Way:
    """Where a connection leads and how: `context` is what TLS needs, `proxy` the URL of one, `proxy_context` its TLS."""

    __slots__ = ("context", "host", "port", "proxy", "proxy_context", "scheme")

    def __init__(self, url: str, proxy: str | None, context: ssl.SSLContext | None, proxy_context: ssl.SSLContext | None) -> None:
        parts = urlsplit(url)
        self.scheme = parts.scheme
        self.host = parts.hostname or ""
        self.port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        self.proxy = proxy
        self.context = context
        self.proxy_context = proxy_context

    @property
    def is_tunnel(self) -> bool:
        """Whether a proxy passes on bytes it cannot read; else it gets whole URLs."""
        return self.proxy is not None and self.scheme == "https"

    def proxy_headers(self) -> dict[str, str]:
        """Who we are for the proxy; empty without a password or a proxy."""
        parts = urlsplit(self.proxy or "")
        if not parts.username:
            return {}
        proof = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        return {"Proxy-Authorization": "Basic " + base64.b64encode(proof).decode()}


class Connection:
    """One connection, for one thread at a time; `end` may come from any."""

    def __init__(self, way: Way, limits: Limits) -> None:
        """Raises OSError, `ConnectTimeout`, `ProxyFault`, ssl.SSLError, UnicodeError for a host that can have no address."""
        self._way = way
        self._limits = limits
        self._socket = _secured(way, limits)
        self.was_used = False

    def ask(self, method: str, url: str, headers: dict[str, str], pieces: Iterable[bytes] | None, patience: float) -> Response:
        """Send a request and read the head of its answer, for which `patience` seconds are waited.

        Raises OSError, `Malformed`, `Cut`, `Unsendable`, and what `pieces` raises.
        """
        parts = urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        if self._way.proxy is not None and not self._way.is_tunnel:
            target = f"{parts.scheme}://{parts.netloc}{target}"
            headers = {**headers, **self._way.proxy_headers()}
        head = request_head(method, target, [("Host", _as_ascii(parts.netloc)), *headers.items()])
        self._socket.settimeout(self._limits.silence)
        try:
            self._socket.sendall(head)
            for piece in pieces or ():
                self._socket.sendall(piece)
        except BrokenPipeError:
            pass  # it has hung up on the body, perhaps with an answer that says why
        self._socket.settimeout(patience)
        response = Response(self._socket, method)
        self._socket.settimeout(self._limits.silence)
        self.was_used = True
        return response

    def is_alive(self) -> bool:
        """Whether an idle connection still stands: nothing to read, not even its end."""
        try:
            watcher = select.poll()
            watcher.register(self._socket, select.POLLIN)
            return not watcher.poll(0)
        except (OSError, ValueError):
            return False

    def end(self) -> None:
        """Let whoever reads or writes here fail at once."""
        with suppress(OSError):
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def close(self) -> None:
        """Give the socket back."""
        with suppress(OSError):
            self._socket.close()


class Pool:
    """Idle connections by where they lead; for many threads."""

    def __init__(self, limits: Limits, keep: int) -> None:
        """`keep` idle ones for each place."""
        self._limits = limits
        self._keep = keep
        self._lock = threading.Lock()
        self._idle: dict[object, list[Connection]] = {}

    def get(self, key: object, way: Callable[[], Way]) -> Connection:
        """An idle connection for this key, else a new one. Raises as `Connection`, and what `way` raises."""
        while True:
            with self._lock:
                idle = self._idle.get(key)
                found = idle.pop() if idle else None
            if found is None:
                return Connection(way(), self._limits)
            if found.is_alive():
                return found
            found.close()

    def new(self, way: Callable[[], Way]) -> Connection:
        """A connection that nobody has used."""
        return Connection(way(), self._limits)

    def put(self, key: object, connection: Connection) -> None:
        """Keep one whose answer has been read to its end."""
        with self._lock:
            idle = self._idle.setdefault(key, [])
            if len(idle) < self._keep:
                idle.append(connection)
                return
        connection.close()

    def clear(self) -> None:
        """Close all that are idle."""
        with self._lock:
            idle = [connection for connections in self._idle.values() for connection in connections]
            self._idle.clear()
        for connection in idle:
            connection.close()


def _secured(way: Way, limits: Limits) -> socket.socket:
    """A socket on which the server itself is spoken to."""
    if way.proxy is None:
        plain = _connected(way.host, way.port, limits)
    else:
        try:
            plain = _at_proxy(way, limits)
        except ProxyFault:
            raise
        except (OSError, ConnectTimeout, Malformed, Cut) as error:
            raise ProxyFault from error
    return plain if way.context is None else _wrapped(plain, way.context, way.host)


def _at_proxy(way: Way, limits: Limits) -> socket.socket:
    """A socket to the proxy, which passes bytes on if that is what is needed."""
    parts = urlsplit(way.proxy or "")
    plain = _connected(parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme], limits)
    secured = None if way.proxy_context is None else _wrapped(plain, way.proxy_context, parts.hostname or "")
    spoken_to = secured or plain
    if not way.is_tunnel:
        return spoken_to
    try:
        _open_tunnel(spoken_to, way)
    except BaseException:
        spoken_to.close()
        raise
    return plain if secured is None else _relayed(secured)


def _open_tunnel(plain: socket.socket, way: Way) -> None:
    goal = f"[{way.host}]:{way.port}" if ":" in way.host else f"{way.host}:{way.port}"
    plain.sendall(request_head("CONNECT", goal, [("Host", goal), *way.proxy_headers().items()]))
    # No byte beyond the head is read: the server does not speak first in TLS.
    response = Response(plain, "HEAD")
    response.close()
    if response.status != OK:
        raise ProxyFault(response.status)


def _as_ascii(netloc: str) -> str:
    """A host as the line `Host` has it; one of other scripts in the form that the name service knows."""
    return netloc if netloc.isascii() else netloc.encode("idna").decode("ascii")


def _connected(host: str, port: int, limits: Limits) -> socket.socket:
    try:
        found = socket.create_connection((host, port), timeout=limits.connect)
    except socket.timeout as error:
        raise ConnectTimeout from error
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _wrapped(plain: socket.socket, context: ssl.SSLContext, host: str) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except socket.timeout as error:
        plain.close()
        raise ConnectTimeout from error
    except BaseException:
        plain.close()
        raise


def _relayed(secured: ssl.SSLSocket) -> socket.socket:
    """A plain socket for TLS inside TLS, which Python's sockets cannot do: a thread passes the bytes on, both ways.

    One thread, because two must not use one TLS connection at the same time.
    """
    ours, theirs = socket.socketpair()
    secured.settimeout(None)
    threading.Thread(target=_pass_on, args=(secured, theirs), name="sampan-proxy", daemon=True).start()
    return ours


def _pass_on(secured: ssl.SSLSocket, plain: socket.socket) -> None:
    with secured, plain, suppress(OSError, ValueError):
        watcher = select.poll()
        for one in (secured, plain):
            watcher.register(one, select.POLLIN)
        while True:
            # TLS may hold bytes that the socket no longer shows.
            ready = [secured.fileno()] if secured.pending() else [descriptor for descriptor, _ in watcher.poll()]
            for descriptor in ready:
                source, goal = (secured, plain) if descriptor == secured.fileno() else (plain, secured)
                data = source.recv(65536)
                if not data:
                    return
                goal.sendall(data)
