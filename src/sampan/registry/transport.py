"""One request, one answer: time-outs, TLS, proxies and redirects over connections of our own.

- A redirect is followed for GET and HEAD, five times at most, never from https to http, and once the way leaves the
  origin (scheme, host and port) nothing but the names in `_TRAVELLING` goes with it, nor does anything come back.
- The body comes as it was stored, so that its digest can be verified.
- What may pass is raised as `Transient`; whoever knows what to do again counts the tries.

Each host has its own rules of TLS. Our own certificate is a credential too: it does not go to another origin.
"""

from __future__ import annotations

import threading
from urllib.parse import urljoin, urlsplit

from sampan import __version__
from sampan.errors import ProtocolError, Unreachable, printable
from sampan.registry.addresses import origin_of
from sampan.registry.certificates import CertificateDirectories
from sampan.registry.connections import ConnectTimeout, Pool, ProxyFault, Way
from sampan.registry.failures import connection_failure
from sampan.registry.headers import Headers
from sampan.registry.http1 import Cut, Malformed, Unsendable
from sampan.registry.pacing import Clock, Limits, Tries
from sampan.registry.proxy import proxy_for
from sampan.registry.remarks import Remarks
from sampan.registry.tls import USUAL, TlsRules, client_context
from sampan.values import field, frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Self

    from sampan.events import Notice
    from sampan.registry.connections import Connection
    from sampan.registry.http1 import Response

PIECE = 256 * 1024
"""Bytes read at a time: larger ones are not faster, and up to this much is lost when a connection breaks."""
MAX_REFUSAL = 64 * 1024

_REDIRECTS = (301, 302, 303, 307, 308)
_TRAVELLING = ("accept", "accept-encoding", "range", "user-agent")
_FAULTS = (OSError, Malformed, Cut, Unsendable, ProxyFault, ConnectTimeout, UnicodeError)
"""What connections raise; UnicodeError is for a host that can have no address."""


@frozen
class Body:
    """What is sent: so many bytes, in pieces that can be given again if the request has to be repeated."""

    length: int
    pieces: Callable[[], Iterable[bytes]]

    @classmethod
    def of(cls, data: bytes) -> Body:
        """A body that is at hand."""
        return cls(len(data), lambda: (data,))


@frozen
class Request:
    """A method, a URL and headers; the URL's origin is where credentials in the headers belong.

    `tls`: the rules for the URL's host, where they are not those of its certs.d. `is_last_word`: goes out even after `stop`.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    redirects: bool = True
    body: Body | None = None
    tls: TlsRules | None = None
    is_last_word: bool = False


class Answer:
    """Status, headers and a body that has not been read. To be closed; a `with` statement does it.

    `strayed` says that a redirect led to another origin, so status and challenges are not the registry's own.
    """

    def __init__(self, transport: Transport, line: _Line, host: str, *, strayed: bool) -> None:
        self._transport = transport
        self._line = line
        self._response = line.response
        self.status = line.response.status
        self.headers = Headers(line.response.headers)
        self.host = host
        self.strayed = strayed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def values(self, header: str) -> list[str]:
        """All values of a header that may stand several times."""
        return self.headers.getlist(header)

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives. Raises `Transient` if it is cut or stalls."""
        while True:
            try:
                piece = self._response.read(PIECE)
            except (OSError, Malformed, Cut) as error:
                self._transport.check_running()
                raise connection_failure(error, self.host, self._transport.limits) from error
            if not piece:
                self._transport.check_running()
                return
            yield piece

    def read(self, limit: int, what: str) -> bytes:
        """The whole body. Raises `ProtocolError` if it has more than `limit` bytes."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > limit:
                raise ProtocolError(f"{what} has more than {limit} bytes")
        return bytes(body)

    def first_bytes(self) -> bytes:
        """The beginning of a refusal's body; what cannot be read counts as empty."""
        body = bytearray()
        try:
            for piece in self.pieces():
                body += piece
                if len(body) >= MAX_REFUSAL:
                    break
        except Exception:  # noqa: BLE001 - the status says enough
            return bytes(body)
        return bytes(body)

    def close(self) -> None:
        """Keep the connection for later if the body has been read to its end, else drop it."""
        self._transport.release(self._line)


class _Line:
    """A connection with an answer under way; `key` is where it belongs among the idle ones."""

    __slots__ = ("connection", "key", "response")

    def __init__(self, key: object, connection: Connection, response: Response) -> None:
        self.key = key
        self.connection = connection
        self.response = response


