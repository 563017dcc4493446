"""A double of the repository gateway, written from notes of the protocol; it merges and signs by means of the publisher under test.

`keys` maps ids to (secret, path that may be leased). `answers` spoils the next answer to a method and word: `{"POST leases": bytes}`.
What it merges is the subtree at the lease's path, as the real receiver does; the rest of the new root catalog is ignored.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sampan.cvmfs import publish
from sampan.cvmfs.hashing import Hash
from sampan.cvmfs.reader import Repository


class Refused(Exception):
    pass


class GatewayDouble:
    """Serves one repository at `url`; for `with`."""

    def __init__(self, store, signer, lease_seconds: float = 60):
        self.store, self.signer, self.lease_seconds = store, signer, lease_seconds
        self.keys = {"key1": ("secret1", "/")}
        self.leases: dict[str, tuple[str, str, float]] = {}
        self.answers: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.objects = 0
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"double": self}))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/api/v1"

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def authorised(self, header: str, message: bytes) -> str:
        name, _, proof = header.partition(" ")
        if name not in self.keys:
            raise Refused("invalid_key")
        digits = hmac.new(self.keys[name][0].encode(), message, hashlib.sha1).hexdigest()
        if not hmac.compare_digest(base64.b64encode(digits.encode()).decode(), proof):
            raise Refused("invalid_hmac")
        return name

    def held(self, token: str) -> str:
        if token not in self.leases or self.leases[token][2] < time.time():
            raise Refused("invalid_token")
        return self.leases[token][0]

    def lease(self, body: bytes, header: str) -> dict:
        key = self.authorised(header, body)
        document = json.loads(body)
        assert document["api_version"] == "2"
        fqrn, _, path = document["path"].partition("/")
        path = "/" + path
        allowed = self.keys[key][1].rstrip("/")
        if fqrn != self.signer.fqrn or not (path + "/").startswith(allowed + "/"):
            raise Refused("invalid_path")
        with self.lock:
            for token, (other, _, until) in list(self.leases.items()):
                if until < time.time():
                    del self.leases[token]
                elif (path + "/").startswith(other.rstrip("/") + "/") or (other + "/").startswith(path.rstrip("/") + "/"):
                    return {"status": "path_busy", "time_remaining": f"{until - time.time():.0f}s"}
            token = secrets.token_urlsafe(32)
            self.leases[token] = (path, key, time.time() + self.lease_seconds)
        return {"status": "ok", "session_token": token, "max_api_version": 3}

    def payload(self, body: bytes, header: str, size: int) -> dict:
        head, rest = body[:size], body[size:]
        self.authorised(header, head)
        document = json.loads(head)
        self.held(document["session_token"])
        length = int(document["header_size"])
        pack, content = rest[:length], rest[length:]
        assert hashlib.sha1(pack).hexdigest() == document["payload_digest"]
        first, _, lines = pack.decode().partition("--\n")
        version, total, count = first.split("\n")[:3]
        assert (version, total, count) == ("V2", f"S{len(content)}", f"N{len(lines.splitlines())}")
        for line in lines.splitlines():
            kind, name, length = line.split(" ")
            assert kind == "C"
            suffix = name[-1] if name[-1].isupper() else ""
            hash = Hash.parse(name[: len(name) - len(suffix)])
            data, content = content[: int(length)], content[int(length) :]
            assert Hash.of(data, hash.algorithm) == hash
            self.store.put(hash, suffix, data)
            self.objects += 1
        return {"status": "ok"}

    def commit(self, token: str, body: bytes, header: str) -> dict:
        self.authorised(header, token.encode())
        path = self.held(token).rstrip("/").encode()
        document = json.loads(body)
        old, new = document["old_root_hash"], document["new_root_hash"]
        if not old.endswith("C") or not new.endswith("C"):
            raise Refused("worker_error")
        names = {document["tag_name"]: document["tag_description"]} if document["tag_name"] else {}
        with publish.begin(self.store, self.signer, wait=True) as publication:
            theirs = Repository.open(self.store, (self.signer.public,)).at(Hash.parse(new[:-1]))
            assert theirs.lookup(b"") is not None
            if theirs.lookup(path) is None:
                publication.remove(path)
            else:
                publication.graft(path, [(where[len(path) + 1 :], one) for where, one in theirs.walk(path, hidden=True)])
            state = publication.commit(names)
        del self.leases[token]
        return {"status": "ok", "final_revision": state.revision}

    def cancel(self, token: str, header: str) -> dict:
        self.authorised(header, token.encode())
        self.held(token)
        del self.leases[token]
        return {"status": "ok"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: GatewayDouble

    def log_message(self, *_):
        pass

    def handle_any(self):
        words = self.path.removeprefix("/api/v1/").split("/")
        call = f"{self.command} {words[0]}"
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        proof = self.headers.get("Authorization", "")
        double = self.double
        double.calls.append(call)
        if call in double.answers:
            data = double.answers.pop(call)
        else:
            try:
                if call == "POST leases" and len(words) == 1:
                    answer = double.lease(body, proof)
                elif call == "POST leases":
                    answer = double.commit(words[1], body, proof)
                elif call == "POST payloads":
                    answer = double.payload(body, proof, int(self.headers["Message-Size"]))
                else:
                    answer = double.cancel(words[1], proof)
            except Refused as error:
                answer = {"status": "error", "reason": str(error)}
            data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_POST = do_DELETE = handle_any
