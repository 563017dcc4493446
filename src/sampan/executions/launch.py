"""A launch: from an application and values to an execution, and from there to a back-end.

The record of an execution is written before anything is handed over, each attempt is in the ledger before its directory is made, and
the directory before it is submitted. A launch that is killed anywhere is carried on by `hand_over`: it makes the directories that are
missing and submits those that no back-end has. A job directory is run once or never, so nothing can run twice.
"""

from __future__ import annotations

import fnmatch
import getpass
import os
import shutil
import socket
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sampan import batch
from sampan.apps import bind, load
from sampan.errors import NameInUse, NoSpace, ProgramMissing, SampanError, UsageError, printable
from sampan.executions import iterate, model, prepare, states
from sampan.executions.directory import DirectoryExecutions
from sampan.executions.iterate import Axis
from sampan.executions.model import Entry, Execution, Settings
from sampan.jobs import credentials, directory, tokens, uris
from sampan.runtime import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sampan.apps.application import Application
    from sampan.apps.bind import Invocation
    from sampan.container.request import Request
    from sampan.executions.contract import Executions
    from sampan.jobs.tokens import Source
    from sampan.runtime.session import Session


def kept(session: Session) -> Executions:
    """Where this user's executions are kept."""
    return DirectoryExecutions(session.settings.text("executions"))


@dataclass(frozen=True)
class Wanted:
    """What somebody wants to be launched.

    `values` as `bind` takes them, but that a list makes one job a value where the input takes none; `dot`: inputs that are paired
    (those of the descriptor if empty). For what repeats something, `origin`: `digests` of input files, by their path as given, that
    have to be these, and `image` with `image_digest`, the one it has to be.
    """

    application: Application
    values: Mapping[str, object]
    directory: str
    dot: tuple[str, ...] = ()
    name: str = ""
    settings: Settings = field(default_factory=Settings)
    digests: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    image_digest: str = ""
    origin: str = ""


def plan(wanted: Wanted, session: Session) -> Execution:
    """The execution, checked as a whole: every job's values, its files on this machine, its image. Nothing is written.

    Raises `UsageError` that names the job, and what pulling raises.
    """
    application = wanted.application
    values = _as_vip_means(application, dict(wanted.values), wanted.directory)
    lists = [one.id for one in application.inputs if one.list]
    shared, axes, dot = iterate.split(values, lists, wanted.dot or application.vip.dot)
    iteration = iterate.combine(axes, wanted.dot or dot)
    execution = Execution(
        new_id(),
        wanted.name or application.name,
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        model.Application(application.name, application.version, application.digest, wanted.image, wanted.image_digest),
        shared,
        iteration,
        wanted.settings,
        wanted.directory,
        _user(),
        socket.gethostname(),
        wanted.origin,
        dict(wanted.digests),
    )
    if application.container is not None and application.container.kind == "rootfs":
        from sampan.apps import rootfs  # few are of that kind, and it brings an HTTP client

        rootfs.ensure(application.container.url, session)
    found = run.image_for(_check(application, execution), session)
    return execution if wanted.image_digest else execution.with_image(found.reference, found.manifest)


def _as_vip_means(application: Application, values: dict[str, object], where: str) -> dict[str, object]:
    """The values after what VIP's `custom` keys say: copied inputs, directories that stand for their files, counts for numbers."""
    vip = application.vip
    for hidden, source in vip.overridden.items():
        if source in values:
            values[hidden] = values[source]
    for id, patterns in vip.directory_inputs.items():
        value = values.get(id)
        place = os.path.join(where, value) if isinstance(value, str) else ""
        if place and os.path.isdir(place):
            names = sorted((name for name in os.listdir(place) if _matches(name, patterns)), key=iterate.natural)
            if not names:
                raise UsageError(
                    f"no file in {printable(str(value))} matches {' or '.join(patterns)}, which input {id} is made of"
                )
            values[id] = [os.path.join(str(value), name) for name in names]
    for id in vip.integer_iterators:
        value = values.get(id)
        if isinstance(value, int) and not isinstance(value, bool):
            if value > iterate.MOST_JOBS:
                raise UsageError(f"input {id} asks for {value:,} jobs, more than {iterate.MOST_JOBS:,}")
            values[id] = list(range(value))
    return values


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _check(application: Application, execution: Execution) -> Request:
    """Refuse what would fail in any job before there is one; the request of the first job."""
    there: set[str] = set()
    for number in range(1, execution.size + 1):
        for one in prepare_job(application, execution, number).job.inputs:
            path = uris.file_path(one.uri) if uris.scheme_of(one.uri) == "file" else ""
            if path and path not in there and not os.path.exists(path):
                raise UsageError(
                    f"the input {one.name.partition('.')[0]} of {_job(execution, number)} is missing: {printable(path)}"
                )
            there.add(path)
    return prepare_job(application, execution, 1).job.request


def prepare_job(application: Application, execution: Execution, number: int) -> prepare.Prepared:
    """The specification of a job. Raises `UsageError` that names the job."""
    try:
        return prepare.prepare(bound(application, execution, number), common(execution, number))
    except SampanError as error:
        raise error.about(_job(execution, number)) if execution.size > 1 else error from None


def bound(application: Application, execution: Execution, number: int) -> Invocation:
    """The values of a job, checked and with defaults."""
    return bind.bind(application, execution.invocation(number))


