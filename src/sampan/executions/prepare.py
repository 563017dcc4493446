"""From an application and the values of one job to what a back-end is handed: a job's specification. Pure.

The payload's directory is that of the descriptor, else `/work`. Its input files lie there by their own names, where those differ, so that a command line reads as
its writer meant it; those that would collide, or whose neighbours are needed too, lie in a directory of their own.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.apps import launch, render, written
from sampan.apps.application import FILE
from sampan.errors import UsageError, printable
from sampan.jobs import uris
from sampan.jobs.spec import WORK, Input, Job, Limits, Output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.apps.application import Application
    from sampan.apps.bind import Invocation
    from sampan.apps.outputs import ExpectedOutput
    from sampan.executions.model import Settings

GIGABYTE = 1_000_000_000


@dataclass(frozen=True)
class Place:
    """An input file of an invocation: the path as it was given, what is brought for it, where that lies, and the value then."""

    id: str
    given: str
    source: str
    target: str
    value: str
    mutable: bool


@dataclass(frozen=True)
class Prepared:
    """A job with the files that travel with it (name in `inputs/` -> bytes), and what its maker should know."""

    job: Job
    files: Mapping[str, bytes]
    warnings: tuple[str, ...]


def directory_of(application: Application) -> str:
    """The payload's directory inside of the container."""
    return (application.container.workdir if application.container is not None else "") or WORK


def places(invocation: Invocation) -> tuple[Place, ...]:
    """Where each input file of an invocation lies in a job; a file that is given twice lies there once."""
    home = directory_of(invocation.application)
    found: dict[str, Place] = {}
    files = render.input_files(invocation)
    named = invocation.moved({one.path: _name(one.path) for one in files})
    taken = {_below(one.path, home).split("/")[0] for one in written.written_files(named, home)}
    for number, one in enumerate(files, 1):
        if one.path in found:
            continue
        name = _name(one.path)
        direct = not one.neighbours and name not in taken and not name.startswith("-")
        target = name if direct else f"input-{number}/{name}"
        taken.add(target.split("/")[0])
        found[one.path] = Place(
            one.id,
            one.path,
            _parent(one.path) if one.neighbours else one.path,
            f"input-{number}" if one.neighbours else target,
            target,
            one.mutable,
        )
    return tuple(found.values())


def _below(path: str, home: str) -> str:
    """A path of the payload, from its directory; one that leads out of it stays so, and is refused by whoever takes it."""
    return posixpath.relpath(posixpath.join(home, path), home)


def roles(invocation: Invocation) -> tuple[tuple[str, str], ...]:
    """Each input with each file that it names; a file that is given twice has two roles."""
    found: list[tuple[str, str]] = []
    for one in invocation.application.inputs:
        value = invocation.values.get(one.id)
        if one.type == FILE and value is not None:
            found += [(one.id, str(path)) for path in (value if isinstance(value, tuple) else (value,))]
    found += [(one.id, one.path) for one in render.input_files(invocation)]  # those of sub-commands
    return tuple(dict.fromkeys(found))


def _name(path: str) -> str:
    name = uris.last_part(path) if uris.scheme_of(path) else posixpath.basename(path.rstrip("/"))
    if name in ("", ".", ".."):
        raise UsageError(f"the input {printable(path)} has no name of its own", "give the name of the directory itself")
    return name


def _parent(path: str) -> str:
    return path.rstrip("/").rpartition("/")[0] or ("/" if path.startswith("/") else ".")


def uri_of(path: str, directory: str) -> str:
    """The URI of an input as it was given: URIs as they are, paths from `directory`."""
    return path if uris.scheme_of(path) else uris.of_path(os.path.normpath(os.path.join(directory, path)))


def limits_of(application: Application, settings: Settings) -> Limits:
    """What a launch says, else what the descriptor suggests."""
    suggested = application.resources
    return Limits(
        time=settings.time or float(suggested.walltime or 0),
        memory=settings.memory or int((suggested.ram or 0) * GIGABYTE),
        cpus=settings.cpus or max(suggested.cpu_cores or 1, 1),
        gpus=settings.gpus,
        disk=int((suggested.disk_space or 0) * GIGABYTE),
    )


@dataclass(frozen=True)
class Common:
    """What all jobs of an execution share, under the name of one.

    `image`: the reference that all of them run, by its digest, so that a tag that moves meanwhile makes no difference; empty while
    that is not known yet. `digests`: of input files, by their path as given, where they have to be these.
    """

    name: str
    directory: str
    settings: Settings
    image: str
    image_digest: str
    digests: Mapping[str, str]


def prepare(invocation: Invocation, common: Common) -> Prepared:
    """The job of an invocation. Raises `UsageError` for an application without an image, and for what no job can be."""
    application = invocation.application
    laid = places(invocation)
    home = directory_of(application)
    moved = invocation.moved({place.given: place.value for place in laid}, home)
    made = launch.prepare_elsewhere(moved, home)
    if made.request is None:
        raise UsageError(
            f"application {application.name} names no image, and jobs run in containers",
            f"sampan app launch {application.name} runs it here",
        )
    inputs = [_brought(place, number, common) for number, place in enumerate(laid, 1)]
    files: dict[str, bytes] = {}
    for number, one in enumerate(made.files, 1):
        files[f"file-{number}"] = one.content.encode("utf-8", "surrogateescape")
        inputs.append(Input(f".{number}", f"inputs/file-{number}", _below(one.path, home), how="copy"))
    job = Job(
        # The worker makes the payload's directory and brings its files. Processes of a job are in a namespace of their own, whatever
        # the descriptor says: so nothing of it is left when it ends.
        made.request.but(image=common.image or made.request.image, workdir=None, pid=None),
        common.name,
        tuple(inputs),
        tuple(_taken(one, home) for one in made.outputs),
        limits_of(application, common.settings),
        common.image_digest,
        directory=home,
    )
    return Prepared(job, files, tuple(made.warnings))


def _brought(place: Place, number: int, common: Common) -> Input:
    return Input(
        f"{place.id}.{number}",
        uri_of(place.source, common.directory),
        place.target,
        digest=common.digests.get(place.source, ""),
        how="copy" if place.mutable else "auto",
    )


def _taken(expected: ExpectedOutput, home: str) -> Output:
    path = f":{expected.stream}" if expected.stream else _below(expected.pattern, home)
    return Output(expected.id, path, many=expected.list, optional=expected.optional)
