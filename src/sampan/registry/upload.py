"""Sending: blobs into a registry, and the manifests that lead to them (distribution-spec, "Push").

Theory of operation. A blob is asked for by HEAD first. If another image of the same registry has it, it is mounted. Else a
session is opened, and all is sent by one PUT. When that breaks in the middle, the registry is asked how far it came, and the
rest goes in chunks; so does everything where one request is too large for what stands in between (413). Chunks are as
long as the registry wants them at least. After 416 it is asked again. What counts is the `Location` of the latest answer,
relative or not, its query kept; it may lead to another host, which then gets no credentials. A session that is
not finished is deleted.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from sampan.errors import ProtocolError, SampanError, Unauthorized, Unreachable
from sampan.registry.addresses import addresses_of, check_reach, origin_of
from sampan.registry.failures import Refusal
from sampan.registry.pacing import Transient
from sampan.registry.transport import Body, Request, target_of

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sampan.events import Task
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest
    from sampan.registry.exchange import Exchange
    from sampan.registry.place import Place
    from sampan.registry.transport import Answer

CHUNK = 32 * 1024 * 1024
SMALLEST_CHUNK = 1024 * 1024
STALE = 3
"""So many chunks in a row that bring nothing begin the upload anew."""
_OCTETS = {"Content-Type": "application/octet-stream"}
THERE, MOUNTED, SENT = "there", "mounted", "sent"


class _Lost(Exception):
    """Never leaves this module: the session is gone, or does not get on."""


def has_blob(exchange: Exchange, place: Place, digest: Digest) -> bool:
    """Whether the registry has a blob for this image. Raises as `send_blob`."""

    def ask() -> bool:
        with exchange.ask(place, Request("HEAD", place.url(f"blobs/{digest}"))) as answer:
            if answer.status in (404, 405):
                return False
            if answer.status != 200:
                raise Refusal(answer).not_taken(place.name, f"blob {digest.short}", exchange.transport.clock.now())
            return True

    return exchange.repeated(ask)


def mount(exchange: Exchange, place: Place, digest: Digest, source: str) -> bool:
    """Let the image have a blob of another image, `source`, of the same registry; False if the registry does not do it."""
    asking = place.mounting(source)
    url = place.url(f"blobs/uploads/?mount={quote(str(digest), safe=':')}&from={quote(source, safe='/')}")
    try:
        with exchange.ask(asking, Request("POST", url)) as answer:
            if answer.status == 201:
                return True
            if answer.status == 202:  # a session instead: the other image does not have it, or must not be read
                location = answer.headers.get("Location")
                if location:
                    _Session(exchange, place, digest, 0, _at(url, location)).delete()
            return False
    except (Transient, SampanError) as error:
        exchange.transport.check_running()
        exchange.transport.notice.debug(f"cannot mount blob {digest.short} from {source}: {error}")
        return False


def send_blob(
    exchange: Exchange, place: Place, descriptor: Descriptor, read: Callable[[int], Iterable[bytes]], task: Task
) -> None:
    """Send a blob that the registry does not have; `read(N)` gives its bytes from N on.

    Raises `Unauthorized`, `RemoteError`, `ProtocolError`, `Unreachable`, and what `read` raises.
    """
    tries = exchange.transport.tries()
    sent = _Sent(task)
    while True:
        session: _Session | None = None
        try:
            session = _open(exchange, place, descriptor)
            session.send(read, sent)
            return
        except (_Lost, Transient) as failure:
            _give_up(session)
            if has_blob(exchange, place, descriptor.digest):  # it was complete, and only the answer was lost
                sent.reach(descriptor.size)
                return
            sent.reach(0)
            error = failure if isinstance(failure, Transient) else Transient(Unreachable(str(failure)), is_cut=True)
            tries.wait(error)
        except BaseException:
            _give_up(session)
            raise


def send_manifest(exchange: Exchange, place: Place, selector: str, content: bytes, media_type: str) -> Answer:
    """Store a manifest or index by tag or digest; the registry's answer, closed. Raises as `send_blob`."""
    what = f"the manifest {selector}"
    request = Request("PUT", place.url(f"manifests/{selector}"), {"Content-Type": media_type}, body=Body.of(content))

    def put() -> Answer:
        with exchange.ask(place, request) as answer:
            if answer.status not in (200, 201, 202, 204):
                raise Refusal(answer).not_taken(place.name, what, exchange.transport.clock.now())
            answer.first_bytes()
            return answer

    return exchange.repeated(put)


