"""Blobs: a stream that survives cuts, and a download into a file that can be continued by a later process.

A transfer that breaks goes on where it stopped, by a closed range (`bytes=N-M`: some servers refuse open ones), whether
or not the server says that it takes ranges, because most that do take them do not say so. Only a 206 that begins at the
right byte counts; after anything else the transfer starts at the beginning, and what is there already is passed over. Each
try starts at the registry, never at the address that a redirect gave before: signed addresses expire.

Of several routes the next one goes on where one failed. The size is known from the descriptor, so one that is announced
differently, or a longer body, ends the transfer at once. A layer that a registry must not keep (`urls`) is fetched from where
its manifest says, if the settings allow it, without credentials.
"""

from __future__ import annotations

import errno

from sampan.errors import DigestMismatch, NoSpace, NotAtRegistry, ProtocolError, SampanError, StoreError, Unreachable
from sampan.oci.digest import Verifier
from sampan.registry.addresses import addresses_of, check_reach, split_url
from sampan.registry.exchange import blob_request
from sampan.registry.failures import Refusal, is_web_page, page_instead_of
from sampan.registry.pacing import PROGRESS_BYTES, Transient
from sampan.registry.transport import Request

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import BinaryIO

    from sampan.events import Task
    from sampan.oci.descriptor import Descriptor
    from sampan.registry.exchange import Exchange
    from sampan.registry.place import Place
    from sampan.registry.routes import Route
    from sampan.registry.transport import Answer

REHASH = 1 << 20


class _BadRange(Exception):
    """Never leaves this module: the server does not give the part that was asked for."""


