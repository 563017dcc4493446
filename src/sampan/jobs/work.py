"""What runs on the node: one job from its claim to its status.

Theory of operation. Nothing is run twice: whoever makes the file `claim` first (O_EXCL) runs the job, everybody else leaves
it alone. Then the phases, each of which can end the job by `Failed`, whose code becomes the exit code of the worker. The status is the
last thing that is written, by a rename, into a file that was given its room with the claim: so a full disk is reported as well.

`Worker.do` is called by the process of one job (`main`), and by the threads of the local back-end's runner for one job after the
other: it keeps nothing between jobs and changes nothing of the process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import sampan
from sampan.errors import SampanError
from sampan.host import kernel, processes
from sampan.jobs import collect, credentials, image, payload, phases, stage_in, stage_out, tokens, workspace
from sampan.jobs import directory as directories
from sampan.jobs.journal import Journal
from sampan.jobs.phases import Failed
from sampan.jobs.pulse import Beat, Pulse
from sampan.jobs.stage_in import Brought
from sampan.jobs.status import Status, now, word_of
from sampan.jobs.transfer import Carrier
from sampan.runtime import watched

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType
    from typing import Any

    from sampan.jobs.spec import Job
    from sampan.jobs.status import Staged
    from sampan.jobs.verdict import Ended
    from sampan.jobs.workspace import Workspace
    from sampan.runtime.session import Session

ROOM = 4096
_OF_THE_END = ("exit", "signal", "started", "ended", "seconds", "memory")
BATCH_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
# How sampan.pyz is told to be something else (scripts/pyz/sampan_pyz/boot.py) -> the module whose `main` is called.
STARTS = {"--job": "sampan.jobs.work", "--runner": "sampan.batch.runner"}


def work(path: str, session: Session) -> Status:
    """Run the job in the directory `path` here and now. What happens to a job is never raised: the code is in the status."""
    return Worker(session, Pulse()).do(path)


class Worker:
    """Runs jobs; may be used by several threads at once."""

    def __init__(self, session: Session, pulse: Pulse, kills: payload.Kills | None = None) -> None:
        self._session = session
        self._pulse = pulse
        self._node = payload.Node(watched.Starter(session), kills or payload.Kills())
        self._environment = dict(os.environb)

    def do(self, path: str, environment: Mapping[str, str] | None = None) -> Status:
        """One job; `environment` are variables of the node besides this process's own."""
        path = os.path.abspath(path)
        claimed = now()
        try:
            job = directories.read(path)
            claim(path, job, claimed)
        except SampanError as error:
            return Status(
                "failed", phases.BAD_JOB, phases.PREPARE, cause=error.sentence, hint=error.hint or "", node=kernel.node()
            )
        except Failed as failure:
            return Status("failed", failure.code, failure.phase, cause=failure.cause, node=kernel.node())
        more = {os.fsencode(name): os.fsencode(value) for name, value in (environment or {}).items()}
        course = Course(path, job, self._session, (self._node, {**self._environment, **more}))
        self._pulse.add(course.beat)
        try:
            found = course.run(claimed)
        finally:
            self._pulse.remove(course.beat)
            course.journal.close()
        publish(path, found)
        return found