class Transport:
    """Connections for many threads at once; `stop` ends all that is under way."""

    def __init__(
        self,
        notice: Notice,
        environ: Mapping[str, str],
        *,
        limits: Limits | None = None,
        clock: Clock | None = None,
        parallel: int = 4,
    ) -> None:
        """`parallel` connections a host are kept open. Raises `BadSetting` for an unusable SSL_CERT_FILE, at the first use."""
        self.limits = limits or Limits()
        self.clock = clock or Clock()
        self.notice = notice
        self._remarks = Remarks(notice)
        self._environ = environ
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._pool = Pool(self.limits, parallel)
        self.certificates = CertificateDirectories(environ, notice)
        self._contexts: dict[TlsRules, ssl.SSLContext] = {}
        self._busy: set[Connection] = set()

    def tries(self) -> Tries:
        """The tries of one piece of work."""
        return Tries(self.limits, self.clock, self.notice, self._stop)

    def send(self, request: Request) -> Answer:
        """Ask once, following redirects. Raises `Transient`, or the error that trying again would not mend."""
        headers = {"User-Agent": f"sampan/{__version__}", "Accept-Encoding": "identity", **request.headers}
        url, home, strayed = request.url, origin_of(request.url), False
        rules = request.tls
        for _ in range(self.limits.redirects + 1):
            line = self._ask(request, url, headers, self._rules(url) if rules is None else rules)
            answer = Answer(self, line, urlsplit(url).netloc, strayed=strayed)
            self._remarks.hear(answer.host, answer.headers, is_registry=not strayed)
            if answer.status not in _REDIRECTS or not request.redirects or request.method not in ("GET", "HEAD"):
                return answer
            answer.first_bytes()
            answer.close()
            url = target_of(url, answer.headers.get("Location"))
            if not strayed and origin_of(url) != home:
                strayed = True
                headers = {name: value for name, value in headers.items() if name.lower() in _TRAVELLING}
            if strayed:
                rules = self._rules(url).without_own()
            self.notice.debug(f"{answer.host} redirects to {urlsplit(url).netloc}")
        raise ProtocolError(f"{urlsplit(request.url).netloc} redirects more than {self.limits.redirects} times")

    def is_direct(self, url: str) -> bool:
        """Whether `url` is reached without a proxy."""
        return proxy_for(url, self._environ) is None

    def stop(self) -> None:
        """End all requests of all threads: each raises its error soon, none is tried again."""
        self._stop.set()
        with self._lock:
            busy = list(self._busy)
        for connection in busy:
            connection.end()

    def go_on(self) -> None:
        """Take requests again after `stop`."""
        self._stop.clear()

    def close(self) -> None:
        """Drop the connections that are kept open."""
        self._pool.clear()

    def check_running(self) -> None:
        """Raises `Unreachable` after `stop`."""
        if self._stop.is_set():
            raise Unreachable("the transfer was stopped")

    def release(self, line: _Line) -> None:
        """An answer is done with: its connection is kept, or dropped if there may be more of it on the way."""
        with self._lock:
            if line.connection not in self._busy:
                return
            self._busy.discard(line.connection)
        is_whole = line.response.is_reusable and not self._stop.is_set()
        line.response.close()
        if is_whole:
            self._pool.put(line.key, line.connection)
        else:
            line.connection.close()

    def _rules(self, url: str) -> TlsRules:
        parts = urlsplit(url)
        return self.certificates.rules(parts.netloc) if parts.scheme == "https" else USUAL

    def _ask(self, request: Request, url: str, headers: Mapping[str, str], rules: TlsRules) -> _Line:
        proxy = proxy_for(url, self._environ)
        key = (origin_of(url), proxy, rules)
        host = urlsplit(url).netloc
        connection: Connection | None = None
        try:
            connection = self._pool.get(key, lambda: self._way(url, proxy, rules))
            try:
                return self._use(key, connection, request, (url, headers))
            except (ConnectionError, Cut):
                # A kept one that the server had closed. Not with a body: part of it may have arrived.
                if not connection.was_used or request.body is not None or self._stop.is_set():
                    raise
                self._drop(connection)
                connection = self._pool.new(lambda: self._way(url, proxy, rules))
                return self._use(key, connection, request, (url, headers))
        except _FAULTS as error:
            self._drop(connection)
            if not request.is_last_word:
                self.check_running()
            raise connection_failure(error, host, self.limits) from error
        except BaseException:
            self._drop(connection)
            raise

    def _use(self, key: object, connection: Connection, request: Request, sent: tuple[str, Mapping[str, str]]) -> _Line:
        url, given = sent
        headers = dict(given)
        patience = self.limits.silence
        pieces = None
        with self._lock:
            self._busy.add(connection)
        if not request.is_last_word:  # after it became one of those that `stop` ends
            self.check_running()
        if request.body is not None:
            headers["Content-Length"] = str(request.body.length)
            pieces, patience = self._watched(request.body), self.limits.commit
        elif request.method in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = "0"
        return _Line(key, connection, connection.ask(request.method, url, headers, pieces, patience))

    def _drop(self, connection: Connection | None) -> None:
        if connection is not None:
            with self._lock:
                self._busy.discard(connection)
            connection.close()

    def _watched(self, body: Body) -> Iterator[bytes]:
        for piece in body.pieces():
            self.check_running()
            yield piece

    def _way(self, url: str, proxy: str | None, rules: TlsRules) -> Way:
        """How to get there: without https the authorities are never read (30 ms)."""
        context = self._context(rules) if urlsplit(url).scheme == "https" else None
        at_proxy = self._context(USUAL) if proxy is not None and urlsplit(proxy).scheme == "https" else None
        return Way(url, proxy, context, at_proxy)

    def _context(self, rules: TlsRules) -> ssl.SSLContext:
        with self._lock:
            if rules not in self._contexts:
                self._contexts[rules] = client_context(self._environ, rules)
            return self._contexts[rules]


def target_of(url: str, location: str | None) -> str:
    """Where an answer's `Location` leads from `url`. Raises `ProtocolError` if it must not be followed."""
    host = urlsplit(url).netloc
    if not location:
        raise ProtocolError(f"{host} redirects without saying where to")
    try:
        target = urljoin(url, location)
    except ValueError as error:
        raise ProtocolError(f"{host} redirects to {printable(location[:200])!r}, which is no URL") from error
    if urlsplit(url).scheme == "https" and origin_of(target)[0] != "https":
        raise ProtocolError(f"{host} redirects from TLS to plain http, at {printable(urlsplit(target).netloc[:200])}")
    return target
