"""What the jobs of an execution do now, until all have ended; and cancelling them.

The ledger has what ended before. For the rest the back-end is asked once for all, and where it says that a job ended, the job's own
status tells how; that goes into the ledger, so nobody has to look again. Readers may be many: they find the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sampan import batch
from sampan.errors import NoSpace, SampanError, StoreError
from sampan.executions import states
from sampan.executions.model import Entry, Job
from sampan.jobs import directory, phases
from sampan.jobs.status import State

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.executions.contract import Executions
    from sampan.executions.model import Execution
    from sampan.jobs.status import Status
    from sampan.runtime.session import Session

_WORDS = {
    "created": states.WAITING,
    "submitted": states.QUEUED,
    "queued": states.QUEUED,
    "running": states.RUNNING,
    "done": states.FINISHED,
    "failed": states.FAILED,
    "cancelled": states.CANCELLED,
    "lost": states.FAILED,
    "unknown": states.UNKNOWN,
}
_PAUSES = {"local": (0.1, 0.5), "slurm": (1.0, 10.0)}
"""Seconds between two looks, the first and the longest, by back-end."""
_UNKNOWN = (1.0, 10.0)
_SHARE = 8
"""Looking takes at most one part of so many of the time: with thousands of jobs on this machine it is theirs."""
_STAGING = (phases.STAGE_IN, phases.IMAGE, phases.STAGE_OUT)


class Follower:
    """Looks at one execution again and again, with one back-end."""

    def __init__(self, executions: Executions, execution: Execution, session: Session) -> None:
        self._executions = executions
        self.execution = execution
        self._session = session
        self._back_end: batch.Backend | None = None

    def look(self) -> tuple[Job, ...]:
        """All jobs as they are now. Raises `StoreError`; a back-end that does not answer leaves its jobs unknown.

        Where the ledger cannot be written, what ended is found in the directories again the next time.
        """
        jobs = self._executions.jobs(self.execution.id)
        found = self._observed([job for job in jobs if job.state not in states.ENDED])
        found.update(self._late([job for job in jobs if job.last.lost]))
        ended = [entry for entry in found.values() if entry.state in states.ENDED]
        if ended:
            try:
                self._executions.record(self.execution.id, ended)
            except (NoSpace, StoreError) as error:
                self._session.notice.debug(error.sentence)
        return tuple(_with(job, found.get(job.number)) for job in jobs)

    def _late(self, lost: Sequence[Job]) -> dict[int, Entry]:
        """What lost jobs have said about themselves since: a status may come late over a slow file system."""
        found = {}
        for job in lost:
            status = directory.status_of(self._place(job))
            if status is not None and status.state != "lost":
                found[job.number] = ended(Entry(job.number, job.last.attempt), status)
        return found

    def _place(self, job: Job) -> str:
        return self._executions.place(self.execution.id, job.number, job.last.attempt)

    def _handle(self, job: Job) -> str:
        """The back-end's id: in the ledger, or, if a launch was killed behind its submission, in the directory alone."""
        if job.last.handle:
            return job.last.handle
        handed = directory.submitted(self._place(job))
        return "" if handed is None else handed[1]

    def _observed(self, live: Sequence[Job]) -> dict[int, Entry]:
        handed = {handle: job for job in live if (handle := self._handle(job))}
        places = {handle: self._place(job) for handle, job in handed.items()}
        found = {}
        for handle, state in self._poll(places).items():
            last = handed[handle].last
            found[last.job] = _entry(Entry(last.job, last.attempt), state, places[handle])
        return found

    def _poll(self, ids: dict[str, str]) -> dict[str, State]:
        if not ids:
            return {}
        try:
            return self.back_end.poll(ids)
        except SampanError as error:
            self._session.notice.debug(f"the back-end does not answer: {error.sentence}")
            return {id: State("unknown", error.sentence) for id in ids}

    @property
    def back_end(self) -> batch.Backend:
        """The execution's back-end, opened when it is first needed. Raises `UsageError`, `HostError`."""
        if self._back_end is None:
            self._back_end = batch.open_backend(self.execution.settings.back_end, self._session)
        return self._back_end

    def watch(self) -> Iterator[tuple[tuple[Job, ...], tuple[Job, ...]]]:
        """All jobs, and those that changed since the last time, whenever some did; ends when all have ended."""
        pause, longest = _PAUSES.get(self.execution.settings.back_end, _UNKNOWN)
        before: dict[int, Entry] = {}
        while True:
            begin = time.monotonic()
            jobs = self.look()
            took = time.monotonic() - begin
            changed = tuple(job for job in jobs if before.get(job.number) != job.last)
            before.update((job.number, job.last) for job in changed)
            if changed:
                yield jobs, changed
            if all(job.state in states.ENDED for job in jobs):
                return
            self._sleep(jobs, max(pause, took * _SHARE))
            pause = min(pause * 1.3, longest)

    def _sleep(self, jobs: Sequence[Job], seconds: float) -> None:
        """A pause, but not beyond the end of the job that is likely to be the last one: a thousand jobs are looked at seldom."""
        last = next(job for job in reversed(jobs) if job.state not in states.ENDED)
        step = _PAUSES.get(self.execution.settings.back_end, _UNKNOWN)[0]
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            time.sleep(min(step, rest))
            if rest > step and directory.status_of(self._place(last)) is not None:
                return

    def cancel(self, jobs: Sequence[Job]) -> int:
        """Ask for the end of those that have not ended; how many. Those that no back-end has are cancelled at once."""
        going = [job for job in jobs if job.state not in states.ENDED]
        self.end(going)
        never = [job for job in going if not self._handle(job)]
        cause = "cancelled before it was handed over"
        if never:
            entries = (Entry(job.number, job.last.attempt, states.CANCELLED, cause=cause) for job in never)
            self._executions.record(self.execution.id, entries)
        return len(going)

    def end(self, jobs: Sequence[Job]) -> tuple[int, ...]:
        """Ask for the end of what a back-end has of these jobs and has not ended; their numbers. Nothing is written into the ledger."""
        handed = {handle: job for job in jobs if job.state not in states.ENDED and (handle := self._handle(job))}
        if handed:
            self.back_end.cancel({handle: self._place(job) for handle, job in handed.items()})
        return tuple(job.number for job in handed.values())


