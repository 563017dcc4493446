"""Repeating what a crate tells: the same descriptor, values, image and input files by their digests; and what differs afterwards.

A crate is foreign input: its documents are bounded in size, the descriptor must have the digest that the metadata states, and places
of files that lead out of the crate are refused.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from sampan.apps import load
from sampan.errors import DigestMismatch, UsageError, printable
from sampan.executions import crate, fetch, launch, model, states
from sampan.executions.iterate import MOST_JOBS
from sampan.jobs import uris

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sampan.apps.application import Application
    from sampan.executions.contract import Executions
    from sampan.executions.model import Execution, Job, Settings

MOST_BYTES = 256 << 20


@dataclass(frozen=True)
class Earlier:
    """What a crate tells about an execution.

    `inputs`: path as it was given, as a crate shows it -> (path now or URI, digest); `results`: (job, place below the job's folder) -> digest; `ends`:
    job -> state.
    """

    execution: Execution
    application: Application
    inputs: Mapping[str, tuple[str, str]]
    results: Mapping[tuple[int, str], str]
    ends: Mapping[int, str]
    sampan: str


@dataclass(frozen=True)
class Difference:
    """Something that is not as it was: of a job, `what`, and how it was and is."""

    job: int
    what: str
    before: str
    now: str

    def sentence(self) -> str:
        """`job 2: lines.txt differs: sha256:ab..., was sha256:cd...`."""
        return f"job {self.job}: {self.what}: {self.now}, was {self.before}"


def read(place: str) -> Earlier:
    """The execution of a crate: a directory, or its metadata file. Raises `UsageError`, `DigestMismatch`, `CorruptRecord`."""
    root = os.path.dirname(place) or "." if os.path.basename(place) == crate.METADATA else place
    graph = _graph(_document(root, crate.METADATA), os.path.join(root, crate.METADATA))
    descriptor = _content(root, crate.DESCRIPTOR)
    stated = str(graph.get(crate.DESCRIPTOR, {}).get("sha256", ""))
    digest = hashlib.sha256(descriptor).hexdigest()
    if digest != stated:
        raise DigestMismatch(
            f"the descriptor in the crate {printable(root)} is not the one that was launched (sha256 {digest}, the crate states {printable(stated[:80]) or 'none'})"
        )
    execution = model.from_document(_document(root, crate.RECORD), printable(os.path.join(root, crate.RECORD)))
    if execution.size > MOST_JOBS:
        raise UsageError(f"the crate {printable(root)} has more than {MOST_JOBS:,} jobs")
    return Earlier(
        execution,
        load.read(descriptor, os.path.join(root, crate.DESCRIPTOR)),
        _inputs(graph, os.path.abspath(root)),
        _results(graph, execution),
        _ends(graph, execution),
        str(graph.get("#sampan", {}).get("softwareVersion", "")),
    )


def _content(root: str, name: str) -> bytes:
    path = os.path.join(root, name)
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        hint = f"a crate that `sampan job fetch --crate` made has {crate.METADATA}, {crate.DESCRIPTOR} and {crate.RECORD}"
        raise UsageError(f"{printable(root)} is no crate of an execution: cannot read {name}: {error.strerror}", hint) from error
    if len(data) > MOST_BYTES:
        raise UsageError(f"{printable(path)} is larger than {MOST_BYTES >> 20} MiB")
    return data


def _document(root: str, name: str) -> object:
    try:
        return json.loads(_content(root, name))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{printable(os.path.join(root, name))} is no JSON: {error}") from error


def _graph(found: object, place: str) -> dict[str, dict[str, Any]]:
    graph = found.get("@graph") if isinstance(found, dict) else None
    if not isinstance(graph, list) or not all(
        isinstance(entity, dict) and isinstance(entity.get("@id"), str) for entity in graph
    ):
        raise UsageError(f"{printable(place)} is no RO-Crate metadata: it has no @graph of entities")
    return {entity["@id"]: entity for entity in graph}


def _ids(value: object) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [str(one["@id"]) for one in several if isinstance(one, dict) and "@id" in one]


def _inputs(graph: Mapping[str, Mapping[str, Any]], root: str) -> dict[str, tuple[str, str]]:
    found = {}
    for id, entity in graph.items():
        if any(role.startswith("#input-") for role in _ids(entity.get("exampleOfWork"))) and "alternateName" in entity:
            digest = str(entity.get("sha256", ""))
            found[str(entity["alternateName"])] = (_place(id, root), f"sha256:{digest}" if digest else "")
    return found


def _place(id: str, root: str) -> str:
    """Where a file of the crate is: a URI outside, or a path in the crate, which it may not leave."""
    if uris.scheme_of(id):
        return uris.file_path(id) if uris.scheme_of(id) == "file" else id
    relative = posixpath.normpath(unquote(id, errors="surrogateescape"))
    if relative.startswith(("/", "../")) or relative == "..":
        raise UsageError(f"the crate {printable(root)} names a file outside of it: {printable(id)}")
    return os.path.join(root, relative)


def _results(graph: Mapping[str, Mapping[str, Any]], execution: Execution) -> dict[tuple[int, str], str]:
    found = {}
    for number in range(1, execution.size + 1):
        folder = fetch.folder(execution, number)
        for id in _ids(graph.get(f"#job-{number}", {}).get("result")):
            digest = str(graph.get(id, {}).get("sha256", ""))
            place = unquote(id, errors="surrogateescape").rstrip("/")
            if digest:
                found[number, os.path.relpath(place, folder) if folder and not uris.scheme_of(id) else place] = f"sha256:{digest}"
    return found


def _ends(graph: Mapping[str, Mapping[str, Any]], execution: Execution) -> dict[int, str]:
    found = {}
    for number in range(1, execution.size + 1):
        status = graph.get(f"#job-{number}", {}).get("actionStatus")
        if status is not None:
            found[number] = states.FINISHED if str(status).endswith("/CompletedActionStatus") else states.FAILED
    return found


def limits_of(earlier: Earlier) -> Settings:
    """Its limits, for a launch of one's own: back-end and words for a batch system are of the site where it ran, and a foreign crate's."""
    return replace(earlier.execution.settings, back_end="local", words=(), at_once=0)


def wanted(earlier: Earlier, origin: str, settings: Settings) -> launch.Wanted:
    """The launch that repeats it, by these settings: another back-end makes no other result."""
    execution = earlier.execution
    files = {one.id for one in earlier.application.inputs if one.type == "File"}
    values: dict[str, object] = dict(execution.values)
    values.update((axis.name, list(axis.values)) for group in execution.iteration.groups for axis in group)
    moved = {name: _moved(value, earlier.inputs) if name in files else value for name, value in values.items()}
    digests = {place: digest for place, digest in earlier.inputs.values() if digest}
    dot = tuple(axis.name for group in execution.iteration.groups if len(group) > 1 for axis in group)
    return launch.Wanted(
        earlier.application,
        moved,
        execution.directory,
        dot,
        f"rerun-{execution.name.removeprefix('rerun-')}",
        settings,
        digests,
        execution.application.image,
        execution.application.image_digest,
        origin,
    )


def _moved(value: object, inputs: Mapping[str, tuple[str, str]]) -> object:
    if isinstance(value, (list, tuple)):
        return [_moved(one, inputs) for one in value]
    if not isinstance(value, str):
        return value
    # A name that begins with a dash was taken with `./` in front.
    found = inputs.get(crate.shown(value)) or inputs.get(f"./{crate.shown(value)}")
    return found[0] if found is not None else value


def compare(earlier: Earlier, executions: Executions, execution: Execution, jobs: Sequence[Job]) -> list[Difference]:
    """What is not as it was: how jobs ended, and each result by its digest."""
    found = []
    for job in jobs:
        before = earlier.ends.get(job.number)
        if before is not None and (before == states.FINISHED) != (job.state == states.FINISHED):
            found.append(Difference(job.number, "the end", before, job.state))
    now = {
        (one.job, os.path.relpath(one.place, fetch.folder(execution, one.job) or ".") if source else one.place): one.output.digest
        for one, source in fetch.results(executions, execution, jobs)
    }
    for key in _in_order((*earlier.results, *now)):
        before, after = earlier.results.get(key), now.get(key)
        if before != after and earlier.ends.get(key[0]) == states.FINISHED:
            found.append(Difference(key[0], key[1], before or "not there", after or "not there"))
    return found


def _in_order(keys: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    return sorted(set(keys))