class _Sent:
    """Tells a task how far an upload is, whatever has to be sent again."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._told = 0

    def reach(self, position: int) -> None:
        """So many bytes have gone out; fewer than before if some have to be sent again."""
        if position != self._told:
            self._task.advance(position - self._told)
            self._told = position


def _open(exchange: Exchange, place: Place, descriptor: Descriptor) -> _Session:
    algorithm = descriptor.digest.algorithm
    url = place.url("blobs/uploads/" + ("" if algorithm == "sha256" else f"?digest-algorithm={algorithm}"))
    with exchange.ask(place, Request("POST", url)) as answer:
        if answer.status != 202:
            what = f"blob {descriptor.digest.short}"
            raise Refusal(answer).not_taken(place.name, what, exchange.transport.clock.now())
        location = answer.headers.get("Location")
        if not location:
            raise ProtocolError(f"{answer.host} does not say where blob {descriptor.digest.short} is to be sent")
        session = _Session(exchange, place, descriptor.digest, descriptor.size, _at(url, location))
        session.hear(answer)
        return session


def _give_up(session: _Session | None) -> None:
    if session is not None:
        session.delete()


def _at(url: str, location: str) -> str:
    try:
        return target_of(url, location)
    except ProtocolError as error:
        if urlsplit(url).scheme == "https" and location.startswith("http://"):
            error.sentence = f"{urlsplit(url).netloc} wants uploads over plain http, at {urlsplit(location).netloc[:200]}"
            error.hint = "a proxy in front of the registry has to tell it the scheme (X-Forwarded-Proto)"
            error.args = (error.sentence,)
        raise


class _Session:
    """One upload of one blob."""

    def __init__(self, exchange: Exchange, place: Place, digest: Digest, size: int, url: str) -> None:
        self._exchange = exchange
        self._place = place
        self._digest = digest
        self._size = size
        self._url = url
        self._chunk = CHUNK
        self._least = 1
        self._is_done = False

    def hear(self, answer: Answer) -> None:
        """What an answer says beside its status: where to go on, and how long chunks have to be."""
        location = answer.headers.get("Location")
        if location:
            self._url = _at(self._url, location)
        least = answer.headers.get("OCI-Chunk-Min-Length", "").strip()
        if least.isascii() and least.isdigit():
            self._least = max(1, int(least[:15]))
            self._chunk = max(self._chunk, self._least)

    def send(self, read: Callable[[int], Iterable[bytes]], sent: _Sent) -> None:
        """All of the blob. Raises `_Lost`, `Transient` when it has to begin anew, and what is to be told."""
        tries = self._exchange.transport.tries()
        position = stale = 0
        try:
            if self._put(read, sent):
                return
        except Transient as failure:
            tries.wait(failure)
            position = self._received()
        while position < self._size:
            before, chunk = position, self._chunk
            sent.reach(position)
            try:
                position = self._patch(position, read, sent)
            except Transient as failure:
                tries.wait(failure)
                position = self._received()
            tries.received(position - before)
            stale = 0 if position > before or self._chunk < chunk else stale + 1
            if stale >= STALE:
                raise _Lost(f"the upload of blob {self._digest.short} does not get on")
        self._finish(Body.of(b""))
        sent.reach(self._size)

    def delete(self) -> None:
        """Tell the registry that the session is over, unless it is finished; whether it listens does not matter."""
        if self._is_done:
            return
        self._is_done = True
        request = Request("DELETE", self._url, {"Content-Length": "0"}, is_last_word=True)
        try:
            self._ask(request).close()
        except (Transient, SampanError) as error:
            self._exchange.transport.notice.debug(f"the upload of blob {self._digest.short} stays open at the registry: {error}")

    def _put(self, read: Callable[[int], Iterable[bytes]], sent: _Sent) -> bool:
        """All in one request; False if it is too large for somebody on the way."""
        return self._finish(Body(self._size, lambda: _counted(read(0), 0, sent)), may_be_large=True)

    def _finish(self, body: Body, *, may_be_large: bool = False) -> bool:
        url = f"{self._url}{'&' if urlsplit(self._url).query else '?'}digest={quote(str(self._digest), safe=':')}"
        with self._ask(Request("PUT", url, _OCTETS, body=body)) as answer:
            if answer.status == 413 and may_be_large:
                return False
            if answer.status in (404, 416):
                raise _Lost(f"the registry has lost the upload of blob {self._digest.short} ({answer.status})")
            if answer.status not in (200, 201, 204):
                raise self._refused(answer)
            self._is_done = True
            return True

    def _patch(self, position: int, read: Callable[[int], Iterable[bytes]], sent: _Sent) -> int:
        """Send one chunk; how many bytes the registry has then."""
        length = min(self._chunk, self._size - position)
        headers = {**_OCTETS, "Content-Range": f"{position}-{position + length - 1}"}
        body = Body(length, lambda: _counted(_limited(read(position), length), position, sent))
        with self._ask(Request("PATCH", self._url, headers, body=body)) as answer:
            if answer.status == 413 and self._chunk > max(SMALLEST_CHUNK, self._least):
                self._chunk = max(self._chunk // 2, SMALLEST_CHUNK, self._least)
                return position
            if answer.status == 416:
                self.hear(answer)
            elif answer.status in (201, 202, 204):
                self.hear(answer)
                return position + length
            elif answer.status == 404:
                raise _Lost(f"the registry has lost the upload of blob {self._digest.short} (404)")
            else:
                raise self._refused(answer)
        return self._received()

    def _received(self) -> int:
        """How many bytes the registry has, by its own word. Raises `_Lost` if it knows nothing of the session."""

        def ask() -> int:
            with self._ask(Request("GET", self._url, redirects=False)) as answer:
                if answer.status not in (200, 202, 204):
                    raise _Lost(f"the registry does not know how far blob {self._digest.short} came ({answer.status})")
                self.hear(answer)
                return _end_of(answer.headers.get("Range", ""), self._size)

        return self._exchange.repeated(ask)

    def _ask(self, request: Request) -> Answer:
        """Authenticated at the registry itself, without any proof elsewhere."""
        if origin_of(request.url) == origin_of(self._place.base):
            return self._exchange.ask(self._place, request)
        transport = self._exchange.transport
        resolve = addresses_of if transport.is_direct(request.url) else lambda _: []
        check_reach(request.url, self._place.base, resolve, "an address for uploads")
        return transport.send(request)

    def _refused(self, answer: Answer) -> Exception:
        if answer.status == 401:
            return Unauthorized(f"{answer.host}, where blob {self._digest.short} is to be sent, wants a login (401)")
        what = f"blob {self._digest.short}"
        return Refusal(answer).not_taken(self._place.name, what, self._exchange.transport.clock.now())


def _end_of(header: str, size: int) -> int:
    """Behind the last byte of a `Range: 0-1023`, also `bytes=0-1023`; `0-0` is what most registries say of an empty upload."""
    first, _, last = header.strip().lower().removeprefix("bytes=").removeprefix("bytes ").partition("-")
    if first.strip() != "0" or not last.isascii() or not last.isdigit() or last == "0":
        return 0
    return min(int(last[:18]) + 1, size)


def _counted(pieces: Iterable[bytes], position: int, sent: _Sent) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        position += len(piece)
        sent.reach(position)


def _limited(pieces: Iterable[bytes], length: int) -> Iterator[bytes]:
    for piece in pieces:
        yield piece[:length]
        length -= len(piece)
        if length <= 0:
            return
