"""A registry of our own with faults: it serves an OCI layout and misbehaves as a test tells it to.

    faulty.on("/blobs/", cut(1000), times=2)          # the next two answers to such a path break after 1000 bytes
    faulty.on("/manifests/", status(503, {"Retry-After": "3"}))

An action gets the request and the right answer and spoils the latter; without `times` it does so for ever. The first rule
that fits a path acts. `requests` keeps all that came. `login` makes it ask for a proof: `basic`, or `bearer` with a token
server of its own below /token. It takes what is sent (uploads.py) and lists what it has (lists.py).
"""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.images.build import Layout, digest_of
from tests.peers.certificates import make_authority
from tests.peers.lists import Lists
from tests.peers.reply import Asked, Reply, document, empty
from tests.peers.uploads import Uploads

Action = Callable[[Asked, Reply], None]


def status(code: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Action:
    """Instead of what was asked for, which is not done then."""

    def act(_: Asked, reply: Reply) -> None:
        reply.status, reply.body, reply.headers = code, body, {"Content-Length": str(len(body)), **(headers or {})}

    act.instead = True
    return act


def lost(code: int) -> Action:
    """What was asked for is done, but the answer is another one."""

    def act(asked: Asked, reply: Reply) -> None:
        status(code)(asked, reply)

    return act


def refused(code: int, word: str, message: str = "") -> Action:
    """An error document as the distribution specification has it."""
    body = json.dumps({"errors": [{"code": word, "message": message}]}).encode()
    return status(code, {"Content-Type": "application/json"}, body)


def cut(after: int) -> Action:
    """The connection breaks after so many bytes of the body."""

    def act(_: Asked, reply: Reply) -> None:
        reply.cut_at = after

    return act


def stall(after: int, seconds: float) -> Action:
    def act(_: Asked, reply: Reply) -> None:
        reply.stall = (after, seconds)

    return act


def header(name: str, value: str | None) -> Action:
    """Set a header, or leave it out."""

    def act(_: Asked, reply: Reply) -> None:
        reply.headers.pop(name, None)
        if value is not None:
            reply.headers[name] = value

    return act


def body(change: Callable[[bytes], bytes]) -> Action:
    """Send another body, with its right length."""

    def act(_: Asked, reply: Reply) -> None:
        reply.body = change(reply.body)
        reply.headers["Content-Length"] = str(len(reply.body))

    return act


def redirect(to: str, code: int = 307) -> Action:
    """`to` may hold `{path}`, the path that was asked for."""

    def act(asked: Asked, reply: Reply) -> None:
        reply.status, reply.body = code, b""
        reply.headers = {"Content-Length": "0", "Location": to.format(path=asked.path)}

    return act


@dataclass
class Rule:
    part: str
    action: Action
    left: int | None


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is nothing to print."""


class Faulty:
    """Its content, rules and record; `host` is where it listens."""

    def __init__(
        self, address: str = "127.0.0.1", tls: tuple[Path, Path] | None = None, client_authority: Path | None = None
    ) -> None:
        """`tls`: certificate and key; `client_authority`: who has to have signed the certificates of clients."""
        self.blobs: dict[str, tuple[bytes, str]] = {}
        self.tags: dict[tuple[str, str], str] = {}
        self.rules: list[Rule] = []
        self.requests: list[Asked] = []
        self.ranges = True
        self.login: str | None = None
        self.users = {"ana": "secret"}
        self.anonymous = True
        self.challenges: list[str] | None = None
        self.token_answer: dict[str, object] = {"expires_in": 300}
        self.authority: Path | None = None
        self.client: tuple[Path, Path] | None = None
        self.uploads = Uploads(self)
        self.lists = Lists(self)
        self.identities: set[str] = set()
        """Identity tokens that the token server takes by POST."""
        self.tokens: list[str] = []
        """All that were given out; the registry takes those of `valid`."""
        self.valid: set[str] = set()
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._server = type("Server", (_Server,), {"address_family": family})((address, 0), self._handler())
        self.port = self._server.server_address[1]
        self.host = f"[{address}]:{self.port}" if ":" in address else f"{address}:{self.port}"
        self.url = f"{'https' if tls else 'http'}://{self.host}"
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            if client_authority is not None:
                context.load_verify_locations(client_authority)
                context.verify_mode = ssl.CERT_REQUIRED
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)

    def __enter__(self) -> Faulty:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def add(self, layout: Layout, name: str = "x") -> None:
        """Serve all blobs of a layout and its tags, under one name."""
        for path in (layout.path / "blobs/sha256").iterdir():
            self.put(path.read_bytes(), "application/octet-stream")
        for tag, descriptor in layout.tags.items():
            self.put(layout.read(descriptor), descriptor["mediaType"])
            self.tags[name, tag] = descriptor["digest"]
            self._type_children(layout.read(descriptor), layout)

    def put(self, data: bytes, media_type: str) -> str:
        digest = digest_of(data)
        self.blobs[digest] = (data, media_type)
        return digest

    def on(self, part: str, action: Action, times: int | None = None) -> None:
        """For paths with this part, `METHOD PATH` taken together."""
        self.rules.append(Rule(part, action, times))

    def asked(self, part: str) -> list[Asked]:
        return [one for one in self.requests if part in f"{one.method} {one.path}"]

    def _type_children(self, data: bytes, layout: Layout) -> None:
        for entry in json.loads(data).get("manifests", []):
            if entry["digest"] in self.blobs:
                self.put(layout.read(entry), entry["mediaType"])
                self._type_children(layout.read(entry), layout)

    # The right answers.

    def answer(self, asked: Asked) -> Reply:
        parts = urlsplit(asked.path)
        if parts.path == "/token":
            return self._oauth(asked) if asked.method == "POST" else self._token(asked, parse_qs(parts.query))
        if self.login and not self._is_allowed(asked):
            reply = document(401, {"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]})
            reply.more = [("WWW-Authenticate", text) for text in self.challenges or [self._challenge(parts.path)]]
            return reply
        words = parts.path.split("/")
        if parts.path == "/v2/":
            return document(200, {})
        special = self.uploads.answer(asked) or self.lists.answer(asked)
        if special is not None:
            return special
        name, kind, which = "/".join(words[2:-2]), words[-2], words[-1]
        digest = self.tags.get((name, which), which) if kind == "manifests" else which
        if digest not in self.blobs or (kind == "blobs" and not self.uploads.is_owner(name, digest)):
            return document(
                404, {"errors": [{"code": "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN", "message": "unknown"}]}
            )
        data, media_type = self.blobs[digest]
        headers = {
            "Content-Type": media_type if kind == "manifests" else "application/octet-stream",
            "Docker-Content-Digest": digest,
        }
        if asked.range and self.ranges and kind == "blobs":
            first, last = (int(text) for text in asked.range[len("bytes=") :].split("-"))
            part = data[first : last + 1]
            span = {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}", "Content-Length": str(len(part))}
            return Reply(206, {**headers, **span}, part)
        return Reply(200, {**headers, "Content-Length": str(len(data))}, data)

    def _challenge(self, path: str) -> str:
        if self.login == "basic":
            return 'Basic realm="test"'
        name = path.partition("/uploads/")[0].rpartition("/")[0] if "/uploads/" in path else "/".join(path.split("/")[:-2])
        actions = "pull,push" if "/uploads/" in path else "pull"
        scope = "" if path == "/v2/" else f',scope="repository:{name.removeprefix("/v2/")}:{actions}"'
        return f'Bearer realm="{self.url}/token",service="faulty"{scope}'

    def _is_allowed(self, asked: Asked) -> bool:
        scheme, _, proof = (asked.authorization or "").partition(" ")
        if self.login == "basic":
            return scheme == "Basic" and self._user(proof) is not None
        return scheme == "Bearer" and proof in self.valid

    def _user(self, proof: str) -> str | None:
        user, _, password = base64.b64decode(proof).decode().partition(":")
        return user if self.users.get(user) == password else None

    def _token(self, asked: Asked, query: dict[str, list[str]]) -> Reply:
        if asked.authorization is not None:
            if self._user(asked.authorization.partition(" ")[2]) is None:
                return document(401, {"errors": [{"code": "UNAUTHORIZED"}]})
        elif not self.anonymous:
            return document(401, {"errors": [{"code": "UNAUTHORIZED"}]})
        with self._lock:
            token = f"token-{len(self.tokens)}"
            self.tokens.append(token)
        self.valid.add(token)
        return document(200, {"token": token, **self.token_answer})

    def _oauth(self, asked: Asked) -> Reply:
        form = parse_qs(asked.body.decode())
        if form.get("grant_type") != ["refresh_token"] or form["refresh_token"][0] not in self.identities:
            return document(400, {"error": "invalid_grant"})
        with self._lock:
            token = f"token-{len(self.tokens)}"
            self.tokens.append(token)
        self.valid.add(token)
        return document(200, {"access_token": token, **self.token_answer})

    # Sending them, spoiled.

    def _rule(self, asked: Asked) -> Action | None:
        """What spoils this answer, if anything does."""
        with self._lock:
            rule = next((r for r in self.rules if r.left != 0 and r.part in f"{asked.method} {asked.path}"), None)
            if rule is not None and rule.left is not None:
                rule.left -= 1
            return rule.action if rule is not None else None

    def reply(self, asked: Asked) -> Reply:
        action = self._rule(asked)
        has_effect = asked.method not in ("GET", "HEAD")
        reply = empty(500) if has_effect and getattr(action, "instead", False) else self.answer(asked)
        if action is not None:
            action(asked, reply)
        return reply

    def _handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                asked = Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
                length = int(self.headers.get("Content-Length") or 0)
                with outer._lock:
                    outer.requests.append(asked)
                    kept = outer.uploads.cut_of(asked, length)
                asked.body = self.rfile.read(length if kept is None else kept)
                if kept is not None or len(asked.body) < length:  # we break off, or the client did
                    outer.uploads.receive(asked)
                    self.close_connection = True
                    try:
                        socket.socket.shutdown(self.connection, socket.SHUT_RDWR)
                    except OSError:
                        pass
                    return
                reply = outer.reply(asked)
                try:
                    self._send(reply)
                except OSError:
                    self.close_connection = True

            do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status)
                for name, value in [*reply.headers.items(), *reply.more]:
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                data = reply.body
                if reply.stall is not None:
                    at, seconds = reply.stall
                    self.wfile.write(data[:at])
                    time.sleep(seconds)
                    data = data[at:]
                if reply.cut_at is None:
                    self.wfile.write(data)
                    return
                self.wfile.write(data[: reply.cut_at])
                self.close_connection = True
                self.wfile.flush()
                socket.socket.shutdown(self.connection, socket.SHUT_RDWR)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def faulty():
    with Faulty() as server:
        yield server


@pytest.fixture
def tls_faulty(tmp_path):
    """The same over TLS, for localhost and registry.test; `authority` is the file of who signed it."""
    authority, certificate, key = make_authority(tmp_path)
    with Faulty(tls=(certificate, key)) as server:
        server.authority = authority
        yield server


@pytest.fixture
def elsewhere():
    """A second one, on another port: another origin."""
    with Faulty() as server:
        yield server
