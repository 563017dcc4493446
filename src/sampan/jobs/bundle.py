"""A job that travels where nothing is shared: a directory that can be moved, copied or put into an archive, and what comes back of it.

    target/
      run.sh       runs it; ends with the code of the phase that failed
      bundle.json  what whoever packed it calls the job
      job/         the job, its inputs with it
      sampan.pyz   form `pyz`: for nodes with Python 3.9; the image lies in job/image.tar, as an OCI archive, or the node gets it itself
      sampan-run launch tree/    form `native`: for nodes without Python (native.py)

Inputs of this machine travel, those of servers are fetched by the node (`native`: here, beforehand). Outputs with a place on this
machine are taken there when the bundle is back (`fetch`), by the same rules as on a node: they are foreign files by then, and what
the bundle says about itself is foreign, too. A bundle is never changed by whoever takes it in, so that can be repeated.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sampan.errors import HostError, NoSpace, UsageError, printable
from sampan.jobs import collect, credentials, image, native, phases, stage_out, tokens, transfer, uris, verdict, work
from sampan.jobs import directory as directories
from sampan.jobs.phases import Failed
from sampan.jobs.status import Status, now, word_of
from sampan.jobs.transfer import Carrier
from sampan.runtime.watched import Starter

if TYPE_CHECKING:
    from typing import Any

    from sampan.container.record import ContainerImage
    from sampan.jobs.spec import Input, Job, Output
    from sampan.jobs.status import Staged
    from sampan.runtime.session import Session

FORMS = ("pyz", "native")
PYZ, JOB, IMAGE, LABEL = "sampan.pyz", "job", "image.tar", "bundle.json"
RUN = """#!/bin/sh
# Runs the job beside it on a node with Python 3.9 or later. Ends with the code of the phase that failed.
cd "$(dirname "$0")" || exit 20
own=""
[ -n "${SAMPAN_HOME:-}" ] || { SAMPAN_HOME="$PWD/store"; own=1; }
export SAMPAN_HOME
./sampan.pyz --job "$PWD/job" &
pid=$!
trap 'kill -TERM $pid 2>/dev/null' TERM INT HUP
wait $pid
code=$?
while kill -0 $pid 2>/dev/null; do wait $pid; code=$?; done
[ -z "$own" ] || rm -rf store
exit $code
"""
LOGS = ("stdout", "stderr", "log", "events")


@dataclass(frozen=True)
class Form:
    """How jobs are packed: one of `FORMS`; the sampan.pyz to send (empty: the one that runs), and whether the image goes along."""

    name: str
    pyz: str = ""
    with_image: bool = True

    def __post_init__(self) -> None:
        if self.name not in FORMS:
            raise UsageError(f"a bundle has no form {self.name!r}", f"there are {', '.join(FORMS)}")


def running_pyz() -> str:
    """The sampan.pyz that runs; empty if an installed sampan does."""
    return getattr(getattr(sys.modules["sampan"], "__loader__", None), "archive", "") or ""


def pack(path: str, target: str, form: Form, session: Session, mark: str = "") -> None:
    """Make a bundle of the job in `path` as the new directory `target`; `mark` is what `mark_of` finds in it.

    Raises `UsageError`, `HostError`, `NoSpace`, and what a pull raises; then nothing is left.
    """
    job = directories.read(path)
    try:
        os.mkdir(target, 0o700)
    except FileExistsError:
        raise UsageError(f"{target} is there already", "a bundle needs a directory of its own") from None
    except OSError as error:
        raise directories.refused(f"cannot make the bundle {target}", error) from error
    try:
        carrier = _carrier(path, job, session)
        found = image.bring(path, job, Starter(session), session)
        if form.name == "native":
            native.pack(os.path.abspath(target), job, found, session, carrier, path)
        else:
            _pack(path, target, job, found, (session, form, carrier))
        label = {"format": 1, "form": form.name, "job": mark}
        directories.write_new(f"{target}/{LABEL}", json.dumps(label).encode("ascii"))
    except Failed as failure:
        transfer.remove(target)
        kind = NoSpace if failure.code == phases.INPUT_NO_SPACE else HostError
        raise kind(f"cannot pack the job {path}: {failure.cause}", failure.hint) from failure
    except OSError as error:
        transfer.remove(target)
        raise directories.refused(f"cannot pack the job {path}", error) from error
    except BaseException:
        transfer.remove(target)
        raise


def _carrier(path: str, job: Job, session: Session) -> Carrier:
    known = credentials.with_files(credentials.look(path), tokens.sources(session.settings.texts("tokens")))
    return Carrier(known, job.tries, session.notice, lambda: None, session.settings.text("cvmfs_mounts"))


def mark_of(bundle: str) -> str:
    """What whoever packed a bundle calls its job. Raises `UsageError` for what is no bundle."""
    try:
        return str(directories.load(f"{bundle}/{LABEL}").get("job", ""))
    except (OSError, ValueError) as error:
        raise UsageError(f"{printable(bundle)} is no bundle: it has no {LABEL} that can be read") from error


def _pack(path: str, target: str, job: Job, found: ContainerImage, beside: tuple[Session, Form, Carrier]) -> None:
    """The form for nodes with Python."""
    from sampan.image.save import OCI
    from sampan.runtime.save import save

    session, form, carrier = beside
    source = form.pyz or running_pyz()
    if not source or not os.path.exists(source):
        raise UsageError(
            "a bundle of this form needs a sampan.pyz, and this sampan does not run from one"
            if not source
            else f"there is no {source}",
            "name one with --pyz, or take the form native",
        )
    travels = form.with_image and not found.is_in_place  # what lies below /cvmfs is there, too
    inputs, files = _travelling(path, job)
    outputs = tuple(replace(one, destination="") if _is_of_here(one) else one for one in job.outputs)
    sent = replace(job, inputs=inputs, outputs=outputs, scratch="")
    if travels:
        # By its name: an archive cannot give an image the name NAME@DIGEST, and a store that kept no layers packs them anew.
        sent = replace(sent, request=job.request.but(image=found.reference), source=IMAGE, digest="")
    directories.create(f"{target}/{JOB}", sent, files, apart=True)
    if travels:
        save([found.reference], f"{target}/{JOB}/{IMAGE}", OCI, session)
    if sent.remote(*credentials.WEB, "s3"):
        known = credentials.carried(carrier.credentials, sent)
        if known != credentials.NONE:
            credentials.save(f"{target}/{JOB}", known)
    shutil.copyfile(source, f"{target}/{PYZ}")
    os.chmod(f"{target}/{PYZ}", 0o755)  # noqa: S103 - a program
    directories.write_new(f"{target}/run.sh", RUN.encode("ascii"), 0o755)


def _travelling(path: str, job: Job) -> tuple[tuple[Input, ...], dict[str, bytes | str]]:
    """The inputs as the node will find them, and the files that go along: name in `inputs/` -> where it is here."""
    inputs: list[Input] = []
    files: dict[str, bytes | str] = {}
    for number, one in enumerate(job.inputs):
        scheme = uris.scheme_of(one.uri)
        if scheme not in ("", "file"):
            inputs.append(one)
            continue
        source = uris.file_path(one.uri) if scheme else f"{path}/{one.uri}"
        if not os.path.exists(source):
            raise Failed(phases.INPUT_MISSING, f"the input {one.name!r} is missing: {uris.shown(one.uri)}")
        name = f"{number}-{os.path.basename(source.rstrip('/'))}"
        files[name] = os.path.realpath(source)
        inputs.append(replace(one, uri=f"inputs/{name}"))
    return tuple(inputs), files


def _is_of_here(output: Output) -> bool:
    return uris.scheme_of(output.destination) in ("", "file")


def fetch(bundle: str, path: str, session: Session) -> Status:
    """Take what came back with a bundle into the job it was packed of, whose status it becomes. The bundle stays as it is.

    Raises `UsageError` if it has not run or the job has a status already, `HostError` and `NoSpace` if it cannot be taken in: then
    it can be tried again.
    """
    job = directories.read(path)
    if directories.status_of(path) is not None:
        raise UsageError(f"the job {path} has ended already", "a new attempt needs a bundle of its own: `sampan job retry`")
    there = f"{bundle}/{JOB}"
    is_native = os.path.exists(f"{bundle}/{native.LAUNCH}")
    told = _native_status(there, job) if is_native else directories.status_of(there)
    if told is None:
        raise UsageError(f"the bundle {printable(bundle)} has not run, or not to its end", "run its run.sh first")
    if told.state == "lost" or told.code not in phases.CODES:
        raise UsageError(f"the bundle {printable(bundle)} is damaged: {told.cause or told.code}", "bring it back once more")
    what = f"cannot take the bundle {printable(bundle)} in"
    try:
        _claim(path, job, told)
    except HostError as error:
        raise error.about(what) from error.__cause__
    try:
        found = _take_in(job, path, (there, _readable(told, job)), session, is_native=is_native)
        if found is None:
            raise HostError(f"{what}: its status cannot be written to {path}", "make room, then take it again")
    except Failed as failure:
        os.unlink(f"{path}/claim")
        kind = NoSpace if failure.code == phases.OUTPUT_NO_SPACE else HostError
        raise kind(f"{what}: {failure.cause}", f"{failure.hint}, then take it again" if failure.hint else None) from failure
    except OSError as error:
        os.unlink(f"{path}/claim")
        raise directories.refused(what, error) from error
    except BaseException:
        os.unlink(f"{path}/claim")
        raise
    return found


def _readable(told: Status, job: Job) -> Status:
    """What a foreign status says, fit for a terminal; of inputs only what it says about the job's own."""
    texts: dict[str, Any] = {name: printable(value) for name, value in vars(told).items() if isinstance(value, str)}
    known = {one.name for one in job.inputs}
    inputs = tuple(one for one in told.inputs if one.name in known)
    image = {printable(name): printable(value) for name, value in told.image.items()}
    return replace(told, **{**texts, "image": image, "inputs": inputs, "kept": ""})


