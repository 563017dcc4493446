"""HTTP/1.1 from the client's side (RFC 9112): the head of a request, the head of an answer, and where its body ends. No sockets.

Theory of operation. A `Wire` gives the bytes of a connection: lines while a head or a chunk's size is read, then as many bytes as
the body has. How long that is comes from exactly one source: no body for HEAD, 204 and 304; chunks if `Transfer-Encoding` says
so; `Content-Length`; else up to the end of the connection. Whatever could be read in two ways is refused (two lengths,
unknown codings, spaces before a colon), and a connection is used again only if its answer has ended where it had to.

Not `http.client`: it parses headers as mail and brings TLS along, which is half of what a push of known layers may take.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_LINE = 32 * 1024
MAX_HEADERS = 256
MAX_HEAD = 128 * 1024
MAX_INTERIM = 16
READ_AHEAD = 16 * 1024

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PLAIN = frozenset(range(0x21, 0x7F))


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


class Wire:
    """The bytes that arrive; what was read beyond a line is kept for what follows."""

    def __init__(self, receive: Callable[[memoryview], int]) -> None:
        """`receive` puts at least one byte into the buffer and says how many; 0 at the end."""
        self._receive = receive
        self._kept = bytearray()

    def line(self) -> bytes:
        """The next line without its end. Raises `Malformed` for one that is too long, `Cut` at the end."""
        start = 0
        while True:
            at = self._kept.find(b"\n", start)
            if at >= 0:
                found = bytes(self._kept[:at])
                del self._kept[: at + 1]
                return found[:-1] if found.endswith(b"\r") else found
            if len(self._kept) > MAX_LINE:
                raise Malformed("a line that does not end")
            start = len(self._kept)
            buffer = bytearray(READ_AHEAD)
            count = self._receive(memoryview(buffer))
            if not count:
                raise Cut
            self._kept += buffer[:count]

    def read(self, size: int) -> bytes:
        """Up to `size` bytes, as many as come without losing any to a failure in between; nothing at the end."""
        if self._kept:
            found = bytes(self._kept[:size])
            del self._kept[:size]
            return found
        buffer = bytearray(size)
        view = memoryview(buffer)
        filled = 0
        while filled < size:
            try:
                count = self._receive(view[filled:])
            except OSError:
                if not filled:
                    raise
                break  # it fails again at the next read, and then nothing is lost
            if not count:
                break
            filled += count
        return bytes(view[:filled])


class Response:
    """An answer: `status`, `headers` as pairs, and a body to be read piece by piece."""

    def __init__(self, wire: Wire, method: str) -> None:
        """Reads the head. Raises `Malformed`, `Cut`, and what the wire raises."""
        self._wire = wire
        for _ in range(MAX_INTERIM):
            version, self.status = _status_line(wire.line())
            self.headers = _header_lines(wire)
            if self.status >= 200 or self.status == 101:
                break
        else:
            raise Malformed("interim answers without end")
        if self.status == 101:
            raise Malformed("another protocol")
        options = {word.strip().lower() for value in self._all("connection") for word in value.split(",")}
        self._keeps = "close" not in options and (version == 1 or "keep-alive" in options)
        self._chunked = False
        self._left: int | None = self._length(method)
        self._is_done = self._left == 0 and not self._chunked

    @property
    def is_reusable(self) -> bool:
        """Whether the body has been read to its end, and another request may follow."""
        return self._is_done and self._keeps

    def read(self, size: int) -> bytes:
        """The next bytes of the body; nothing at its end. Raises `Cut`, `Malformed`."""
        if self._is_done:
            return b""
        if self._chunked and not self._left:
            self._left = self._next_chunk()
            if not self._left:
                self._is_done = True
                return b""
        piece = self._wire.read(size if self._left is None else min(size, self._left))
        if not piece:
            if self._left is not None:
                raise Cut
            self._is_done = True
            return b""
        if self._left is not None:
            self._left -= len(piece)
            if self._chunked and not self._left and self._wire.line():
                raise Malformed("a chunk that is longer than its size")
            self._is_done = not self._left and not self._chunked
        return piece

    def _all(self, name: str) -> list[str]:
        return [value for found, value in self.headers if found.lower() == name]

    def _length(self, method: str) -> int | None:
        """Bytes of the body; `None` if it ends with the connection, 0 before the first chunk."""
        if method == "HEAD" or self.status in (204, 304):
            return 0
        codings = [word.strip().lower() for value in self._all("transfer-encoding") for word in value.split(",")]
        lengths = {word.strip() for value in self._all("content-length") for word in value.split(",")}
        if codings:
            if codings != ["chunked"]:
                raise Malformed("a transfer coding that nobody asked for")
            self._keeps = self._keeps and not lengths
            self._chunked = True
            return 0
        if not lengths:
            self._keeps = False
            return None
        length = lengths.pop()
        if lengths or not length.isascii() or not length.isdigit() or len(length) > 18:
            raise Malformed("a length that is none, or two of them")
        return int(length)

    def _next_chunk(self) -> int:
        """The size of the next chunk; 0 behind the last one, with the trailer read."""
        size = self._wire.line().partition(b";")[0].strip()
        if not size or len(size) > 15 or size.strip(b"0123456789abcdefABCDEF"):
            raise Malformed("a chunk without size")
        if int(size, 16) == 0:
            _header_lines(self._wire)
        return int(size, 16)


def _status_line(line: bytes) -> tuple[int, int]:
    """The minor version and the status of `HTTP/1.1 200 OK`."""
    version, _, rest = line.partition(b" ")
    status = rest[:3]
    if version not in (b"HTTP/1.0", b"HTTP/1.1") or len(status) != 3 or not status.isdigit() or rest[3:4] not in (b"", b" "):
        raise Malformed("no line of status")
    if status < b"100":
        raise Malformed("no status")
    return int(version[-1:]), int(status)


def _header_lines(wire: Wire) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    size = 0
    while True:
        line = wire.line()
        if not line:
            return found
        size += len(line)
        if size > MAX_HEAD or len(found) >= MAX_HEADERS:
            raise Malformed("headers without end")
        text = line.decode("latin-1")
        if text[0] in " \t":  # an old way to write long values
            if not found:
                raise Malformed("a header without name")
            found[-1] = (found[-1][0], f"{found[-1][1]} {text.strip()}".strip())
            continue
        name, colon, value = text.partition(":")
        if not colon or not name or not _TOKEN.issuperset(name):
            raise Malformed("a header without name")
        found.append((name, value.strip(" \t")))
