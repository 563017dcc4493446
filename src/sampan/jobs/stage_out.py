"""Stage-out: what was found goes to its destination, whole, never over something that is there.

All outputs are looked for before the first one is moved. On one file system nothing is copied. Where something went wrong the
working directory stays, so nothing that was computed is lost.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.jobs import phases, transfer, uris
from sampan.jobs.digests import Measured, files_below, measured
from sampan.jobs.phases import Failed
from sampan.jobs.status import Staged

if TYPE_CHECKING:
    from sampan.jobs.collect import Found
    from sampan.jobs.transfer import Carrier

OWN = "outputs"


def take(
    directory: str, found: list[Found], carrier: Carrier, *, checksums: bool, partial: bool = False, keep: bool = False
) -> tuple[Staged, ...]:
    """Take everything in `found` to its destination. Raises `Failed`, and what `carrier.check` raises.

    `partial`: the job has failed, so what there is goes into its own `outputs/`, as far as that can be. `keep`: copy it.
    """
    overlapping = _overlapping(found)
    staged = []
    for one in found:
        try:
            known = _measured(one, carrier, checksums=checksums)
            destination = "" if partial else one.output.destination
            uri = _take_one(directory, one, destination, known, (carrier, keep or one.place in overlapping))
        except Failed:
            if partial:
                continue
            raise
        staged.append(Staged(one.output.name, one.path, uri, known.digest, known.size, known.kind))
    return tuple(staged)


def _measured(one: Found, carrier: Carrier, *, checksums: bool) -> Measured:
    try:
        return measured(one.place, checksum=checksums, check=carrier.check)
    except OSError as error:
        raise Failed(
            phases.OUTPUT_REFUSED, f"the output {one.output.name!r}, {one.path}, cannot be read: {error.strerror}"
        ) from error


def _take_one(directory: str, one: Found, destination: str, known: Measured, how: tuple[Carrier, bool]) -> str:
    """The URI under which it is to be found."""
    carrier, keep = how
    if not destination and one.is_stream:
        return one.path  # it lies where it belongs
    scheme = uris.scheme_of(destination)
    if scheme in ("http", "https", "s3"):
        target = destination + one.path if destination.endswith("/") else destination
        _send(one, target, known, carrier)
        return uris.shown(target)
    relative = f"{OWN}/{one.path}" if not destination else ""
    base = uris.file_path(destination) if scheme == "file" else f"{directory}/{destination}"
    target = f"{directory}/{relative}" if relative else base + one.path if destination.endswith("/") else base
    _put(one, target, known, (carrier, keep or one.is_stream))
    return relative or (uris.of_path(target) if scheme == "file" else os.path.relpath(target, directory))


def _send(one: Found, target: str, known: Measured, carrier: Carrier) -> None:
    """A file by one request, a directory file by file."""
    from sampan.jobs import remote

    if known.kind == "file":
        remote.store(one.place, target, known, carrier)
        return
    for raw in files_below(one.place):
        carrier.check()
        name = os.fsdecode(raw)
        place = f"{one.place}/{name}"
        remote.store(place, f"{target.rstrip('/')}/{name}", measured(place), carrier)


def _put(one: Found, target: str, known: Measured, how: tuple[Carrier, bool]) -> None:
    carrier, keep = how
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not keep:
            transfer.move(one.place, target, carrier.check)
        elif os.path.lexists(target):
            raise FileExistsError
        else:
            transfer.copy(one.place, target, carrier.check)
    except FileExistsError as error:
        if _is_same(target, known):
            return  # an earlier try has brought it there
        raise Failed(
            phases.OUTPUT_THERE, f"the output {one.output.name!r} is not stored: there is something else at {target} already",
            "choose another destination, or remove what is there",
        ) from error  # fmt: skip
    except OSError as error:
        full = error.errno in transfer.NO_ROOM
        code = phases.OUTPUT_NO_SPACE if full else phases.OUTPUT_NOT_STORED
        cause = f"the output {one.output.name!r} cannot be stored at {target}: {error.strerror or error}"
        raise Failed(code, cause, "make room" if full else None) from error


def _is_same(target: str, known: Measured) -> bool:
    if not known.digest:
        return False
    try:
        return measured(target) == known
    except OSError:
        return False


def _overlapping(found: list[Found]) -> frozenset[str]:
    """Places that are part of more than one output, or hold another: they are copied, not moved."""
    places = [one.place for one in found]
    known = set(places)
    shared = {place for place in known if places.count(place) > 1} if len(known) < len(places) else set()
    for place in known:
        above = os.path.dirname(place)
        while len(above) > 1:
            if above in known:
                shared |= {place, above}
            above = os.path.dirname(above)
    return frozenset(shared)
