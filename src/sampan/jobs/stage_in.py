"""Stage-in: every input is at its path in the working directory before the payload starts, bound or copied, and is what it should be.

What lies on the node already (`file:`, `cvmfs:`, the job's own `inputs/`) is bound read-only where it is; nothing of it is
copied unless that was asked for. A bind needs something to lie on: an empty file or directory in the working directory, which is
taken away again before outputs are looked for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.container.mounts import Bind
from sampan.jobs import phases, transfer, uris
from sampan.jobs.digests import Measured, measured
from sampan.jobs.phases import Failed
from sampan.jobs.status import Staged

if TYPE_CHECKING:
    from sampan.jobs.spec import Input, Job
    from sampan.jobs.transfer import Carrier

_GONE = (2, 20)  # ENOENT, ENOTDIR


@dataclass(frozen=True)
class Brought:
    """What was brought: binds for the plan, what they lie on, and what is noted of each input."""

    binds: tuple[Bind, ...] = ()
    places: tuple[str, ...] = ()
    staged: tuple[Staged, ...] = ()

    def clear(self) -> None:
        """Take away what the binds lay on; what the payload made of it instead is an output like any other."""
        for place in self.places:
            try:
                if os.path.isdir(place) and not os.path.islink(place):
                    os.rmdir(place)
                elif os.path.isfile(place) and os.path.getsize(place) == 0:
                    os.unlink(place)
            except OSError:
                continue


def bring(directory: str, work: str, job: Job, carrier: Carrier) -> Brought:
    """Stage all inputs of the job in `directory` into `work`. Raises `Failed`, and what `carrier.check` raises."""
    binds, places, staged = [], [], []
    for one in job.inputs:
        carrier.check()
        place = f"{work}/{one.path}"
        source = _local(directory, one, carrier)
        _make_parent(one, place)
        if source is None:
            from sampan.jobs import remote

            found = remote.fetch(one.uri, place, carrier)
        elif one.how == "copy":
            _look(one, source, carrier)
            found = _copied(one, source, place, carrier)
        else:
            found = _bound(one, source, place, (job, carrier))
            binds.append(Bind(os.path.realpath(source), f"{job.directory}/{one.path}", ("ro",)))
            places.append(place)
        _check(one, found)
        staged.append(Staged(one.name, one.path, uris.shown(one.uri), found.digest, found.size, found.kind))
    return Brought(tuple(binds), tuple(places), tuple(staged))


def _local(directory: str, one: Input, carrier: Carrier) -> str | None:
    """Where the input lies on this node; `None` if it has to be fetched."""
    scheme = uris.scheme_of(one.uri)
    if scheme == "":
        return f"{directory}/{uris.relative(one.uri, 'an input')}"
    if scheme == "file":
        return uris.file_path(one.uri)
    return uris.cvmfs_path(one.uri, carrier.mounts)[1] if scheme == "cvmfs" else None


def _look(one: Input, source: str, carrier: Carrier) -> None:
    """Raises `Failed` if nothing that can be read lies there."""
    told = uris.shown(one.uri)
    try:
        if os.path.isdir(source):
            with os.scandir(source) as entries:
                next(entries, None)
        elif os.path.isfile(source):
            os.close(os.open(source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        else:
            os.stat(source)
            raise Failed(phases.INPUT_MISSING, f"the input {one.name!r}, {told}, is neither a file nor a directory")
    except OSError as error:
        if error.errno in _GONE:
            repository = uris.cvmfs_path(one.uri, carrier.mounts)[0] if uris.scheme_of(one.uri) == "cvmfs" else ""
            if repository and not os.path.isdir(repository):
                said, hint = uris.not_mounted(repository)
                raise Failed(phases.INPUT_NOT_FETCHED, f"the input {one.name!r}, {told}: {said}", hint) from error
            raise Failed(
                phases.INPUT_MISSING, f"the input {one.name!r} is missing: {told} is not on {os.uname().nodename}",
                "is it on a file system that the node shares?",
            ) from error  # fmt: skip
        code = phases.INPUT_DENIED if isinstance(error, PermissionError) else phases.INPUT_NOT_FETCHED
        raise Failed(code, f"the input {one.name!r}, {told}, cannot be read: {error.strerror}") from error


def _bound(one: Input, source: str, place: str, beside: tuple[Job, Carrier]) -> Measured:
    job, carrier = beside
    _look(one, source, carrier)
    try:
        if os.path.isdir(source):
            os.mkdir(place, 0o700)
        else:
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        if not (job.checksums or one.digest):
            return Measured(
                "directory" if os.path.isdir(source) else "file", -1 if os.path.isdir(source) else os.path.getsize(source), ""
            )
        return measured(source, check=carrier.check)
    except OSError as error:
        raise _trouble(one, error) from error


def _copied(one: Input, source: str, place: str, carrier: Carrier) -> Measured:
    """The copy itself is measured: it is what the payload will read."""
    try:
        transfer.copy(source, place, carrier.check)
        return measured(place, check=carrier.check)
    except OSError as error:
        raise _trouble(one, error) from error


def _trouble(one: Input, error: OSError) -> Failed:
    full = error.errno in transfer.NO_ROOM
    code = phases.INPUT_NO_SPACE if full else phases.INPUT_NOT_FETCHED
    cause = f"cannot bring the input {one.name!r}, {uris.shown(one.uri)}: {error.strerror or error}"
    return Failed(code, cause, "make room" if full else None)


def _make_parent(one: Input, place: str) -> None:
    try:
        os.makedirs(os.path.dirname(place), exist_ok=True)
    except OSError as error:
        raise _trouble(one, error) from error


def _check(one: Input, found: Measured) -> None:
    if one.size >= 0 and found.size not in (one.size, -1):
        raise Failed(
            phases.INPUT_DIFFERS, f"the input {one.name!r}, {uris.shown(one.uri)}, has {found.size} bytes and should have {one.size}",
            "it was changed or cut since the job was made",
        )  # fmt: skip
    if one.digest and found.digest != one.digest:
        raise Failed(
            phases.INPUT_DIFFERS, f"the input {one.name!r}, {uris.shown(one.uri)}, has the digest {found.digest} and should have {one.digest}",
            "it was changed since the job was made",
        )  # fmt: skip
