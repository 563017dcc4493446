"""One request, one answer: connections, time-outs, TLS, proxies and redirects over urllib3.

urllib3 is told to follow no redirect, repeat nothing and decode nothing, because its rules for that are not ours:

- a redirect is followed for GET and HEAD, five times at most, never from https to http, and once the way leaves the
  origin (scheme, host and port) nothing but the names in `_TRAVELLING` goes with it, nor does anything come back;
- the body comes as it was stored, so that its digest can be verified;
- what may pass is raised as `Transient`; whoever knows what to do again counts the tries.

Each host has its own rules of TLS. Our own certificate is a credential too: it does not go to another origin.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InsecureRequestWarning
from urllib3.util import Timeout, make_headers

from sampan import __version__
from sampan.errors import ProtocolError, Unreachable, printable
from sampan.registry.addresses import origin_of
from sampan.registry.certificates import CertificateDirectories
from sampan.registry.failures import connection_failure
from sampan.registry.pacing import Clock, Limits, Tries
from sampan.registry.proxy import proxy_for
from sampan.registry.remarks import Remarks
from sampan.registry.tls import USUAL, TlsRules, client_context

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Self

    from sampan.events import Notice

PIECE = 256 * 1024
"""Bytes read at a time: larger ones are not faster, and up to this much is lost when a connection breaks."""
MAX_REFUSAL = 64 * 1024

_REDIRECTS = (301, 302, 303, 307, 308)
_TRAVELLING = ("accept", "accept-encoding", "range", "user-agent")


@dataclass(frozen=True)
class Body:
    """What is sent: so many bytes, in pieces that can be given again if the request has to be repeated."""

    length: int
    pieces: Callable[[], Iterable[bytes]]

    @classmethod
    def of(cls, data: bytes) -> Body:
        """A body that is at hand."""
        return cls(len(data), lambda: (data,))


@dataclass(frozen=True)
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

    def __init__(self, transport: Transport, response: urllib3.BaseHTTPResponse, host: str, *, strayed: bool) -> None:
        self._transport = transport
        self._response = response
        self.status = response.status
        self.headers = response.headers
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
                piece = self._response.read(PIECE, decode_content=False)
            except (HTTPError, OSError) as error:
                self._transport.check_running()
                raise connection_failure(error, self.host, self._transport.limits) from error
            except ValueError:
                self._transport.check_running()  # `stop` took the TLS socket away under a read
                raise
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
        """Give the connection back if the body has been read to its end, else drop it."""
        self._transport.forget(self._response)
        self._response.release_conn() if self._response.closed else self._response.close()


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
        self.certificates = CertificateDirectories(environ, notice)
        self._remarks = Remarks(notice)
        self._environ = environ
        self._parallel = parallel
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._managers: dict[tuple[str, str | None, TlsRules], urllib3.PoolManager] = {}
        self._open_responses: set[urllib3.BaseHTTPResponse] = set()

    def tries(self) -> Tries:
        """The tries of one piece of work."""
        return Tries(self.limits, self.clock, self.notice, self._stop)

    def send(self, request: Request) -> Answer:
        """Ask once, following redirects. Raises `Transient`, or the error that trying again would not mend."""
        headers = {"User-Agent": f"sampan/{__version__}", "Accept-Encoding": "identity", **request.headers}
        url, home, strayed = request.url, origin_of(request.url), False
        rules = request.tls
        for _ in range(self.limits.redirects + 1):
            response = self._ask(request, url, headers, rules)
            answer = Answer(self, response, urlsplit(url).netloc, strayed=strayed)
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
            responses = list(self._open_responses)
        for response in responses:
            try:
                response.shutdown()
            except (OSError, ValueError, RuntimeError):  # already closed, or between two states
                continue

    def go_on(self) -> None:
        """Take requests again after `stop`."""
        self._stop.clear()

    def close(self) -> None:
        """Drop the connections that are kept open."""
        with self._lock:
            for manager in self._managers.values():
                manager.clear()
            self._managers.clear()

    def check_running(self) -> None:
        """Raises `Unreachable` after `stop`."""
        if self._stop.is_set():
            raise Unreachable("the transfer was stopped")

    def forget(self, response: urllib3.BaseHTTPResponse) -> None:
        """A response is done with."""
        with self._lock:
            self._open_responses.discard(response)

    def _rules(self, url: str) -> TlsRules:
        parts = urlsplit(url)
        return self.certificates.rules(parts.netloc) if parts.scheme == "https" else USUAL

    def _ask(self, request: Request, url: str, headers: Mapping[str, str], rules: TlsRules | None) -> urllib3.BaseHTTPResponse:
        if not request.is_last_word:
            self.check_running()
        host = urlsplit(url).netloc
        manager = self._manager(url, self._rules(url) if rules is None else rules)
        options: dict[str, object] = {}
        if request.body is not None:
            headers = {**headers, "Content-Length": str(request.body.length)}
            # While a body is sent, urllib3 waits for the peer no longer than a connection may take: too short for slow lines.
            options = {"body": self._watched(request.body), "timeout": Timeout(self.limits.silence, self.limits.commit)}
        try:
            response = manager.urlopen(
                request.method, url, headers=headers, redirect=False, retries=False, preload_content=False,
                decode_content=False, **options,
            )  # fmt: skip
        except (HTTPError, OSError, UnicodeError) as error:
            if not request.is_last_word:
                self.check_running()
            raise connection_failure(error, host, self.limits) from error
        with self._lock:
            self._open_responses.add(response)
        if self._stop.is_set() and not request.is_last_word:  # `stop` may have missed this one
            response.close()
            self.check_running()
        return response

    def _watched(self, body: Body) -> Iterator[bytes]:
        for piece in body.pieces():
            self.check_running()
            yield piece

    def _manager(self, url: str, rules: TlsRules) -> urllib3.PoolManager:
        """The connections for a URL's scheme, proxy and rules: without https the authorities are never read (30 ms)."""
        scheme = urlsplit(url).scheme
        key = (scheme, proxy_for(url, self._environ), rules if scheme == "https" else USUAL)
        with self._lock:
            if key not in self._managers:
                self._managers[key] = self._new_manager(*key)
            return self._managers[key]

    def _new_manager(self, scheme: str, proxy: str | None, rules: TlsRules) -> urllib3.PoolManager:
        timeout = Timeout(connect=self.limits.connect, read=self.limits.silence)
        context = client_context(self._environ, rules) if scheme == "https" else None
        if not rules.verify:
            urllib3.disable_warnings(InsecureRequestWarning)  # a file of the user said so; urllib3 would tell it each time
        if proxy is None:
            return urllib3.PoolManager(maxsize=self._parallel, timeout=timeout, ssl_context=context)
        parts = urlsplit(proxy)
        headers = {}
        if parts.username:
            headers = make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")
        return urllib3.ProxyManager(
            parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
            maxsize=self._parallel,
            timeout=timeout,
            ssl_context=context,
            proxy_ssl_context=client_context(self._environ) if parts.scheme == "https" else None,
            proxy_headers=headers,
        )


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
