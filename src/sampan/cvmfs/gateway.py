"""The repository gateway: publish below one path with an API key, without the repository's signing keys.

A lease on a path keeps other publishers out of it, and only of it. New objects go up in packs under the lease; at the end the gateway is
told the old root catalog and the new one, takes over what changed inside the lease, merges it into the current state and signs.
Requests are signed by HMAC-SHA1 over the body, its JSON head or the lease's token, and carry the *hex text* of it in base64.

A lease that is not committed is given back; one whose holder was killed ends by its time.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from sampan.cvmfs import compression, publish
from sampan.cvmfs.deposit import Deposit
from sampan.cvmfs.hashing import CATALOG, Hash
from sampan.cvmfs.reader import Repository
from sampan.cvmfs.scratch import scratch_directory
from sampan.errors import HostError, ProtocolError, RepositoryBusy, Unauthorized, UsageError, printable
from sampan.events import SILENT_NOTICE
from sampan.registry.pacing import Transient
from sampan.registry.transport import Body, Request, Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sampan.cvmfs.keys import PublicKey
    from sampan.cvmfs.manifest import Manifest
    from sampan.cvmfs.objects import Objects, Stored
    from sampan.cvmfs.publish import Publication
    from sampan.events import Notice

VERSION = "2"
PACK = 32 << 20
"""Bytes of a pack: it is held in memory here and there."""
_ASKED = 64 << 10
"""Objects from this size on are asked for before they are sent: below, a request costs as much as the object."""
_MAX_ANSWER = 1 << 20
_POLL = 5.0
_BAD_KEY = ("invalid_hmac", "invalid_key", "invalid_path", "invalid_user", "unauthorized", "no_valid_key")


class Key(NamedTuple):
    """An API key; never shown."""

    id: str
    secret: str

    def __repr__(self) -> str:
        return f"Key({self.id!r}, ...)"

    @classmethod
    def parse(cls, text: bytes, name: str) -> Key:
        """From a key file: `plain_text ID SECRET`. Raises `UsageError`."""
        words = text.decode("utf-8", "replace").split()
        if len(words) != 3 or words[0] != "plain_text" or not all(word.isascii() and word.isprintable() for word in words):
            raise UsageError(f"{name} is no key of a gateway", "such a file holds one line: plain_text ID SECRET")
        return cls(words[1], words[2])

    def signature(self, message: bytes) -> str:
        """The value of the Authorization header."""
        digits = hmac.new(self.secret.encode(), message, hashlib.sha1).hexdigest()
        return f"{self.id} {base64.b64encode(digits.encode()).decode()}"


def understood(data: bytes, what: str) -> dict[str, Any]:
    """The JSON object of an answer, with a `status` that is a text. Raises `ProtocolError`."""
    try:
        document = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the gateway's answer to {what} is not JSON") from error
    if not isinstance(document, dict) or not isinstance(document.get("status"), str):
        raise ProtocolError(f"the gateway's answer to {what} has no status")
    return document


def pack(objects: Sequence[tuple[Hash, str, bytes]]) -> tuple[bytes, bytes]:
    """Header and content of a pack of stored objects."""
    total = sum(len(data) for _, _, data in objects)
    lines = [f"V2\nS{total}\nN{len(objects)}\n--\n", *(f"C {hash}{suffix} {len(data)}\n" for hash, suffix, data in objects)]
    return "".join(lines).encode(), b"".join(data for _, _, data in objects)


class Gateway:
    """The API of one gateway, as `http://HOST:4929/api/v1`, with one key."""

    def __init__(self, url: str, key: Key, transport: Transport) -> None:
        self.url = url.rstrip("/")
        self._key = key
        self._transport = transport

    def _call(
        self, method: str, path: str, body: bytes, signed: bytes, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        what = f"{method} {path.split('/')[1]}"
        sent = {"Authorization": self._key.signature(signed), "Content-Type": "application/json", **(headers or {})}
        request = Request(method, self.url + path, sent, body=Body.of(body) if body or method == "POST" else None)
        tries = self._transport.tries()
        while True:
            try:
                with self._transport.send(request) as answer:
                    if answer.status in (401, 403):
                        raise Unauthorized(f"the gateway {self.url} refused the key {self._key.id!r} ({answer.status})")
                    data = answer.read(_MAX_ANSWER, f"the gateway's answer to {what}")
                    if answer.status >= 500:
                        raise ProtocolError(f"the gateway {self.url} failed at {what}: status {answer.status}")
                    return understood(data, what)
            except Transient as failure:
                tries.wait(failure)

    def lease(self, path: str) -> str:
        """A lease on FQRN/PATH: its token. Raises `RepositoryBusy`, `Unauthorized`, `ProtocolError`, `Unreachable`."""
        body = json.dumps({"path": path, "api_version": VERSION, "hostname": socket.gethostname()}).encode()
        answer = self._call("POST", "/leases", body, body)
        if answer["status"] == "path_busy":
            left = answer.get("time_remaining")
            raise RepositoryBusy(
                f"somebody else publishes into {printable(path)}; the lease ends in {printable(str(left)[:40])}",
                "try again later, or wait",
            )
        token = answer.get("session_token")
        if (
            answer["status"] != "ok"
            or not isinstance(token, str)
            or not token.isascii()
            or not token.isprintable()
            or "/" in token
        ):
            raise self._refusal(answer, f"a lease on {path}")
        return token

    def send(self, token: str, objects: Sequence[tuple[Hash, str, bytes]]) -> None:
        """Stored objects, under a lease. Raises `Unauthorized`, `ProtocolError`, `Unreachable`."""
        header, content = pack(objects)
        digest = hashlib.sha1(header, usedforsecurity=False).hexdigest()
        head = json.dumps(
            {"session_token": token, "payload_digest": digest, "header_size": str(len(header)), "api_version": VERSION}
        ).encode()
        answer = self._call("POST", "/payloads", head + header + content, head, {"Message-Size": str(len(head))})
        if answer["status"] != "ok":
            raise self._refusal(answer, "objects")

    def commit(self, token: str, old: Hash, new: Hash, tag: tuple[str, str]) -> int:
        """The revision that the gateway made of it. Raises `Unauthorized`, `ProtocolError`, `Unreachable`."""
        # Without the letter of catalogs behind the hashes the receiver aborts and the path stays leased.
        words = {"old_root_hash": f"{old}{CATALOG}", "new_root_hash": f"{new}{CATALOG}", "tag_name": tag[0], "tag_channel": 0}
        body = json.dumps({**words, "tag_description": tag[1]}).encode()
        answer = self._call("POST", f"/leases/{token}", body, token.encode())
        revision = answer.get("final_revision")
        if answer["status"] != "ok" or not isinstance(revision, int) or isinstance(revision, bool):
            raise self._refusal(answer, "a commit")
        return revision

    def cancel(self, token: str) -> None:
        """Give a lease back. Raises `Unauthorized`, `ProtocolError`, `Unreachable`."""
        self._call("DELETE", f"/leases/{token}", b"", token.encode())

    def _refusal(self, answer: Mapping[str, Any], what: str) -> Unauthorized | ProtocolError:
        reason = printable(str(answer.get("reason") or answer["status"])[:200])
        if reason in _BAD_KEY:
            return Unauthorized(
                f"the gateway {self.url} refused {what}: {reason}", f"does the key {self._key.id} have a right to this path?"
            )
        return ProtocolError(f"the gateway {self.url} refused {what}: {reason}")


class GatewayStore:
    """A store that reads from the repository and sends through a lease; only what a publication needs of one."""

    def __init__(self, gateway: Gateway, token: str, objects: Objects) -> None:
        self._gateway = gateway
        self._token = token
        self._objects = objects
        self._lock = threading.Lock()
        self._waiting: list[tuple[Hash, str, bytes]] = []
        self._bytes = 0
        self._sent: set[tuple[Hash, str]] = set()
        self._catalogs: dict[Hash, bytes] = {}

    @property
    def name(self) -> str:
        return self._objects.name

    def get(self, hash: Hash, suffix: str = "") -> bytes:
        if suffix == CATALOG and hash in self._catalogs:
            return self._catalogs[hash]
        return self._objects.get(hash, suffix)

    def has(self, hash: Hash, suffix: str = "") -> bool:
        return (hash, suffix) in self._sent or self._objects.has(hash, suffix)

    def get_root_file(self, name: str) -> bytes:
        return self._objects.get_root_file(name)

    def put(self, hash: Hash, suffix: str, data: bytes) -> bool:
        with self._lock:
            if (hash, suffix) in self._sent:
                return False
            self._sent.add((hash, suffix))
        if len(data) >= _ASKED and self._objects.has(hash, suffix):
            return False
        with self._lock:
            if suffix == CATALOG:
                # A catalog may be changed again in the same publish, before the gateway gives it out.
                self._catalogs[hash] = data
            self._waiting.append((hash, suffix, data))
            self._bytes += len(data)
            if self._bytes >= PACK:
                self._send()
        return True

    def flush(self) -> None:
        with self._lock:
            self._send()

    def _send(self) -> None:
        if self._waiting:
            self._gateway.send(self._token, self._waiting)
            self._waiting = []
            self._bytes = 0

    def put_root_file(self, name: str, data: bytes) -> None:
        raise HostError(f"{name} of {self.name} ({len(data)} bytes) is written by its gateway alone")

    def put_root_files(self, files: Sequence[tuple[str, bytes]]) -> None:
        for name, data in files:
            self.put_root_file(name, data)

    def lock(self, what: str, notice: Notice, *, wait: bool = False) -> contextlib.AbstractContextManager[None]:  # noqa: ARG002
        """The lease is the lock."""
        return contextlib.nullcontext()

    def stored(self) -> Iterator[Stored]:
        return iter(())

    def remove(self, hash: Hash, suffix: str) -> None:
        raise HostError(f"object {hash}{suffix} of {self.name} cannot be removed through a gateway")


class _Leased:
    """An `Ending` by the gateway's signature."""

    def __init__(self, gateway: Gateway, token: str, store: GatewayStore, base: Repository) -> None:
        self._gateway = gateway
        self._token = token
        self._store = store
        self._base = base
        self.is_done = False

    def publish(self, root: tuple[Hash, int], names: Mapping[str, str]) -> Manifest:
        """What is returned has the revision that the gateway made; its root is ours before the merge."""
        if len(names) > 1:
            raise UsageError("a gateway takes one tag for a revision", "set the others by `sampan repo tag`, where the keys are")
        self._store.flush()
        tag = next(iter(names.items()), ("", ""))
        revision = self._gateway.commit(self._token, self._base.manifest.root, root[0], tag)
        self.is_done = True
        return self._base.manifest._replace(root=root[0], root_size=root[1], revision=revision)


