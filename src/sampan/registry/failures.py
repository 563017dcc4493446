"""What went wrong, in words: exceptions of connections and refusals by status, sorted into those that may pass and the rest."""

from __future__ import annotations

import errno
import socket

from sampan.errors import (
    NotAtRegistry,
    ProtocolError,
    RemoteError,
    SampanError,
    Unauthorized,
    Unreachable,
    printable,
)
from sampan.registry.connections import ConnectTimeout, ProxyFault
from sampan.registry.http1 import Malformed, Unsendable
from sampan.registry.pacing import STATUS_PAUSE, Limits, Transient, retry_after, retry_after_in, spoken
from sampan.registry.remarks import amount_in
from sampan.registry.tls import tls_fault

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.registry.transport import Answer

TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
MAX_MESSAGE = 300

_REASONS = {
    400: "Bad Request", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip
_GONE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)


def connection_failure(error: BaseException, host: str, limits: Limits) -> Exception:
    """The exception to raise for one of a connection: `Transient`, or an error that trying again would not mend."""
    if isinstance(error, ProxyFault):
        return _proxy_failure(error, host)
    if isinstance(error, socket.gaierror):
        return _name_failure(error, host)
    if isinstance(error, ConnectTimeout):
        return Transient(Unreachable(f"no connection to {host} within {spoken(limits.connect)}"))
    if isinstance(error, socket.timeout):
        return Transient(Unreachable(f"{host} has stopped answering"))
    if isinstance(error, (Unsendable, UnicodeError)):
        return ProtocolError(f"{printable(host)!r} cannot be asked: {printable(str(error)[:MAX_MESSAGE])}")
    if isinstance(error, Malformed):
        return Transient(Unreachable(f"{host} answers, but not as a web server does"), is_cut=True)
    told = tls_fault(error, host)
    if told is not None:
        return Unreachable(*told)
    if isinstance(error, OSError) and error.errno == errno.ECONNREFUSED:
        return Transient(Unreachable(f"{host} refuses the connection", "is the registry running, and is the port right?"))
    if isinstance(error, OSError) and error.errno in _GONE:
        return Transient(Unreachable(f"no way to {host}: {error.strerror}"))
    return Transient(Unreachable(f"the connection to {host} was cut"), is_cut=True)


def _name_failure(error: socket.gaierror, host: str) -> Exception:
    if error.errno == socket.EAI_AGAIN:
        return Transient(Unreachable(f"the name service does not answer for {host}", "is this machine connected to the network?"))
    return Unreachable(f"there is no host of the name {host}", "check the spelling, and whether this machine reaches the network")


def _proxy_failure(error: ProxyFault, host: str) -> Exception:
    if error.status == 407:
        return Unreachable(
            f"the proxy on the way to {host} wants a password", "write it into https_proxy: http://USER:PASSWORD@HOST"
        )
    if error.status == 403:
        return Unreachable(f"the proxy refuses the way to {host}")
    return Transient(Unreachable(f"the proxy on the way to {host} does not answer", "check https_proxy and no_proxy"))


