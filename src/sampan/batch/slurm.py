"""The back-end `slurm`: arrays by `sbatch`, states by one `squeue` a poll, the worker's status file as the truth.

Theory of operation. All jobs with the same limits become one array (of a thousand at most); its script holds their directories, and each
task runs the worker for its own. Slurm is never told to run anything again (`--no-requeue`), and if it does, the claim in the directory
keeps it from being run twice. A submission carries a word of its own as its comment: if the answer of `sbatch` gets lost, the queue
tells whether it arrived. A job that has left the queue without a status gets a while for its file to appear on a slow file system;
then what Slurm (or its accounting, where that is on) knows becomes its status, so that it is known after Slurm has forgotten it.
"""

from __future__ import annotations

import math
import os
import time
from typing import TYPE_CHECKING

from sampan.batch import slurm_calls as calls
from sampan.batch.base import Backend, Bounds, Submission, read_all
from sampan.errors import HostError, SampanError, Unreachable, UsageError
from sampan.jobs import directory as directories
from sampan.jobs import phases, work
from sampan.jobs.status import State, Status, by_exit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.batch.slurm_calls import Row
    from sampan.jobs.spec import Limits
    from sampan.runtime.session import Session

ARRAY = 1000
TRIES = 3
PAUSE = 2.0
GRACE = 15.0
# Beside the payload a worker needs memory for itself, and time to bring and take files.
OWN_MEMORY = 64 << 20
OWN_SECONDS = 120
WAITS = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT", "RESV_DEL_HOLD")
RUNS = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "STAGE_OUT", "RESIZING", "SIGNALING")
# Reasons of a job that waits which are no news.
USUAL = ("", "None", "Priority", "Resources", "Dependency", "JobArrayTaskLimit")
OURS = (
    "array", "a", "parsable", "wrap", "output", "o", "error", "e", "input", "i", "job-name", "J", "requeue", "no-requeue", "dependency", "d", "chdir", "D",
    "comment", "export", "wait", "W", "test-only", "ntasks", "n", "cpus-per-task", "c", "mem", "time", "t", "nodes", "N",
)  # fmt: skip