class Course:
    """One job on its way through the phases."""

    def __init__(self, path: str, job: Job, session: Session, node: tuple[payload.Node, Mapping[bytes, bytes]]) -> None:
        self._path = path
        self._job = job
        self._node, self._environment = node
        self.journal = Journal(path)
        self.beat = Beat(path, job.heartbeat, payload.grace_of(job))
        self._session = session.telling(self.journal)
        # What becomes its status: a dict, because each phase adds to it.
        self._found: dict[str, Any] = {"state": "failed", "code": phases.DEFECT}

    def run(self, claimed: str) -> Status:
        """All phases."""
        try:
            self._begin(phases.PREPARE)
            self.beat.check()
            if directories.is_cancelled(self._path):
                raise Failed(phases.CANCELLED, "it was cancelled before it began", phase=phases.PREPARE)
            with workspace.opened(self._path, self._job) as place:
                self._in(place)
        except Failed as failure:
            self._fail(failure)
        except Exception as error:  # noqa: BLE001 - a job must end with a status, whatever happens
            self._fail(_defect(error, self.beat.phase))
        self.journal.event("end", state=self._found["state"], code=self._found["code"])
        return Status(**self._found, node=kernel.node(), claimed=claimed, finished=now())

    def _in(self, place: Workspace) -> None:
        """Everything that happens in the working directory."""
        try:
            self._phases(place)
        except Failed as failure:
            if failure.phase == phases.STAGE_OUT:
                place.keep()
                self._found["kept"] = place.path
            raise

    def _phases(self, place: Workspace) -> None:
        job = self._job
        settings = self._session.settings
        let_in = credentials.with_files(credentials.take(self._path), tokens.sources(settings.texts("tokens")))
        carrier = Carrier(let_in, job.tries, self.journal, self.beat.check, settings.text("cvmfs_mounts"))
        brought = Brought()
        if job.inputs:
            self._begin(phases.STAGE_IN)
            brought = stage_in.bring(self._path, place.path, job, carrier)
            self._found["inputs"] = brought.staged
        self._begin(phases.IMAGE)
        found = image.bring(self._path, job, self._node.starter, self._session)
        self._found["image"] = {"reference": found.reference, "digest": found.manifest}
        self.beat.check()
        self._begin(phases.RUN)
        where = payload.Place(self._path, place.path, brought, self._environment)
        ended = payload.run(job, where, found, self._node, self._session, self.beat)
        brought.clear()
        self._note(ended)
        if ended.failure is not None:
            self._take_part(place, carrier)
            raise ended.failure
        if job.outputs:
            self._begin(phases.STAGE_OUT)
            there = collect.find(job, self._path, place.path)
            self._took(stage_out.take(self._path, there, carrier, checksums=job.checksums))
        self._found.update(state="done", code=phases.DONE)

    def _note(self, ended: Ended) -> None:
        self._found.update({name: getattr(ended, name) for name in _OF_THE_END})

    def _take_part(self, place: Workspace, carrier: Carrier) -> None:
        """The program has failed; what it has left of the outputs may show why."""
        carrier = replace(carrier, check=lambda: None)
        there = collect.find(self._job, self._path, place.path, partial=True)
        self._took(stage_out.take(self._path, there, carrier, checksums=False, partial=True))

    def _took(self, staged: tuple[Staged, ...]) -> None:
        self._found["outputs"] = staged

    def _begin(self, phase: str) -> None:
        self.beat.phase = phase
        self.journal.event("phase", phase=phase)

    def _fail(self, failure: Failed) -> None:
        phase = failure.phase or self.beat.phase
        self.journal.error(failure.cause, failure.hint)
        self._found.update(
            state=word_of(failure.code), code=failure.code, phase=phase, cause=failure.cause, hint=failure.hint or ""
        )


def _defect(error: Exception, phase: str) -> Failed:
    if isinstance(error, SampanError):
        return Failed(phases.BAD_NODE, error.sentence, error.hint, phase)
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return Failed(phases.BAD_NODE, f"the system refused: {error.strerror}{where}", phase=phase)
    at = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{os.path.basename(at.filename)}:{at.lineno}"
    return Failed(phases.DEFECT, f"this is a defect of sampan: {type(error).__name__}: {error} ({where})", phase=phase)


def claim(path: str, job: Job, when: str) -> None:
    """Become the one who runs the job. Raises `Failed` if somebody else is, `HostError` if the directory cannot be written."""
    pid, start, boot = _who(os.getpid())
    batch = next((os.environ[name] for name in BATCH_IDS if os.environ.get(name)), "")
    document = {
        "format": 1, "node": kernel.node(), "boot": boot, "pid": pid, "start": start, "batch": batch,
        "claimed": when, "heartbeat": job.heartbeat,
    }  # fmt: skip
    try:
        directories.write_new(f"{path}/claim", json.dumps(document).encode("ascii"))
    except FileExistsError:
        raise Failed(phases.TAKEN, f"{path} is run, or was run, by somebody else: nothing was done") from None
    except OSError as error:
        raise directories.refused(f"cannot claim the job {path}", error) from error
    try:
        descriptor = os.open(f"{path}/.status", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, ROOM)
        finally:
            os.close(descriptor)
    except OSError:
        return  # without that room the status is written as any file


