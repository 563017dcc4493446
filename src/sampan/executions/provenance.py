"""What an execution did, for a crate: the facts of the descriptor, the ledger and each job's status, put together."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from sampan import __version__
from sampan.executions import crate, launch, model, prepare, states
from sampan.executions.crate import Action, Content, Crate, Image, Parameter
from sampan.jobs import directory, uris
from sampan.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.apps.application import Application
    from sampan.executions.contract import Executions
    from sampan.executions.fetch import Fetched
    from sampan.executions.model import Execution, Job
    from sampan.jobs.status import Status


def collect(
    executions: Executions, execution: Execution, about: tuple[Application, str], jobs: Sequence[Job], fetched: Sequence[Fetched]
) -> Crate:
    """The facts of all jobs that ended; `about`: the application and the licence; `fetched` says where the results lie in the crate."""
    application, license = about
    made: dict[int, list[tuple[str, Content]]] = {}
    for one in fetched:
        content = Content(one.place, one.place, one.output.digest, one.output.size, one.output.kind == "directory")
        made.setdefault(one.job, []).append((one.output.name, content))
    actions = []
    for job in jobs:
        status = directory.status_of(executions.place(execution.id, job.number, job.last.attempt))
        if job.state in states.ENDED:
            actions.append(_action(execution, application, job, status, made.get(job.number, [])))
    return Crate(
        execution.id,
        f"{execution.name}: {application.name} {application.version}",
        f"{execution.iteration.sentence()}; {states.sentence(states.count(job.state for job in jobs))}.",
        _zoned(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())),
        execution.user,
        license,
        application.name,
        application.version,
        application.description,
        application.digest,
        application.url,
        application.author,
        _image(execution),
        __version__,
        _parameters(application, actions),
        tuple(actions),
    )


def _image(execution: Execution) -> Image | None:
    if not execution.application.image:
        return None
    scheme, _, place = execution.application.image.partition("://")
    if scheme == "cvmfs":
        repository, _, path = place.partition("/")
        return Image(f"{scheme}://{repository}", path, "", "")
    reference = Reference.parse(execution.application.image)
    return Image(reference.domain, reference.path, reference.tag or "", execution.application.image_digest)


def _parameters(application: Application, actions: Sequence[Action]) -> tuple[Parameter, ...]:
    folders = {name for action in actions for name, content in (*action.used, *action.made) if content.directory}
    inputs = [
        Parameter(one.id, one.name, one.type, one.description, one.optional, one.list, directory=one.id in folders)
        for one in application.inputs
    ]
    files = [
        Parameter(one.id, one.name, "File", one.description, one.optional, one.list, True, one.id in folders)
        for one in application.outputs
    ]
    streams = [Parameter(one.id, one.name, "File", one.description, output=True) for one in application.streams]
    return (*inputs, *files, *streams)


def _action(
    execution: Execution, application: Application, job: Job, status: Status | None, made: Sequence[tuple[str, Content]]
) -> Action:
    last = job.last
    invocation = launch.bound(application, execution, job.number)
    laid = {place.given: place for place in prepare.places(invocation)}
    roles = prepare.roles(invocation)
    files = {id for id, _ in roles}
    staged = {one.path: one for one in status.inputs} if status is not None else {}
    used = []
    for id, given in roles:
        place = laid[given]
        # Of a file whose neighbours were brought too, what is known is about their directory.
        found = staged.get(place.target) if place.source == given else None
        uri = prepare.uri_of(given, execution.directory)
        known = (found.digest, found.size, found.kind == "directory") if found is not None else ("", -1, False)
        used.append((id, Content(uri, given, *known)))
    error = "" if last.state == states.FINISHED else last.cause or last.state
    label = execution.label(job.number)
    return Action(
        job.number,
        f"job {job.number} of {execution.size}" + (f": {label}" if label else ""),
        last.state,
        _zoned(last.started or execution.created),
        _zoned(last.ended or last.started or execution.created),
        f"attempt {last.attempt}" + ("" if last.exit is None else f", exit status {last.exit}"),
        error,
        last.node,
        last.seconds,
        last.memory,
        tuple((name, value) for name, value in invocation.document().items() if name not in files),
        tuple(used),
        tuple(made),
    )


def _zoned(time_: str) -> str:
    """ISO 8601 with a numeric zone and no fraction, as the profile has it."""
    return f"{time_[:19]}+00:00" if time_ else ""


def write(target: str, found: Crate, execution: Execution, descriptor: bytes) -> None:
    """The three documents of a crate in `target`, where its files are already; the metadata last. Raises OSError."""
    documents: Mapping[str, bytes] = {
        crate.DESCRIPTOR: descriptor,
        crate.RECORD: _json(model.document(execution)),
        crate.METADATA: _json(crate.document(found)),
    }
    for name, data in documents.items():
        temporary = os.path.join(target, f".{name}.{os.urandom(4).hex()}")
        with open(temporary, "xb") as stream:
            stream.write(data)
        os.rename(temporary, os.path.join(target, name))


def _json(document: object) -> bytes:
    return json.dumps(document, indent=1).encode("ascii") + b"\n"


def carrying_inputs(found: Crate) -> tuple[Crate, tuple[tuple[str, str], ...]]:
    """The same crate with its local inputs in it: what it tells then, and (path, place in the crate) of each input to be brought."""
    places: dict[str, str] = {}
    for action in found.actions:
        for _, content in action.used:
            if uris.scheme_of(content.place) == "file":
                places.setdefault(content.place, f"{crate.INPUTS}/{len(places) + 1}/{uris.last_part(content.place)}")
    actions = tuple(
        replace(
            action,
            used=tuple((name, replace(content, place=places.get(content.place, content.place))) for name, content in action.used),
        )
        for action in found.actions
    )
    return replace(found, actions=actions), tuple((uris.file_path(uri), place) for uri, place in places.items())
