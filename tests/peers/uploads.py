"""The part of the registry of our own that takes what is sent: sessions, chunks, mounts, manifests with subjects.

Strict where registries differ: a chunk that does not begin where the session ends is 416, one that is shorter than
`least` is 416 unless it is the last, a monolithic PUT with a Content-Range is 400. `largest` bodies are taken, more is 413.
`cuts` are numbers of bytes after which the next bodies break off (what came before is kept). With `elsewhere`, an origin,
sessions lie there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from tests.images.build import digest_of
from tests.peers.reply import Asked, Reply, document, empty

if TYPE_CHECKING:
    from tests.peers.faulty import Faulty


class Uploads:
    def __init__(self, registry: Faulty) -> None:
        self._registry = registry
        self.sessions: dict[str, bytearray] = {}
        self.deleted: list[str] = []
        self.owners: dict[str, set[str]] | None = None
        """Digest -> names; `None`: every blob belongs to every image."""
        self.least = 0
        self.largest = 1 << 40
        self.cuts: list[int] = []
        self.elsewhere = ""
        self.relative = False
        self.mounts = True
        self.subjects = False
        """Whether a subject is noted (`OCI-Subject`)."""
        self.begun = 0
        self.steps = 0

    def begin_strict(self) -> None:
        """From now on an image has only the blobs that were sent to it or mounted."""
        self.owners = {}

    def is_owner(self, name: str, digest: str) -> bool:
        return self.owners is None or name in self.owners.get(digest, ())

    def cut_of(self, asked: Asked, length: int) -> int | None:
        """How much of a body is read before the connection breaks; `None`: all."""
        if asked.method not in ("PUT", "PATCH") or "/uploads/" not in asked.path or not self.cuts or length <= self.cuts[0]:
            return None
        return self.cuts.pop(0)

    def receive(self, asked: Asked) -> None:
        """A body that broke off."""
        self.sessions[_id(asked)] += asked.body

    def answer(self, asked: Asked) -> Reply | None:
        parts = urlsplit(asked.path)
        if asked.method == "PUT" and "/manifests/" in parts.path:
            return self._manifest(asked, parts.path)
        found = re.fullmatch(r"/v2/(.+)/blobs/uploads/(.*)", parts.path)
        if found is None:
            return None
        name, id = found.groups()
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if asked.method == "POST":
            return self._begin(name, query)
        if id not in self.sessions:
            return document(404, {"errors": [{"code": "BLOB_UPLOAD_UNKNOWN", "message": "no such upload"}]})
        if asked.method == "DELETE":
            del self.sessions[id]
            self.deleted.append(id)
            return empty(204)
        if asked.method == "GET":
            return self._where(name, id, 204)
        if len(asked.body) > self.largest:
            return empty(413)
        return self._chunk(name, id, asked) if asked.method == "PATCH" else self._finish(name, id, asked, query["digest"])

    def _begin(self, name: str, query: dict[str, str]) -> Reply:
        digest, source = query.get("mount", ""), query.get("from", "")
        if digest and self.mounts and digest in self._registry.blobs and self.is_owner(source, digest):
            self._own(name, digest)
            return empty(201, Location=f"/v2/{name}/blobs/{digest}", Docker_Content_Digest=digest)
        self.begun += 1
        id = str(self.begun - 1)
        self.sessions[id] = bytearray()
        return self._where(name, id, 202)

    def _where(self, name: str, id: str, code: int) -> Reply:
        """The state of a session, at an address that changes with each answer."""
        self.steps += 1
        base = self.elsewhere or ("" if self.relative else self._registry.url)
        reply = empty(code, Location=f"{base}/v2/{name}/blobs/uploads/{id}?state=a%2Fb&step={self.steps}")
        reply.headers["Range"] = f"0-{max(len(self.sessions[id]) - 1, 0)}"
        if self.least:
            reply.headers["OCI-Chunk-Min-Length"] = str(self.least)
        return reply

    def _chunk(self, name: str, id: str, asked: Asked) -> Reply:
        data = self.sessions[id]
        first, last = map(int, asked.headers["content-range"].split("-"))
        if first != len(data) or last - first + 1 != len(asked.body) or f"step={self.steps}" not in asked.path:
            return self._where(name, id, 416)
        data += asked.body
        return self._where(name, id, 202)

    def _finish(self, name: str, id: str, asked: Asked, digest: str) -> Reply:
        if "content-range" in asked.headers or "state=a%2Fb" not in asked.path:
            return empty(400)
        data = bytes(self.sessions.pop(id)) + asked.body
        if digest.startswith("sha256:") and digest_of(data) != digest:
            return document(400, {"errors": [{"code": "DIGEST_INVALID", "message": "provided digest did not match"}]})
        self._registry.blobs[digest] = (data, "application/octet-stream")
        self._own(name, digest)
        return empty(201, Location=f"/v2/{name}/blobs/{digest}", Docker_Content_Digest=digest)

    def _own(self, name: str, digest: str) -> None:
        if self.owners is not None:
            self.owners.setdefault(digest, set()).add(name)

    def _manifest(self, asked: Asked, path: str) -> Reply:
        name, _, selector = path.removeprefix("/v2/").partition("/manifests/")
        content = json.loads(asked.body)
        named = [content["config"], *content["layers"]] if "config" in content else content["manifests"]
        missing = [one["digest"] for one in named if one["digest"] not in self._registry.blobs]
        if missing:
            return document(400, {"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": f"unknown {missing[0]}"}]})
        digest = self._registry.put(asked.body, asked.headers["content-type"])
        if ":" not in selector:
            self._registry.tags[name, selector] = digest
        reply = empty(201, Docker_Content_Digest=digest, Location=f"/v2/{name}/manifests/{digest}")
        if self.subjects and "subject" in content:
            reply.headers["OCI-Subject"] = content["subject"]["digest"]
        return reply


def _id(asked: Asked) -> str:
    return urlsplit(asked.path).path.rpartition("/")[2]