def _take_in(job: Job, path: str, back: tuple[str, Status], session: Session, *, is_native: bool) -> Status | None:
    """Logs, results, and the status last; `None` if that could not be written. Raises `Failed` and OSError for what is wrong here."""
    there = back[0]
    for name in LOGS:
        if os.path.isfile(f"{there}/{name}") and not os.path.islink(f"{there}/{name}"):
            transfer.copy(f"{there}/{name}", f"{path}/{name}", lambda: None)
            os.chmod(f"{path}/{name}", 0o600)
    carrier = _carrier(path, job, session)
    work.publish(path, replace(_taken(job, path, back, carrier, is_native=is_native), finished=now()))
    return directories.status_of(path)


_OF_THIS_SIDE = (phases.OUTPUT_NO_SPACE, phases.OUTPUT_NOT_STORED, phases.OUTPUT_DENIED, phases.OUTPUT_THERE)
"""What is wrong with the machine that takes a bundle in, and not with the job."""


def _claim(path: str, job: Job, told: Status) -> None:
    """Nobody else takes it in. A claim of one who was killed over it is nobody's."""
    before = directories.claim_of(path)
    if before is not None and not directories.is_running(path, before):
        os.unlink(f"{path}/claim")
    try:
        work.claim(path, job, told.claimed or now())
    except Failed as failure:
        raise UsageError(failure.cause, "a bundle is taken in by one process") from failure


