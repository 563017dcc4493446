"""A token server that docker-registry trusts: JSON web tokens, signed with RS256 by openssl (distribution-spec "token").

Anybody may pull, except names below `private/`, which need a user of the table. `asked` keeps what was requested, `life`
is the `expires_in` of the next tokens (`None`: not told).
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class TokenServer:
    service = "registry.test"
    issuer = "issuer.test"

    def __init__(self, directory: Path, users: dict[str, str]) -> None:
        self.users = users
        self.life: int | None = 300
        self.asked: list[tuple[str, dict[str, list[str]], str | None]] = []
        self._key, self.certificate = directory / "token.key", directory / "token.crt"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self._key, "-out", self.certificate, "-subj", "/CN=t"],
            check=True, capture_output=True,
        )  # fmt: skip
        lines = self.certificate.read_text().splitlines()
        self._chain = ["".join(lines[1:-1])]
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def __enter__(self) -> TokenServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def token(self, user: str, scopes: list[str]) -> str:
        """A signed token for what `user` may do of `scopes`."""
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            allowed = [] if name.startswith("private/") and not user else actions.split(",")
            access.append({"type": kind, "name": name, "actions": allowed})
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": user,
            "aud": self.service,
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": "1",
            "access": access,
        }
        header = {"typ": "JWT", "alg": "RS256", "x5c": self._chain}
        signed = ".".join(_encoded(json.dumps(part).encode()) for part in (header, claims))
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", self._key], input=signed.encode(), check=True, capture_output=True
        ).stdout
        return f"{signed}.{_encoded(signature)}"

    def _handler(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                header = self.headers.get("Authorization")
                user = self._user(header)
                outer.asked.append((user or "", query, header))
                status, document = 401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]}
                if user is not None:
                    status, document = 200, {"token": outer.token(user, query.get("scope", []))}
                    if outer.life is not None:
                        document["expires_in"] = outer.life
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _user(self, header: str | None) -> str | None:
                """The user, empty for nobody, `None` for a wrong password."""
                if header is None:
                    return ""
                user, _, password = base64.b64decode(header.partition(" ")[2]).decode().partition(":")
                return user if outer.users.get(user) == password else None

            def log_message(self, *_: object) -> None:
                pass

        return Handler