class Refusal:
    """An answer that is not the wanted one: who gave it, status, headers and the first bytes of the body."""

    def __init__(self, answer: Answer) -> None:
        body = answer.first_bytes()
        self.host = answer.host
        self.status = answer.status
        self.headers = answer.headers
        self.strayed = answer.strayed
        self.codes, self.message = _errors_in(body)
        self.is_page = is_web_page(answer.headers, body)

    def failure(self, name: str, wanted: str, now: float) -> Exception:
        """The exception to raise; `wanted` says what was asked for, as `tag 12 of NAME`, `now` is the time."""
        told = f": {self.message}" if self.message else ""
        asked_to_wait = retry_after(self.headers.get("Retry-After"), now)
        if asked_to_wait is None:
            asked_to_wait = retry_after_in(self.message)
        if self.strayed and self.status in (400, 401, 403, 404, 410):
            # A signed URL that has expired, or a mirror that is behind: the registry gives a new one.
            error: SampanError = RemoteError(f"{self.host}, to which the registry leads, refuses {wanted} ({self.status})")
            return Transient(error, retry_after=asked_to_wait, pause=STATUS_PAUSE)
        if self.status == 429:
            limit = _rate_limit(self.headers)
            hint = "wait a while, or log in: many registries allow more then"
            error = RemoteError(f"{self.host} limits the number of requests{limit} (429){told}", hint)
            return Transient(error, retry_after=asked_to_wait, pause=STATUS_PAUSE)
        if self.status in TRANSIENT_STATUSES:
            error = RemoteError(f"{self.host} has a fault ({self.status} {_REASONS[self.status]}){told}")
            return Transient(error, retry_after=asked_to_wait, pause=STATUS_PAUSE)
        if self.status == 403:
            return Unauthorized(f"the registry denies access to {name} (403){told}", f"sampan login {name.partition('/')[0]}")
        if self.status in (404, 410):
            return self._missing(name, wanted)
        reason = _REASONS.get(self.status)
        return ProtocolError(
            f"{self.host} answers {self.status}{f' ({reason})' if reason else ''} where {wanted} was asked for{told}"
        )

    def not_taken(self, name: str, what: str, now: float) -> Exception:
        """The exception where something was to be stored or removed: `what`, as `blob sha256:0123`, under `name`."""
        told = f": {self.message}" if self.message else ""
        if self.status == 429 or self.status in TRANSIENT_STATUSES or self.strayed:
            return self.failure(name, what, now)
        if self.status in (401, 403):
            host = name.partition("/")[0]
            return Unauthorized(f"you may not push to {name} ({self.status}){told}", f"check the name, or sampan login {host}")
        if self.status == 404:
            return NotAtRegistry(
                f"{self.host} has no place for {name} (404){told}", "some registries want an image's name to be made there first"
            )
        reason = {
            405: "it takes no uploads (405): it is read-only, or a mirror",
            413: "it is too large for it (413)",
            415: "it does not know the media type (415)",
        }.get(self.status) or f"{self.status}{' ' + self.codes[0] if self.codes and self.codes[0].isprintable() else ''}"
        return RemoteError(f"{self.host} does not take {what} of {name}: {reason}{told}")

    def _missing(self, name: str, wanted: str) -> SampanError:
        if self.is_page and not self.codes:
            return ProtocolError(f"{self.host} answers with a web page (404): it does not look like a registry")
        if "NAME_UNKNOWN" in self.codes:
            return NotAtRegistry(f"the registry has no image {name}", "check the spelling")
        return NotAtRegistry(f"the registry has no {wanted}", "check the spelling")


def is_web_page(headers: Mapping[str, str], body: bytes) -> bool:
    """Whether this is a page for people (a login page, a proxy's excuse) where a document was asked for."""
    start = body[:200].lstrip().lower()
    return start.startswith((b"<!doctype", b"<html")) or (
        headers.get("Content-Type", "").lower().startswith("text/html") and start.startswith(b"<")
    )


def page_instead_of(what: str, host: str) -> ProtocolError:
    """The error for such a page."""
    return ProtocolError(f"{host} answers with a web page instead of {what}", "a proxy or a login page may stand in between")


def _errors_in(body: bytes) -> tuple[tuple[str, ...], str]:
    """Codes and message of the distribution specification's error document, if this is one."""
    from sampan.oci.document import maps_of, read_document, text_of

    try:
        errors = maps_of(read_document(body, "the answer"), "errors", "the answer")
        codes = tuple(text_of(error, "code", "the answer").upper() for error in errors)
        messages = [text_of(error, "message", "the answer") for error in errors]
    except ProtocolError:
        return (), ""
    return codes, printable("; ".join(dict.fromkeys(message for message in messages if message))[:MAX_MESSAGE])


def _rate_limit(headers: Mapping[str, str]) -> str:
    """` to 100 in 6 h`, from Docker Hub's `ratelimit-limit: 100;w=21600`; empty if it is not told."""
    number, window = amount_in(headers.get("RateLimit-Limit", ""))
    return f" to {number} in {spoken(float(window))}" if number and window else ""
