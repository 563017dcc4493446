"""A repository in a directory, given out over HTTP for trials: objects, status page, and a place for registries' notifications.

What is asked for is matched against the names that a repository has, and nothing else is ever opened: no listing, no path of the client's.
Objects never change, so they may be cached for ever; everything else is checked again each time (ETag, 304). One range is served.
"""

from __future__ import annotations

import hmac
import os
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from sampan import __version__
from sampan.distribute import incoming, status_files
from sampan.errors import HostError, ProtocolError, SampanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from sampan.distribute.address import Where
    from sampan.distribute.status import Status

TOKEN = "SAMPAN_WEBHOOK_TOKEN"  # noqa: S105 - the name of a variable
_OBJECT = re.compile(r"data/[0-9a-f]{2}/[0-9a-f]{38}(-rmd160|-shake128)?[A-Z]?")
_ROOT = re.compile(
    r"\.cvmfs(published|whitelist|whitelist\.pkcs7|reflog|_master_replica|_status\.json|_last_snapshot|bloom)|status\.html|status\.json|metrics\.txt"
)
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_TYPES = {".json": "application/json", ".html": "text/html; charset=utf-8", ".txt": "text/plain; version=0.0.4; charset=utf-8"}
_PIECE = 1 << 20


class Server:
    """Listens from the beginning; `serve` answers until it is interrupted. To be closed; a `with` statement does it."""

    def __init__(
        self, place: Where, listen: tuple[str, int], base: bytes, webhook: str | None, environ: Mapping[str, str]
    ) -> None:
        """Raises `HostError` if the port cannot be had, `UsageError` for a webhook without a token."""
        if webhook is not None and not environ.get(TOKEN):
            raise UsageError(f"--webhook needs a token in {TOKEN}", "anybody could fill the disk otherwise")
        self.place = place
        self.base = base
        self.webhook = webhook
        self.token = environ.get(TOKEN, "")
        self.root = place.address
        self.prefix = f"/cvmfs/{place.fqrn}/"
        try:
            self._http = _Http(listen, self)
        except OSError as error:
            raise HostError(f"cannot listen at {listen[0]} port {listen[1]}: {error.strerror}") from error

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._http.server_address[:2]
        return f"http://{host!s}:{port}"

    def serve(self) -> None:
        """Answer until Ctrl-C or `close`."""
        self._http.serve_forever()

    def stop(self) -> None:
        """End `serve`, from another thread."""
        self._http.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.server_close()

    def status(self) -> Status:
        """The status now. Raises what reading the repository raises."""
        before = status_files.remembered(self.place.objects(), None, self.place.notice)
        return status_files.current(self.place.open(), self.base, before)


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listen: tuple[str, int], server: Server) -> None:
        self.server = server
        super().__init__(listen, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = f"sampan/{__version__}"
    sys_version = ""
    timeout = 60
    server: _Http

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self.close_connection = True
        server = self.server.server
        parts = urlsplit(self.path)
        length = self.headers.get("Content-Length", "")
        if server.webhook is None or parts.path != "/webhook":
            self._say(HTTPStatus.NOT_FOUND)
        elif not self._is_allowed(parts.query):
            self._say(HTTPStatus.FORBIDDEN)
        elif not length.isdigit() or int(length) > incoming.MAX_BODY:
            self._say(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            try:
                incoming.add(server.webhook, incoming.names_in(self.rfile.read(int(length))))
                self._say(HTTPStatus.ACCEPTED)
            except ProtocolError as error:
                self._send(HTTPStatus.BAD_REQUEST, f"{error}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})
            except HostError as error:
                server.place.notice.warn(error.sentence)
                self._say(HTTPStatus.INSUFFICIENT_STORAGE)

    def _is_allowed(self, query: str) -> bool:
        given = self.headers.get("Authorization", "").removeprefix("Bearer ") or (parse_qs(query).get("token") or [""])[0]
        return hmac.compare_digest(given.encode(), self.server.server.token.encode())

    def _answer(self) -> None:
        server = self.server.server
        path = urlsplit(self.path).path
        if path.startswith(server.prefix):
            name = path[len(server.prefix) :]
            if _OBJECT.fullmatch(name) or _ROOT.fullmatch(name):
                self._file(name)
                return
        elif path == "/status":
            self._send(HTTPStatus.MOVED_PERMANENTLY, b"", {"Location": "/status/"})
            return
        elif path.startswith("/status/"):
            self._status(path[len("/status/") :] or "status.html")
            return
        self._say(HTTPStatus.NOT_FOUND)

    def _status(self, name: str) -> None:
        render = dict(status_files.FILES).get(name)
        if render is None:
            self._say(HTTPStatus.NOT_FOUND)
            return
        try:
            data = render(self.server.server.status())
        except SampanError as error:
            self._send(HTTPStatus.SERVICE_UNAVAILABLE, f"{error}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})
            return
        self._send(HTTPStatus.OK, data, {"Content-Type": _TYPES[os.path.splitext(name)[1]], "Cache-Control": "no-cache"})

    def _file(self, name: str) -> None:
        try:
            descriptor = os.open(f"{self.server.server.root}/{name}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            self._say(HTTPStatus.NOT_FOUND)
            return
        with os.fdopen(descriptor, "rb"):
            found = os.fstat(descriptor)
            is_object = name.startswith("data/")
            tag = f'"{name[5:]}"' if is_object else f'"{found.st_mtime_ns:x}-{found.st_size:x}"'
            headers = {
                "ETag": tag,
                "Accept-Ranges": "bytes",
                "Cache-Control": "public, max-age=31536000, immutable" if is_object else "no-cache",
                "Content-Type": _TYPES.get(os.path.splitext(name)[1], "application/octet-stream"),
            }
            if self.headers.get("If-None-Match") in (tag, "*"):
                self._send(HTTPStatus.NOT_MODIFIED, b"", headers)
                return
            part = self._part(found.st_size)
            if part is None:
                self._send(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", {"Content-Range": f"bytes */{found.st_size}"})
                return
            begin, end = part
            is_whole = (begin, end) == (0, found.st_size)
            if not is_whole:
                headers["Content-Range"] = f"bytes {begin}-{end - 1}/{found.st_size}"
            self._head(HTTPStatus.OK if is_whole else HTTPStatus.PARTIAL_CONTENT, end - begin, headers)
            if self.command == "GET":
                self._copy(descriptor, begin, end)

    def _part(self, size: int) -> tuple[int, int] | None:
        """Beginning and end of what is asked for; everything for several ranges or none; `None` for what is not there."""
        match = _RANGE.fullmatch(self.headers.get("Range", ""))
        if match is None or match.group() == "bytes=-":
            return 0, size
        first, last = match.groups()
        if not first:
            return max(size - int(last), 0), size
        end = min(int(last) + 1, size) if last else size
        return (int(first), end) if int(first) < end else None

    def _copy(self, descriptor: int, begin: int, end: int) -> None:
        while begin < end:
            piece = os.pread(descriptor, min(_PIECE, end - begin), begin)
            if not piece:
                self.close_connection = True
                return
            self.wfile.write(piece)
            begin += len(piece)

    def _say(self, status: HTTPStatus) -> None:
        self._send(status, f"{status.phrase}\n".encode(), {"Content-Type": "text/plain; charset=utf-8"})

    def _send(self, status: HTTPStatus, data: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(data), headers)
        if self.command != "HEAD":
            self.wfile.write(data)

    def _head(self, status: HTTPStatus, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        self.server.server.place.notice.debug(f"{self.address_string()} {format % args}")