@contextlib.contextmanager
def begin(
    gateway: Gateway,
    objects: Objects,
    keys: Sequence[PublicKey],
    path: bytes,
    *,
    wait: float = 0,
    notice: Notice = SILENT_NOTICE,
) -> Iterator[Publication]:
    """A publication below `path`, read from `objects` and written through the gateway; `wait` seconds for a busy path.

    The directory that `path` is in must be there. Raises `RepositoryBusy`, `Unauthorized`, `ProtocolError`, `UsageError`, and what
    reading the repository raises.
    """
    publish.checked(path)
    parent = path.rpartition(b"/")[0]
    with scratch_directory() as scratch:
        first = Repository.open(objects, keys, scratch=scratch)
        above = first.lookup(parent)
        if above is None or not above.is_directory:
            raise UsageError(
                f"{printable(path)} of {first.name} cannot be leased: the directory that it is in is missing",
                "publish it once from above",
            )
        token = _lease(gateway, f"{first.name}{path.decode('utf-8', 'surrogateescape') or '/'}", wait, notice)
        ending = None
        try:
            store = GatewayStore(gateway, token, objects)
            base = Repository.open(store, keys, scratch=scratch)
            ending = _Leased(gateway, token, store, base)
            info = base.metainfo
            compressor = compression.compressor(info.compressor or compression.DEFAULT, info.sample)
            limits = publish.Limits(path, hide_markers=False)
            made = publish.started(base, Deposit(store, base.manifest.root.algorithm), compressor, ending, scratch, limits)
            with contextlib.closing(made):
                yield made
        finally:
            if ending is None or not ending.is_done:
                with contextlib.suppress(Unauthorized, ProtocolError, HostError):
                    gateway.cancel(token)


def _lease(gateway: Gateway, path: str, wait: float, notice: Notice) -> str:
    end = time.monotonic() + wait
    told = False
    while True:
        try:
            return gateway.lease(path)
        except RepositoryBusy:
            if time.monotonic() + _POLL > end:
                raise
            if not told:
                notice.say(f"waiting for the lease on {printable(path)}")
                told = True
            time.sleep(_POLL)
