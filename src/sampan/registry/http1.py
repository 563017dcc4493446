"""HTTP/1.1 from the client's side, by the standard library's `http.client`, over sockets that are ours.

`http.client` reads answers: heads, lengths, chunks. Here its faults get names that tell a peer that speaks something else
(`Malformed`) from one that went away (`Cut`), and an answer that could be read in two ways is refused: a connection is
used again only if its answer has ended where it had to. The head of a request is written here, because it has to go out
before a body that may be refused half-way.
"""

from __future__ import annotations

import http.client

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PLAIN = frozenset(range(0x21, 0x7F))
_ENDED = (http.client.RemoteDisconnected, http.client.IncompleteRead)


class Malformed(Exception):
    """The peer does not speak HTTP/1."""


class Cut(Exception):
    """The connection ended before the answer did."""


class Unsendable(Exception):
    """A request has something in it that no line of HTTP can hold."""


def request_head(method: str, target: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The lines of a request up to its body. Raises `Unsendable`."""
    lines = [f"{method} {_escaped(target)} HTTP/1.1"]
    for name, value in headers:
        if not name or not _TOKEN.issuperset(name) or any(letter in value for letter in "\r\n\0"):
            raise Unsendable(f"the header {name[:80]!r}")
        lines.append(f"{name}: {value}")
    try:
        return "\r\n".join([*lines, "", ""]).encode("latin-1")
    except UnicodeEncodeError as error:
        raise Unsendable("a header with letters that no header has") from error


def _escaped(target: str) -> str:
    """A target with what is no plain letter percent-encoded."""
    data = target.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in data)


class Response:
    """An answer: `status`, `headers` as pairs, and a body to be read piece by piece."""

    def __init__(self, connection: socket.socket, method: str) -> None:
        """Reads the head. Raises `Malformed`, `Cut`, and OSError."""
        self._response = http.client.HTTPResponse(connection, method=method)
        try:
            self._response.begin()
        except BaseException as error:
            self._response.close()
            if isinstance(error, _ENDED):
                raise Cut from error
            if isinstance(error, (http.client.HTTPException, ValueError)):
                raise Malformed(str(error)[:200]) from error
            raise
        self.status = self._response.status
        self.headers = self._response.getheaders()
        lengths = {word.strip() for name, value in self.headers if name.lower() == "content-length" for word in value.split(",")}
        # 101: another protocol, which nobody asked for.
        if self.status == http.client.SWITCHING_PROTOCOLS or (not self._response.chunked and len(lengths) > 1):
            self._response.close()
            raise Malformed("an answer that can be read in two ways")

    @property
    def is_reusable(self) -> bool:
        """Whether the body has been read to its end, and another request may follow."""
        if self._response.length == 0:
            self._response.read()  # only then it counts as closed
        return self._response.isclosed() and not self._response.will_close

    def read(self, size: int) -> bytes:
        """The next bytes of the body, as many as have come; nothing at its end. Raises `Cut`, `Malformed`, OSError."""
        try:
            # Not `read`: it waits for all of them, and loses what has come when the connection breaks meanwhile.
            piece = self._response.read1(size)
        except _ENDED as error:
            raise Cut from error
        except (http.client.HTTPException, ValueError) as error:
            raise Malformed(str(error)[:200]) from error
        if not piece and self._response.length:
            raise Cut
        return piece

    def close(self) -> None:
        """Let the buffered reader go; the socket is its owner's."""
        self._response.close()
