"""A web server that demands a bearer token for everything: files in a dict, GET, HEAD and PUT."""

from __future__ import annotations

import http.server
import threading
from contextlib import contextmanager


class Guarded(http.server.BaseHTTPRequestHandler):
    """Answers 401 to whoever does not show the token of the server."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if not self.is_let_in():
            return self.answer(401, b"who are you")
        if self.path == "/elsewhere":
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere)
            self.send_header("Content-Length", "0")
            return self.end_headers()
        data = self.server.files.get(self.path)
        return self.answer(404, b"") if data is None else self.answer(200, data)

    do_HEAD = do_GET

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.is_let_in():
            return self.answer(401, b"who are you")
        self.server.files[self.path] = data
        return self.answer(201, b"")

    def is_let_in(self) -> bool:
        shown = self.headers.get("Authorization", "")
        self.server.seen.append((self.command, self.path, shown))
        return self.server.token is None or shown == f"Bearer {self.server.token}"

    def answer(self, status: int, data: bytes):
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        pass


@contextmanager
def guarded(token: str | None):
    """A server with `files`, `token` and `seen` (method, path, Authorization); without a token it lets everybody in."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Guarded)
    server.files, server.seen, server.token, server.elsewhere = {}, [], token, ""
    server.host = f"127.0.0.1:{server.server_address[1]}"
    server.url = f"http://{server.host}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