class Stream:
    """The bytes of one blob from `start` on, not verified; exactly up to its size, over whichever routes give them.

    Iterating raises `NotAtRegistry`, `Unauthorized`, `Unreachable` and their kin when the last route has failed,
    `DigestMismatch` for a blob of another size.
    """

    def __init__(self, exchange: Exchange, routes: Sequence[Route], descriptor: Descriptor, start: int = 0) -> None:
        self._exchange = exchange
        self._descriptor = descriptor
        self._tries = exchange.transport.tries()
        self.left = exchange.promising(routes)
        """The routes that have not failed; the bytes come from the first one."""
        self.what = f"blob {descriptor.digest.short} of {routes[-1].domain}/{routes[-1].path}"
        self.position = self.start = start
        self.givers: set[Route] = set()
        """The routes that have given bytes."""

    def __iter__(self) -> Iterator[bytes]:
        """The pieces as they arrive."""
        while self.position < self._descriptor.size:
            is_last = len(self.left) == 1
            try:
                yield from self._through(lambda at, last=is_last: self._opened(at, patient=last), patient=is_last)  # type: ignore[misc]
            except NotAtRegistry as error:
                if not is_last:
                    self.give_up_route(error)
                    continue
                if not self._descriptor.urls:
                    raise
                yield from self._from_elsewhere(error)
            except (Transient, SampanError) as error:
                # What a route with wrong bytes has given cannot be taken back here.
                if is_last or (isinstance(error, DigestMismatch) and self.position > self.start):
                    raise
                self.give_up_route(error)

    def give_up_route(self, failure: BaseException) -> None:
        """The first route has failed, or has sent what is wrong."""
        self._exchange.passed_over(self.left.pop(0), failure)

    def _through(self, opened: Callable[[int], Answer], *, patient: bool) -> Iterator[bytes]:
        """The rest of the blob by answers of `opened`, which are asked for again after a cut; without end if `patient`."""
        with_range = True
        while self.position < self._descriptor.size:
            begun = self.position
            try:
                with opened(self.position if with_range else 0) as answer:
                    yield from self._pieces(answer)
            except _BadRange:
                with_range = False
            except Transient as failure:
                if not patient and self.position - begun < PROGRESS_BYTES:
                    raise
                self._tries.wait(failure)

    def _pieces(self, answer: Answer) -> Iterator[bytes]:
        size = self._descriptor.size
        for piece in _from(self.position if answer.status == 200 else 0, answer):
            if self.position == 0 and is_web_page(answer.headers, piece):
                raise page_instead_of(self.what, answer.host)
            if self.position + len(piece) > size:
                raise DigestMismatch(f"{self.what} is longer than the {size} bytes it was announced with")
            self.position += len(piece)
            self.givers.add(self.left[0])
            self._tries.received(len(piece))
            yield piece
        if self.position < size:
            cut = Unreachable(f"the registry sent {self.position} of the {size} bytes of {self.what}")
            raise Transient(cut, is_cut=True)

    def _opened(self, position: int, *, patient: bool) -> Answer:
        """The registry's answer from which the bytes can be read: 206 from `position` on, or 200 from zero."""
        place = self._exchange.place(self.left[0], patient=patient)
        headers = self._range(position)
        answer = self._exchange.ask(place, blob_request(place, str(self._descriptor.digest), headers))
        return self._checked(answer, position, lambda refused: self._exchange.refused(refused, place, self.what))

    def _from_elsewhere(self, missing: NotAtRegistry) -> Iterator[bytes]:
        """The rest from the addresses in the descriptor, the first that has it."""
        hosts = ", ".join(sorted({split_url(url).netloc for url in self._descriptor.urls}))
        if not self._exchange.foreign_layers:
            missing.hint = f"its manifest says that it lies at {hosts}; the setting foreign_layers lets it be fetched from there"
            raise missing
        place = self._exchange.place(self.left[0])
        for at, url in enumerate(self._descriptor.urls, 1):
            try:
                yield from self._through(lambda position, url=url: self._opened_at(url, place, position), patient=True)  # type: ignore[misc]
                return
            except (Transient, SampanError) as error:
                if at == len(self._descriptor.urls):
                    raise
                self._exchange.transport.notice.warn(f"{error}; trying the next address of {self.what}")

    def _opened_at(self, url: str, place: Place, position: int) -> Answer:
        transport = self._exchange.transport
        check_reach(url, place.base, addresses_of if transport.is_direct(url) else lambda _: [], "a layer's address")
        transport.notice.debug(f"{self.what} is fetched from {split_url(url).netloc}")
        answer = transport.send(Request("GET", url, {"Accept": "*/*", **self._range(position)}))
        return self._checked(
            answer, position, lambda refused: Refusal(refused).failure(place.name, self.what, transport.clock.now())
        )

    def _range(self, position: int) -> dict[str, str]:
        return {"Range": f"bytes={position}-{self._descriptor.size - 1}"} if position else {}

    def _checked(self, answer: Answer, position: int, refused: Callable[[Answer], Exception]) -> Answer:
        try:
            if answer.status == 206 and position:
                self._check_range(answer.headers.get("Content-Range", ""), position)
            elif answer.status == 200:
                self._check_length(answer)
            elif answer.status in (206, 416) and position:
                raise _BadRange
            else:
                raise refused(answer)
        except BaseException:
            answer.close()
            raise
        return answer

    def _check_range(self, header: str, position: int) -> None:
        """A `Content-Range: bytes 5-9/10` that begins at `position`. Raises `_BadRange`, `DigestMismatch`."""
        unit, _, rest = header.strip().partition(" ")
        span, _, total = rest.strip().partition("/")
        first, _, _last = span.partition("-")
        if unit.lower() != "bytes" or not first.isdecimal() or int(first[:20]) != position:
            raise _BadRange
        if total.isdecimal() and int(total[:20]) != self._descriptor.size:
            raise self._other_size(int(total[:20]))

    def _check_length(self, answer: Answer) -> None:
        length = answer.headers.get("Content-Length", "").strip()
        if not length.isdecimal() or int(length[:20]) == self._descriptor.size:
            return
        if is_web_page(answer.headers, answer.first_bytes()):
            raise page_instead_of(self.what, answer.host)
        raise self._other_size(int(length[:20]))

    def _other_size(self, found: int) -> DigestMismatch:
        return DigestMismatch(f"{self.what} has {found} bytes at the registry instead of {self._descriptor.size}")