def _with(job: Job, entry: Entry | None) -> Job:
    return job if entry is None else Job(job.number, (*job.attempts[:-1], entry))


def _entry(blank: Entry, state: State, place: str) -> Entry:
    word = _WORDS.get(state.word, states.UNKNOWN)
    if word in states.ENDED:
        status = directory.status_of(place)
        if status is not None and status.state != "lost":
            return ended(blank, status)
        return Entry(
            blank.job,
            blank.attempt,
            word,
            state.phase,
            state.code,
            cause=state.cause or _no_word(word),
            lost=state.word == "lost",
        )
    node, began = "", ""
    if word == states.RUNNING:
        word = states.STAGING if state.phase in _STAGING else word
        claim = directory.claim_of(place) or {}
        node, began = str(claim.get("node", "")), str(claim.get("claimed", ""))
    return Entry(blank.job, blank.attempt, word, state.phase, cause=state.cause, node=node, started=began)


def _no_word(word: str) -> str:
    return "the back-end says nothing more" if word == states.FAILED else ""


def ended(blank: Entry, status: Status) -> Entry:
    """The entry of an attempt that left a status."""
    return Entry(
        blank.job,
        blank.attempt,
        _WORDS[status.state],
        status.phase,
        status.code,
        status.exit,
        status.cause,
        status.hint,
        status.node,
        status.claimed,
        status.finished,
        status.seconds,
        status.memory,
    )