def _taken(job: Job, path: str, back: tuple[str, Status], carrier: Carrier, *, is_native: bool) -> Status:
    """The status, with outputs where the job wants them. What lies in a bundle is judged as what a payload has left.

    Raises `Failed` for what is wrong here and not with the job.
    """
    there, told = back
    try:
        if told.state != "done" and not is_native:
            return replace(told, outputs=())
        here = job if is_native else replace(job, outputs=tuple(one for one in job.outputs if _is_of_here(one)))
        root = f"{there}/work" if is_native else f"{there}/outputs"
        found = collect.find(here, path, root, partial=told.state != "done")
        how = {"checksums": job.checksums, "partial": told.state != "done", "keep": True}
        return replace(told, outputs=(*stage_out.take(path, found, carrier, **how), *_sent(job, told)))
    except Failed as failure:
        if failure.code in _OF_THIS_SIDE:
            raise
        return replace(
            told, state=word_of(failure.code), code=failure.code, phase=failure.phase, cause=failure.cause, hint=failure.hint or "",
            kept=there,
        )  # fmt: skip


def _sent(job: Job, told: Status) -> tuple[Staged, ...]:
    """What the node says that it has sent to a server: only where the job wanted that, for it could name any file of this machine."""
    wanted = {one.name: uris.shown(one.destination) for one in job.outputs if not _is_of_here(one)}
    return tuple(one for one in told.outputs if one.name in wanted and one.uri.startswith(wanted[one.name]))


def _native_status(there: str, job: Job) -> Status | None:
    """What a node without Python has left."""
    try:
        with open(f"{there}/code", encoding="ascii") as stream:
            code = int(stream.read())
    except (OSError, ValueError):
        return None
    ended = verdict.ended(there, code, "")
    failure = verdict.why(ended, job, there)
    state = "done" if failure is None else word_of(failure.code)
    found = Status(
        state,
        phases.DONE if failure is None else failure.code,
        exit=ended.exit,
        signal=ended.signal,
        started=ended.started,
        ended=ended.ended,
    )
    return found if failure is None else replace(found, phase=failure.phase, cause=failure.cause, hint=failure.hint or "")