def fetch(exchange: Exchange, routes: Sequence[Route], descriptor: Descriptor, file: BinaryIO, task: Task) -> None:
    """Bring a blob into `file`, which may hold the beginning of it from an earlier try.

    The file is open for reading and writing and afterwards holds exactly the verified blob. What it held is hashed
    again; if the whole then does not match, that part was to blame as likely as the registry, and the blob is fetched
    once more from its start (`task` is told with a negative amount). What a mirror has sent wrong is fetched from the next
    route. Raises what `Stream` does, `DigestMismatch`, `NoSpace` and `StoreError`; the file then holds what has been
    received, for the next time, or nothing if it was wrong.
    """
    left = list(routes)
    while True:
        source = Stream(exchange, left, descriptor)
        verifier = Verifier(descriptor.digest, descriptor.size, source.what)
        kept = source.position = source.start = _hash_again(file, verifier, descriptor.size)
        if kept:
            task.advance(kept)
        try:
            for piece in source:
                verifier.update(piece)
                _write(file, piece, source.what)
                task.advance(len(piece))
            verifier.finish()
            _flush(file, source.what)
            return
        except DigestMismatch as error:
            file.seek(0)
            file.truncate()
            task.advance(-verifier.count)
            if kept and verifier.count == descriptor.size:
                exchange.transport.notice.debug(f"the {kept} bytes kept of {source.what} were wrong; fetching it anew")
            else:
                left = _after_wrong_bytes(source, error)


def fetch_bytes(exchange: Exchange, routes: Sequence[Route], descriptor: Descriptor, limit: int) -> bytes:
    """A small blob, verified. Raises what `Stream` does, `DigestMismatch`, and `ProtocolError` above `limit` bytes."""
    left = list(routes)
    while True:
        source = Stream(exchange, left, descriptor)
        if descriptor.size > limit:
            raise ProtocolError(f"{source.what} has {descriptor.size} bytes; at most {limit} are accepted")
        verifier = Verifier(descriptor.digest, descriptor.size, source.what)
        found = bytearray()
        try:
            for piece in (descriptor.data,) if descriptor.data is not None else source:
                verifier.update(piece)
                found += piece
            verifier.finish()
            return bytes(found)
        except DigestMismatch as error:
            if descriptor.data is not None:
                raise
            left = _after_wrong_bytes(source, error)


def _after_wrong_bytes(source: Stream, error: DigestMismatch) -> list[Route]:
    """The routes by which to fetch from the start what was wrong; raises the error if there is no other."""
    if len(source.givers) > 1:  # whichever of them was to blame: once more from the one that is asked now
        return source.left
    if len(source.left) == 1:
        raise error
    source.give_up_route(error)
    return source.left


def _from(skipped: int, answer: Answer) -> Iterator[bytes]:
    """The pieces of a body without its first `skipped` bytes."""
    for piece in answer.pieces():
        if skipped >= len(piece):
            skipped -= len(piece)
            continue
        yield piece[skipped:] if skipped else piece
        skipped = 0


def _hash_again(file: BinaryIO, verifier: Verifier, size: int) -> int:
    """Hash what `file` holds and leave it at its end; one that is too long is emptied. The bytes kept."""
    file.seek(0, 2)
    length = file.tell()
    file.seek(0)
    if length > size:
        file.truncate()
        return 0
    while True:
        piece = file.read(REHASH)
        if not piece:
            return length
        verifier.update(piece)


def _write(file: BinaryIO, piece: bytes, what: str) -> None:
    try:
        file.write(piece)
    except OSError as error:
        raise _not_written(error, what) from error


def _flush(file: BinaryIO, what: str) -> None:
    try:
        file.flush()
    except OSError as error:
        raise _not_written(error, what) from error


def _not_written(error: OSError, what: str) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"no space left while writing {what}: {error.strerror}")
    return StoreError(f"cannot write {what}: {error.strerror}")