class Slurm(Backend):
    """`options`: further words for every sbatch (`--partition=...`); `command`: how a node starts a worker; `grace` in seconds."""

    name = "slurm"

    def __init__(self, session: Session, options: Sequence[str] = (), command: Sequence[str] = (), grace: float = GRACE) -> None:
        super().__init__(session)
        self._options = checked(options)
        self._command = tuple(command) or work.command()
        self._grace = grace
        self._config: str | None = None

    def submit(self, jobs: Sequence[str], submission: Submission = Submission()) -> list[str]:  # noqa: B008 - a frozen value
        """One `sbatch` for every thousand jobs of equal limits."""
        paths = [os.path.abspath(path) for path in jobs]
        words = (*self._options, *checked(submission.options))
        found = read_all(paths, self._known_bounds(), self.name)
        groups: dict[Limits, list[str]] = {}
        for path, job in zip(paths, found):
            groups.setdefault(job.limits, []).append(path)
        ids: dict[str, str] = {}
        size = ARRAY
        for limits, members in groups.items():
            rest = members
            while rest:
                part, words_of_part = rest[:size], (*self._words(limits, submission), *words)
                try:
                    base = self._sbatch(part, words_of_part, submission.at_once)
                except (HostError, Unreachable) as error:
                    smaller = self._smaller(size, error)
                    if smaller:
                        size = smaller
                        continue
                    raise self._partly(error, len(ids), len(paths)) from error
                for number, path in enumerate(part):
                    ids[path] = base if len(part) == 1 else f"{base}_{number}"
                    directories.note_submission(path, self.name, ids[path])
                rest = rest[size:]
        return [ids[path] for path in paths]

    def _words(self, limits: Limits, submission: Submission) -> list[str]:
        """Options of `sbatch` for jobs with these limits."""
        name = "".join(sign if sign.isalnum() or sign in "._-" else "_" for sign in submission.name)[:60]
        words = [
            "--parsable",
            "--no-requeue",
            "--output=/dev/null",
            "--chdir=/",
            f"--job-name={name or 'sampan'}",
            "--ntasks=1",
            "--nodes=1",
        ]
        words += [f"--export={calls.variables(os.environ)}", f"--cpus-per-task={limits.cpus}"]
        if limits.time:
            words.append(f"--time={math.ceil((limits.time + OWN_SECONDS) / 60)}")
        if limits.memory:
            words.append(f"--mem={math.ceil((limits.memory + OWN_MEMORY) / 1024)}K")
        if limits.gpus:
            words.append(f"--gres=gpu:{limits.gpus}")
        if limits.disk:
            words.append(f"--tmp={math.ceil(limits.disk / 1048576)}M")
        if submission.after:
            words += [f"--dependency=afterok:{':'.join(submission.after)}", "--kill-on-invalid-dep=yes"]
        return words

    def _sbatch(self, paths: list[str], words: tuple[str, ...], at_once: int) -> str:
        """The id of one submission. Raises `HostError`; `Unreachable` only if the queue does not know it either."""
        mark = f"{calls.COMMENT}{os.urandom(8).hex()}"
        full = ["sbatch", f"--comment={mark}", *words]
        if len(paths) > 1:
            full.append(f"--array=0-{len(paths) - 1}{f'%{at_once}' if at_once else ''}")
        text = calls.script(self._command, paths)
        for left in range(TRIES - 1, -1, -1):
            try:
                said = calls.call(full, calls.SUBMIT_SECONDS, text)
            except Unreachable as error:
                id = self._arrived(mark)
                if id:
                    return id
                if not left:
                    raise
                self.session.notice.warn(f"{error.sentence}; trying again in {PAUSE:g} s")
                time.sleep(PAUSE)
                continue
            id = said.strip().splitlines()[-1].partition(";")[0] if said.strip() else ""
            if not id.isdigit():
                raise HostError(f"sbatch answers {said[:80]!r} where a job's number was expected")
            return id
        raise AssertionError("the last try returns or raises")

    def _arrived(self, mark: str) -> str:
        """The id of the submission with this comment, if the queue has it."""
        try:
            text = calls.call(_queue_words(), calls.QUERY_SECONDS)
        except (HostError, Unreachable):
            return ""
        return next((base for base, _, _, comment, _ in calls.rows_of_queue(text) if comment == mark), "")

    def _smaller(self, size: int, error: SampanError) -> int:
        """The size of arrays that the site takes, if that was what `sbatch` refused; else 0."""
        if "array" not in error.sentence.lower() or isinstance(error, Unreachable):
            return 0
        allowed = calls.array_size(self._configuration())
        return allowed if 0 < allowed < size else 0

    def _configuration(self) -> str:
        if self._config is None:
            try:
                self._config = calls.call(["scontrol", "show", "config"], calls.QUERY_SECONDS)
            except (HostError, Unreachable):
                return ""
        return self._config

    def _partly(self, error: SampanError, submitted: int, total: int) -> SampanError:
        if submitted:
            error.about(f"only {submitted} of {total} jobs were submitted")
        return error

    def poll(self, jobs: Mapping[str, str]) -> dict[str, State]:
        """One `squeue`; files only of jobs that do not wait."""
        if not jobs:
            return {}
        try:
            rows = calls.by_id(calls.call(_queue_words(), calls.QUERY_SECONDS))
        except (HostError, Unreachable) as error:
            return {id: self._unanswered(path, error) for id, path in jobs.items()}
        waiting = {reason: State("queued", "" if reason in USUAL else reason) for reason in {row.reason for row in rows.values()}}
        found: dict[str, State] = {}
        gone: dict[str, tuple[str, Row | None]] = {}
        for id, path in jobs.items():
            row = rows.get(id)
            if row is not None and row.state in WAITS:
                found[id] = waiting[row.reason]
                continue
            ended = directories.status_of(path)
            if ended is not None:
                found[id] = ended.as_state
            elif row is not None and row.state in RUNS:
                found[id] = State("running")
            else:
                gone[id] = (path, row)
        found.update(self._left(gone))
        return found

    def _unanswered(self, path: str, error: SampanError) -> State:
        ended = directories.status_of(path)
        return ended.as_state if ended is not None else State("unknown", error.sentence)

    def _left(self, gone: Mapping[str, tuple[str, Row | None]]) -> dict[str, State]:
        """Jobs that have left the queue and have no status."""
        found = {}
        missing = [id for id, (path, row) in gone.items() if row is None and _is_older(path, 0.0)]
        known = self._accounted(missing)
        for id, (path, row) in gone.items():
            claim = directories.claim_of(path)
            if row is None and claim is not None and directories.is_running(path, claim):
                found[id] = State("running", "Slurm does not know it any more, but it gives signs of life")
            elif not os.path.isdir(path):
                found[id] = State("lost", "its directory is gone")
            elif row is not None and row.state == "CANCELLED" and claim is None:
                found[id] = conclude(path, row)  # no worker was ever started
            elif not _is_older(path, self._grace):
                found[id] = State(
                    "running" if claim is not None else "queued", "it has left the queue, and its status is awaited"
                )
            else:
                found[id] = conclude(path, row or known.get(id))
        return found

    def _accounted(self, ids: list[str]) -> dict[str, Row]:
        """What the accounting knows of jobs that the queue has forgotten; nothing where it is off."""
        if not ids or not calls.has_accounting(self._configuration()):
            return {}
        bases = ",".join(sorted({id.partition("_")[0] for id in ids}))
        try:
            return calls.by_accounting(
                calls.call(["sacct", "-n", "-P", "-X", "-j", bases, "-o", "JobID,State,ExitCode"], calls.QUERY_SECONDS)
            )
        except (HostError, Unreachable):
            return {}

    def cancel(self, jobs: Mapping[str, str]) -> None:
        """Jobs that have not begun end here and now; the others are told by Slurm, and by the file in their directory."""
        left = {id: path for id, path in jobs.items() if directories.status_of(path) is None}
        for path in left.values():
            directories.request_cancel(path)
            work.give_up(path, "it was cancelled before it began")
        tasks: dict[str, list[int]] = {}
        for id in left:
            base, _, task = id.partition("_")
            tasks.setdefault(base, []).extend([int(task)] if task.isdigit() else [])
        words = [f"{base}_[{calls.compressed(numbers)}]" if numbers else base for base, numbers in tasks.items()]
        for at in range(0, len(words), 100):
            try:
                calls.call(["scancel", *words[at : at + 100]], calls.QUERY_SECONDS)
            except Unreachable as error:
                raise error.about("the jobs are marked as cancelled, but Slurm could not be told") from error
            except HostError as error:
                if "invalid job id" not in error.sentence.lower() and "already completing" not in error.sentence.lower():
                    raise

    def _known_bounds(self) -> Bounds:
        """What sbatch itself may take and never start (it cuts numbers to 16 bits); nothing where it cannot be asked."""
        try:
            return self.bounds()
        except (HostError, Unreachable):
            return Bounds(gpus=-1)

    def bounds(self) -> Bounds:
        """The largest node, and the longest time of a partition."""
        cpus, memory, gpus, seconds = calls.bounds_of(calls.call(["sinfo", "-h", "-o", "%c|%m|%G|%l"], calls.QUERY_SECONDS))
        return Bounds(cpus, memory << 20, gpus, seconds)