@lru_cache(maxsize=1)
def _who(pid: int) -> tuple[int, int, str]:
    """This process as others can tell it from a later one: pid, start time, boot."""
    return pid, processes.start_time(pid) or 0, kernel.boot_id()


def give_up(path: str, cause: str) -> bool:
    """End a job that nobody has begun, as cancelled; whether that was so. It is claimed for that, so nobody begins it later."""
    claimed = now()
    try:
        claim(path, directories.read(path), claimed)
    except (Failed, SampanError):
        return False
    publish(
        path,
        Status("cancelled", phases.CANCELLED, phases.PREPARE, cause=cause, node=kernel.node(), claimed=claimed, finished=now()),
    )
    return True


def close(path: str, found: Status) -> None:
    """Note how a job ended whose worker cannot do it any more. Whatever a worker has written counts, also if it comes later."""
    claimed = now()
    try:
        claim(path, directories.read(path), claimed)  # if it never began, it never will
    except (Failed, SampanError):
        pass
    raw = json.dumps(replace(found, finished=now()).document()).encode("ascii")
    temporary = f"{path}/.closed-{os.urandom(4).hex()}"
    try:
        directories.write_new(temporary, raw)
        try:
            os.link(temporary, f"{path}/status.json")
            _forget(path)
        finally:
            os.unlink(temporary)
    except OSError:
        return


def _forget(path: str) -> None:
    try:
        credentials.forget(path)
    except OSError:
        return  # the directory is gone, or its file system cannot be written: the status says so in its own way


def publish(path: str, found: Status) -> None:
    """Write the status. Where there is no room for all of it, without the lists of inputs and outputs. Nobody needs its credentials then."""
    for status in (found, replace(found, inputs=(), outputs=())):
        raw = json.dumps(status.document()).encode("ascii")
        try:
            descriptor = os.open(f"{path}/.status", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                written = os.pwrite(descriptor, raw, 0)
                if written == len(raw):
                    os.ftruncate(descriptor, written)
                    os.rename(f"{path}/.status", f"{path}/status.json")
                    _forget(path)
                    return
            finally:
                os.close(descriptor)
        except OSError:
            continue


def command() -> tuple[str, ...]:
    """The words that run a worker by this interpreter, or out of this `sampan.pyz`; the directory of a job follows."""
    return program("--job")


def program(start: str) -> tuple[str, ...]:
    """The words that run one of `STARTS` without anybody's site packages; its own words follow."""
    again = getattr(sampan.__loader__, "interpreter", None)  # the loader of sampan.pyz knows how it was started
    if again is not None:
        words: tuple[str, ...] = again(start)
        return words
    code = f"import sys; sys.path.insert(0, sys.argv.pop(1)); from {STARTS[start]} import main; main(sys.argv[1:])"
    path = os.path.dirname(os.path.dirname(os.path.abspath(sampan.__file__)))
    cache = ("-X", f"pycache_prefix={sys.pycache_prefix}") if sys.pycache_prefix else ()
    return (sys.executable, "-I", "-S", *cache, "-c", code, path)


def main(words: list[str]) -> None:
    """Run the job in the directory `words[0]`; ends with the code of its status."""
    from sampan import settings
    from sampan.runtime.session import Session

    pulse = Pulse()

    def end(number: int, _: FrameType | None) -> None:
        pulse.cancel_all(f"the worker was ended by {signal.Signals(number).name}")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    try:
        found = Worker(Session(settings.load(os.environ)), pulse).do(words[0])
    except SampanError as error:
        sys.stderr.write(f"sampan: {error.sentence}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        os._exit(phases.BAD_NODE)
    if found.phase == phases.PREPARE:  # the job's own log may not have it
        sys.stderr.write(f"sampan: {words[0]}: {found.cause}\n" + (f"hint: {found.hint}\n" if found.hint else ""))
    sys.stderr.flush()
    os._exit(found.code)