def common(execution: Execution, number: int) -> prepare.Common:
    """What the jobs of an execution share, under the name of one."""
    name = execution.name if execution.size == 1 else f"{execution.name}-{number}"
    application = execution.application
    return prepare.Common(
        name, execution.directory, execution.settings, application.pinned, application.image_digest, execution.digests
    )


def _job(execution: Execution, number: int) -> str:
    return f"job {number} ({printable(execution.label(number))})" if execution.size > 1 else "the job"


def start(executions: Executions, execution: Execution, application: Application, session: Session) -> Execution:
    """Write the execution down and hand its jobs over; it has another id if its own was taken meanwhile.

    Raises `StoreError`, `NoSpace`, and what the back-end raises: with `UsageError`, for jobs that it could never run, and with
    `ProgramMissing`, where there is no such batch system, nothing stays.
    """
    while True:
        try:
            executions.add(execution, application.data)
            break
        except NameInUse:
            execution = replace(execution, id=new_id())
    try:
        hand_over(executions, execution, session)
    except (UsageError, ProgramMissing):
        executions.remove(execution.id)
        raise
    except SampanError as error:
        on = "retry" if execution.settings.back_end == "bundle" else "wait"  # nobody waits for what goes away
        way = f"once that is mended, `sampan job {on} {execution.id}` goes on from here; `sampan job clean -f {execution.id}` gives it up"
        error.hint = f"{error.hint}; {way}" if isinstance(error, NoSpace) and error.hint else error.hint or way
        raise
    return execution


def hand_over(executions: Executions, execution: Execution, session: Session) -> int:
    """Bring every job whose last attempt no back-end has to its back-end; how many. Safe to repeat, whatever was interrupted."""
    with executions.handing_over(execution.id):
        return _hand_over(executions, execution, session)


def _hand_over(executions: Executions, execution: Execution, session: Session) -> int:
    jobs = executions.jobs(execution.id)
    waiting = [job for job in jobs if job.state == states.WAITING]
    waiting = [
        job for job in waiting if directory.submitted(executions.place(execution.id, job.number, job.last.attempt)) is None
    ]
    if not waiting:
        return 0
    application = load.read(executions.descriptor(execution.id), f"execution {execution.id}")
    executions.record(execution.id, [Entry(job.number, job.last.attempt) for job in waiting])
    places = []
    task = session.progress.begin("making jobs", len(waiting), "jobs")
    known = tokens.sources(session.settings.texts("tokens"))
    for job in waiting:
        places.append(_made(executions, execution, application, job))
        _let_in(places[-1], known)
        task.advance(1)
    task.done()
    marks = tuple(mark(execution.id, job.number, job.last.attempt) for job in waiting)
    handles = submit(places, marks, execution, session)
    queued = zip(waiting, handles)
    executions.record(execution.id, [Entry(job.number, job.last.attempt, states.QUEUED, handle=handle) for job, handle in queued])
    return len(places)


def _made(executions: Executions, execution: Execution, application: Application, job: model.Job) -> str:
    """The directory of a job's last attempt, made unless it is there."""
    place = executions.place(execution.id, job.number, job.last.attempt)
    if not os.path.exists(f"{place}/job.json"):
        shutil.rmtree(place, ignore_errors=True)  # what a kill left half made
        os.makedirs(os.path.dirname(place), 0o700, exist_ok=True)
        prepared = prepare_job(application, execution, job.number)
        directory.create(place, prepared.job, prepared.files)
    return place


def _let_in(place: str, known: Mapping[str, Source]) -> None:
    """Give a job with inputs at a server what this shell has for it. Raises `UsageError` for a token that is missing."""
    if not known and credentials.of_environment(os.environ) == credentials.NONE:
        return  # and no job is read again
    found = credentials.of_shell(directory.read(place), known, os.environ)
    if found != credentials.NONE:
        credentials.save(place, found)


def mark(id: str, job: int, attempt: int) -> str:
    """What an attempt of a job is called away from here."""
    return f"{id}/{job}/{attempt}"


def submit(places: Sequence[str], marks: tuple[str, ...], execution: Execution, session: Session) -> list[str]:
    """Hand job directories to the back-end of an execution; its ids for them."""
    settings = execution.settings
    submission = batch.Submission(name=execution.name, at_once=settings.at_once, options=settings.words, marks=marks)
    return batch.open_backend(settings.back_end, session).submit(places, submission)


def new_id() -> str:
    """An id that sorts by time and can be said: the second, and its fraction in four digits, `20261125-050000-ab12`."""
    seconds, fraction = divmod(time.time(), 1)
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{int(fraction * 65536):04x}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def over(application: Application, texts: Iterable[str], where: str) -> tuple[Axis, ...]:
    """The axes of `--over NAME=VALUES` words; the same name again adds values. Raises `UsageError`."""
    found: dict[str, tuple[object, ...]] = {}
    for text in texts:
        name, equals, values = text.partition("=")
        input = next((one for one in application.inputs if one.id == name), None)
        if input is None or not equals:
            known = ", ".join(one.id for one in application.inputs)
            raise UsageError(
                f"--over {printable(text)!r} does not name an input of {application.name}", f"write NAME=VALUES; it has {known}"
            )
        found[name] = found.get(name, ()) + iterate.parse(values, input.type, where)
    return tuple(Axis(name, values) for name, values in found.items())
