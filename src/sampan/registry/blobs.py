"""Blobs: a stream that survives cuts, and a download into a file that can be continued by a later process.

A transfer that breaks goes on where it stopped, by a closed range (`bytes=N-M`: some servers refuse open ones), whether
or not the server says that it takes ranges, because most that do take them do not say so. Only a 206 that begins at the
right byte counts; after anything else the transfer starts at the beginning, and what is there already is passed over. Each
try starts at the registry, never at the address that a redirect gave before: signed addresses expire.

The size is known from the descriptor, so one that is announced differently, or a longer body, ends the transfer at once.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from sampan.errors import DigestMismatch, NoSpace, ProtocolError, StoreError, Unreachable
from sampan.oci.digest import Verifier
from sampan.registry.exchange import blob_request
from sampan.registry.failures import is_web_page, page_instead_of
from sampan.registry.pacing import Transient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from sampan.events import Task
    from sampan.oci.descriptor import Descriptor
    from sampan.registry.auth import Place
    from sampan.registry.exchange import Exchange
    from sampan.registry.transport import Answer

REHASH = 1 << 20


class _BadRange(Exception):
    """Never leaves this module: the server does not give the part that was asked for."""


def stream(exchange: Exchange, place: Place, descriptor: Descriptor, start: int = 0) -> Iterator[bytes]:
    """The bytes of a blob from `start` on, not verified; exactly up to its size.

    Raises `NotAtRegistry`, `Unauthorized`, `Unreachable` and their kin when the tries are used up, `DigestMismatch` for
    a blob of another size.
    """
    what = _named(descriptor, place)
    position = start
    with_range = True
    tries = exchange.transport.tries()
    while position < descriptor.size:
        try:
            with _opened(exchange, place, descriptor, position if with_range else 0) as answer:
                for piece in _from(position if answer.status == 200 else 0, answer):
                    if position == 0 and is_web_page(answer.headers, piece):
                        raise page_instead_of(what, answer.host)
                    if position + len(piece) > descriptor.size:
                        raise DigestMismatch(f"{what} is longer than the {descriptor.size} bytes it was announced with")
                    position += len(piece)
                    tries.received(len(piece))
                    yield piece
            if position < descriptor.size:
                cut = Unreachable(f"the registry sent {position} of the {descriptor.size} bytes of {what}")
                raise Transient(cut, is_cut=True)
        except _BadRange:
            with_range = False
        except Transient as failure:
            tries.wait(failure)


def fetch(exchange: Exchange, place: Place, descriptor: Descriptor, file: BinaryIO, task: Task) -> None:
    """Bring a blob into `file`, which may hold the beginning of it from an earlier try.

    The file is open for reading and writing and afterwards holds exactly the verified blob. What it held is hashed
    again; if the whole then does not match, that part was to blame as likely as the registry, and the blob is fetched
    once more from its start (`task` is told with a negative amount). Raises what `stream` does, `DigestMismatch`,
    `NoSpace` and `StoreError`; the file then holds what has been received, for the next time, or nothing if it was wrong.
    """
    kept = _fetch_rest(exchange, place, descriptor, file, task)
    if kept:
        exchange.transport.notice.debug(f"the {kept} bytes kept of {_named(descriptor, place)} were wrong; fetching it anew")
        task.advance(-descriptor.size)
        _fetch_rest(exchange, place, descriptor, file, task)


def _fetch_rest(exchange: Exchange, place: Place, descriptor: Descriptor, file: BinaryIO, task: Task) -> int:
    """Fetch what is missing: 0, or how many bytes were kept from before and make the blob wrong (the file is empty then)."""
    what = _named(descriptor, place)
    verifier = Verifier(descriptor.digest, descriptor.size, what)
    kept = _hash_again(file, verifier, descriptor.size)
    if kept:
        task.advance(kept)
    try:
        for piece in stream(exchange, place, descriptor, kept):
            verifier.update(piece)
            _write(file, piece, what)
            task.advance(len(piece))
        verifier.finish()
        _flush(file, what)
    except DigestMismatch:
        file.seek(0)
        file.truncate()
        if kept and verifier.count == descriptor.size:
            return kept
        raise
    return 0


def fetch_bytes(exchange: Exchange, place: Place, descriptor: Descriptor, limit: int) -> bytes:
    """A small blob, verified. Raises what `stream` does, `DigestMismatch`, and `ProtocolError` above `limit` bytes."""
    what = _named(descriptor, place)
    if descriptor.size > limit:
        raise ProtocolError(f"{what} has {descriptor.size} bytes; at most {limit} are accepted")
    verifier = Verifier(descriptor.digest, descriptor.size, what)
    found = bytearray()
    for piece in (descriptor.data,) if descriptor.data is not None else stream(exchange, place, descriptor):
        verifier.update(piece)
        found += piece
    verifier.finish()
    return bytes(found)


def _named(descriptor: Descriptor, place: Place) -> str:
    return f"blob {descriptor.digest.short} of {place.name}"


def _opened(exchange: Exchange, place: Place, descriptor: Descriptor, position: int) -> Answer:
    """The answer from which the bytes can be read: 206 from `position` on, or 200 from zero."""
    headers = {"Range": f"bytes={position}-{descriptor.size - 1}"} if position else {}
    answer = exchange.ask(place, blob_request(place, str(descriptor.digest), headers))
    try:
        if answer.status == 206 and position:
            _check_range(answer.headers.get("Content-Range", ""), position, descriptor, place)
        elif answer.status == 200:
            _check_length(answer, descriptor, place)
        elif answer.status in (206, 416) and position:
            raise _BadRange
        else:
            raise exchange.refused(answer, place, _named(descriptor, place))
    except BaseException:
        answer.close()
        raise
    return answer


def _check_range(header: str, position: int, descriptor: Descriptor, place: Place) -> None:
    """A `Content-Range: bytes 5-9/10` that begins at `position`. Raises `_BadRange`, `DigestMismatch`."""
    unit, _, rest = header.strip().partition(" ")
    span, _, total = rest.strip().partition("/")
    first, _, _last = span.partition("-")
    if unit.lower() != "bytes" or not first.isdecimal() or int(first[:20]) != position:
        raise _BadRange
    if total.isdecimal() and int(total[:20]) != descriptor.size:
        raise _other_size(int(total[:20]), descriptor, place)


def _check_length(answer: Answer, descriptor: Descriptor, place: Place) -> None:
    length = answer.headers.get("Content-Length", "").strip()
    if not length.isdecimal() or int(length[:20]) == descriptor.size:
        return
    if is_web_page(answer.headers, answer.first_bytes()):
        raise page_instead_of(_named(descriptor, place), answer.host)
    raise _other_size(int(length[:20]), descriptor, place)


def _other_size(found: int, descriptor: Descriptor, place: Place) -> DigestMismatch:
    return DigestMismatch(f"{_named(descriptor, place)} has {found} bytes at the registry instead of {descriptor.size}")


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