def checked(options: Sequence[str]) -> tuple[str, ...]:
    """Words for `sbatch` that do not take from us what we decide. Raises `UsageError`."""
    for word in options:
        name = word.lstrip("-").partition("=")[0]
        if not word.startswith("-") or "\0" in word:
            raise UsageError(f"{word!r} is not an option of sbatch", "write --NAME=VALUE")
        if name in OURS:
            raise UsageError(f"sbatch's option {word.partition('=')[0]} is set by sampan", "limits of the job say what it needs")
    return tuple(options)


def conclude(path: str, row: Row | None) -> State:
    """The status of a job whose worker has left none, by what the batch system says; it is written down."""
    found = _concluded(row)
    work.close(path, found)
    return found.as_state


def _concluded(row: Row | None) -> Status:
    state = row.state if row is not None else ""
    told = by_exit(row.exit) if row is not None and row.exit else None
    if state == "TIMEOUT":
        return Status("failed", phases.OVER_TIME, phases.RUN, cause="Slurm ended it at its time limit", hint="ask for more time")
    if state == "OUT_OF_MEMORY":
        return Status(
            "failed",
            phases.OVER_MEMORY,
            phases.RUN,
            cause="Slurm ended it for taking more memory than it may",
            hint="ask for more memory",
        )
    if state == "CANCELLED":
        reason = row.reason if row is not None and row.reason not in USUAL else ""
        cause = (
            "what had to be done before it did not end well" if reason.startswith("Dependency") else "it was cancelled in Slurm"
        )
        return Status("cancelled", phases.CANCELLED, cause=cause)
    if told is not None and told.word != "done":
        return Status(told.word, told.code or phases.DEFECT, told.phase, cause=f"{told.cause}; its worker could not write more")
    what = f"Slurm says {state}" if state else "Slurm does not know it any more"
    return Status(
        "lost", phases.DEFECT, cause=f"its worker left no status; {what}", hint="its file `log` may say more; submit it again"
    )


def _queue_words() -> list[str]:
    # Jobs that have ended stay in the queue for a while (MinJobAge): their state is told without any accounting.
    return ["squeue", "-h", "--me", "-t", "all", "-o", calls.QUEUE_FORMAT]


def _is_older(path: str, seconds: float) -> bool:
    """Whether the job was seen to be gone so long ago. The first look is noted in the directory, for other processes."""
    place = f"{path}/.gone"
    try:
        os.listdir(path)  # a network file system asks its server again
        first = os.stat(place).st_mtime
    except FileNotFoundError:
        try:
            os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError:
            pass
        return seconds <= 0
    except OSError:
        return False
    return time.time() - first >= seconds
