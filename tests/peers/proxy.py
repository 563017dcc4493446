"""A proxy for tests: it tunnels CONNECT to loopback, whatever the name asked for, and passes plain requests on."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


class Proxy:
    """`asked` keeps request lines and Proxy-Authorization; `status` other than 200 refuses all."""

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: certificate and key of a proxy that is itself spoken to over TLS."""
        self.asked: list[tuple[str, str | None]] = []
        self.status = 200
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_CONNECT(self) -> None:
                outer.asked.append((self.requestline, self.headers.get("Proxy-Authorization")))
                if outer.status != 200:
                    self.send_error(outer.status)
                    return
                with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as onward:
                    self.send_response(200)
                    self.end_headers()
                    _pass_on(self.connection, onward)
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    while True:
        # TLS may hold bytes that the socket no longer shows.
        waiting = [one] if isinstance(one, ssl.SSLSocket) and one.pending() else select.select([one, other], [], [])[0]
        for ready in waiting:
            data = ready.recv(65536)
            if not data:
                return
            (other if ready is one else one).sendall(data)


@pytest.fixture
def proxy():
    with Proxy() as server:
        yield server
