"""Bringing the results of an execution to a directory, whole and checked, and saying what is where.

Each file appears by a rename after its bytes were compared with the digest that the node took. One that is there already with the
same bytes is left alone, so a fetch that was interrupted goes on; another one in its place is never overwritten unasked.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.errors import DigestMismatch, HostError, NoSpace, SampanError, UsageError, printable
from sampan.events import Task
from sampan.executions import states
from sampan.jobs import directory, uris

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.executions.contract import Executions
    from sampan.executions.model import Execution, Job
    from sampan.jobs.status import Staged

TABLE = "jobs.tsv"
SILENT = Task()
_PIECE = 1 << 20


@dataclass(frozen=True)
class Fetched:
    """An output of a job: the place relative to the target, or the URI it was sent to when it is not here."""

    job: int
    output: Staged
    place: str


def folder(execution: Execution, number: int) -> str:
    """The directory of a job's results below the target: none for a single job, its number with leading zeros otherwise."""
    return "" if execution.size == 1 else str(number).zfill(len(str(execution.size)))


def results(executions: Executions, execution: Execution, jobs: Sequence[Job]) -> Iterator[tuple[Fetched, str]]:
    """The outputs of the jobs that finished, with the paths where they lie now (empty where they were sent elsewhere)."""
    for job in jobs:
        if job.state != states.FINISHED:
            continue
        place = executions.place(execution.id, job.number, job.last.attempt)
        status = directory.status_of(place)
        for output in status.outputs if status is not None else ():
            if uris.scheme_of(output.uri):
                yield Fetched(job.number, output, output.uri), ""
            else:
                # A stream lies beside it, and is called as `app launch` calls it.
                below = output.uri.removeprefix("outputs/") if output.uri.startswith("outputs/") else f"{output.name}.txt"
                yield (
                    Fetched(job.number, output, os.path.join(folder(execution, job.number), below)),
                    os.path.join(place, output.uri),
                )


def fetch(
    executions: Executions, execution: Execution, jobs: Sequence[Job], target: str, task: Task, *, force: bool
) -> list[Fetched]:
    """Bring all results to `target`, which is made. `task` is told the bytes.

    Raises `UsageError` for a file that is there and differs, `DigestMismatch`, `NoSpace`, `HostError`; what was brought stays.
    """
    done = []
    for found, source in results(executions, execution, jobs):
        if source:
            goal = os.path.join(target, found.place)
            try:
                os.makedirs(os.path.dirname(goal), exist_ok=True)
                _Copy(found.output.digest, task, force=force).bring(source, goal)
            except OSError as error:
                raise failure(f"cannot fetch {printable(found.place)}", error) from error
            except SampanError as error:
                raise error.about(f"cannot fetch {printable(found.place)}") from error
        done.append(found)
    return done


def copy(source: str, goal: str, *, force: bool) -> None:
    """Bring a file or directory that is no result, as an input into a crate. Raises as `fetch`."""
    try:
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        _Copy("", SILENT, force=force).bring(os.path.realpath(source), goal)
    except OSError as error:
        raise failure(f"cannot fetch {printable(source)}", error) from error
    except SampanError as error:
        raise error.about(f"cannot fetch {printable(source)}") from error


def total(executions: Executions, execution: Execution, jobs: Sequence[Job]) -> int:
    """The bytes of all results that lie here."""
    return sum(max(found.output.size, 0) for found, source in results(executions, execution, jobs) if source)


class _Copy:
    """Copies one output, a file or a directory."""

    def __init__(self, digest: str, task: Task, *, force: bool) -> None:
        self._digest = digest
        self._task = task
        self._force = force

    def bring(self, source: str, goal: str) -> None:
        """Raises OSError and the errors of `fetch`."""
        if stat.S_ISDIR(os.lstat(source).st_mode):
            for root, folders, names in os.walk(source):
                here = os.path.normpath(os.path.join(goal, os.path.relpath(root, source)))
                os.makedirs(here, exist_ok=True)
                folders.sort()
                for name in sorted(names):
                    self._file(os.path.join(root, name), os.path.join(here, name), "")
        else:
            self._file(source, goal, self._digest)

    def _file(self, source: str, goal: str, digest: str) -> None:
        if not self._force and os.path.lexists(goal):
            if _same(source, goal):
                self._task.advance(os.path.getsize(source))
                return
            raise UsageError("another file is there already", "--force replaces it")
        temporary = f"{goal}.{os.urandom(6).hex()}.part"
        try:
            read = hashlib.sha256()
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            with os.fdopen(os.open(source, flags), "rb", 0) as reader, open(temporary, "xb", 0) as writer:
                while True:
                    piece = reader.read(_PIECE)
                    if not piece:
                        break
                    read.update(piece)
                    rest = memoryview(piece)
                    while rest:  # a disk that is about to be full takes a part
                        rest = rest[writer.write(rest) :]
                    self._task.advance(len(piece))
                os.fchmod(writer.fileno(), stat.S_IMODE(os.fstat(reader.fileno()).st_mode) & 0o777)
            if digest and f"sha256:{read.hexdigest()}" != digest:
                raise DigestMismatch(
                    f"its bytes are no longer those that the job left ({digest})", "the job's directory was changed"
                )
            os.rename(temporary, goal)
        except BaseException:
            try:
                os.unlink(temporary)
            except OSError:
                pass
            raise


def _same(one: str, other: str) -> bool:
    try:
        if os.path.getsize(one) != os.path.getsize(other) or not stat.S_ISREG(os.lstat(other).st_mode):
            return False
        with open(one, "rb", 0) as left, open(other, "rb", 0) as right:
            while True:
                piece = left.read(_PIECE)
                if piece != right.read(_PIECE):
                    return False
                if not piece:
                    return True
    except OSError:
        return False


def table(execution: Execution, jobs: Sequence[Job], fetched: Sequence[Fetched]) -> str:
    """`jobs.tsv`: a line a job, with the inputs that differ and the outputs; what is not printable is escaped."""
    names = execution.iteration.names
    outputs: dict[int, list[str]] = {}
    for one in fetched:
        outputs.setdefault(one.job, []).append(one.place)
    lines = [("job", "state", "exit", *names, "outputs")]
    for job in jobs:
        values = execution.iteration.at(job.number - 1)
        exit = "" if job.last.exit is None else str(job.last.exit)
        lines.append(
            (str(job.number), job.state, exit, *(str(values[name]) for name in names), " ".join(outputs.get(job.number, [])))
        )
    return "".join("\t".join(printable(cell) for cell in line) + "\n" for line in lines)


def failure(what: str, error: OSError) -> HostError:
    """The error of a system call while something is fetched."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(f"{what}: {error.strerror}", "what was fetched is kept; make room, and the same command goes on")
    return HostError(f"{what}: {error.strerror or error}")
