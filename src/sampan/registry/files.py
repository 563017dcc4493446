"""Plain files at web servers and object stores: fetched and stored as a whole, over the transport of the registries.

A fetch that is cut goes on where it was, if the server can (`Range` with `If-Range`); else it begins anew. What may pass is
tried again, as often as the limits of the transport say.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.errors import NotAtRegistry, ProtocolError, RemoteError, Unauthorized, printable
from sampan.registry.failures import TRANSIENT_STATUSES
from sampan.registry.pacing import STATUS_PAUSE, Transient, retry_after
from sampan.registry.transport import Body, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import BinaryIO

    from sampan.registry.transport import Answer, Transport

    # Makes the headers of a request, anew for each try: a signature holds the time. Takes those that are to be sent besides.
    Headers = Callable[[Mapping[str, str]], Mapping[str, str]]

_PIECE = 1 << 20


@dataclass(frozen=True)
class Fetched:
    """Bytes that came and their sha256 in hex."""

    size: int
    sha256: str


class _Progress:
    """What has come so far; `mark` is what the server calls this version of the file, empty if it names none."""

    def __init__(self, target: BinaryIO) -> None:
        self.target = target
        self.begin("")

    def begin(self, mark: str) -> None:
        self.target.seek(0)
        self.target.truncate()
        self.size = 0
        self.hash = hashlib.sha256()
        self.mark = mark


def fetch(transport: Transport, url: str, headers: Headers, target: BinaryIO, shown: str) -> Fetched:
    """Write the file at a URL into `target`, a file that can be truncated; `shown` names it in sentences.

    Raises `NotAtRegistry`, `Unauthorized`, `Unreachable`, `RemoteError`, `ProtocolError`; OSError of `target`.
    """
    progress = _Progress(target)
    tries = transport.tries()
    while True:
        before = progress.size
        try:
            _try_to_fetch(transport, Request("GET", url, headers(_range(progress))), progress, shown)
            return Fetched(progress.size, progress.hash.hexdigest())
        except Transient as failure:
            if progress.mark:  # only then is what has come of use
                tries.received(progress.size - before)
            tries.wait(failure)


def _range(progress: _Progress) -> dict[str, str]:
    return {"range": f"bytes={progress.size}-", "if-range": progress.mark} if progress.size and progress.mark else {}


def _try_to_fetch(transport: Transport, request: Request, progress: _Progress, shown: str) -> None:
    with transport.send(request) as answer:
        if answer.status == 206 and _goes_on(answer, progress.size):
            pass
        elif answer.status == 200:
            mark = answer.headers.get("ETag") or ""
            progress.begin("" if mark.startswith("W/") else mark)
        elif answer.status == 416 and progress.size:
            progress.begin("")
            raise Transient(ProtocolError(f"{answer.host} cannot go on with {shown}"))
        else:
            raise _refused(answer, shown, transport.clock.now(), storing=False)
        for piece in answer.pieces():
            progress.hash.update(piece)
            progress.target.write(piece)
            progress.size += len(piece)


def _goes_on(answer: Answer, size: int) -> bool:
    return size > 0 and (answer.headers.get("Content-Range") or "").startswith(f"bytes {size}-")


def store(transport: Transport, url: str, headers: Headers, path: str, shown: str) -> None:
    """Put the file at `path` to a URL with one PUT: servers show it when it is whole.

    Raises `FileExistsError` where the server says that there is one already (`If-None-Match`), else as `fetch`.
    """
    import os

    tries = transport.tries()
    while True:
        try:
            body = Body(os.stat(path).st_size, lambda: _pieces(path))
            with transport.send(Request("PUT", url, headers({}), body=body)) as answer:
                if answer.status == 412:
                    raise FileExistsError(f"there is something at {shown}")
                if answer.status not in (200, 201, 204):
                    raise _refused(answer, shown, transport.clock.now(), storing=True)
                answer.first_bytes()
                return
        except Transient as failure:
            tries.wait(failure)


def is_there(transport: Transport, url: str, headers: Headers, shown: str) -> bool:
    """Whether a server has something at a URL. Raises as `fetch`."""
    tries = transport.tries()
    while True:
        try:
            with transport.send(Request("HEAD", url, headers({}))) as answer:
                if answer.status in (404, 410):
                    return False
                if answer.status != 200:
                    raise _refused(answer, shown, transport.clock.now(), storing=False)
                return True
        except Transient as failure:
            tries.wait(failure)


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as stream:
        piece = stream.read(_PIECE)
        while piece:
            yield piece
            piece = stream.read(_PIECE)


def _refused(answer: Answer, shown: str, now: float, *, storing: bool) -> Exception:
    """The exception for a status that is not the wanted one. What the server says besides is left out: it may repeat the request."""
    status, host = answer.status, printable(answer.host.rpartition("@")[2])
    answer.first_bytes()
    if status in TRANSIENT_STATUSES:
        wait = retry_after(answer.headers.get("Retry-After"), now)
        return Transient(RemoteError(f"{host} has a fault ({status}) with {shown}"), retry_after=wait, pause=STATUS_PAUSE)
    if status in (401, 403):
        return Unauthorized(
            f"{host} refuses {shown} ({status})",
            "the credentials of the job may be missing, wrong or too old; the setting tokens names those for web servers",
        )
    if status in (404, 410):
        return NotAtRegistry(f"{host} has no {'place for ' if storing else ''}{shown} ({status})", "check the spelling")
    return RemoteError(f"{host} answers {status} where {shown} was {'to be stored' if storing else 'asked for'}")
