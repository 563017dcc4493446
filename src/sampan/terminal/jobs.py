"""The jobs of an execution as a person follows them: a live table on a terminal, lines elsewhere, or events for programs.

A view is told all jobs and those that changed; it never asks for anything itself. The table is drawn once a second at most, however
many jobs change, and only as many rows as the terminal has.
"""

from __future__ import annotations

import calendar
import json
import shutil
import sys
import time
from typing import TYPE_CHECKING

from sampan.executions import states
from sampan.terminal import output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.live import Live
    from rich.table import Table

    from sampan.executions.model import Entry, Execution, Job

_URGENT = (
    states.RUNNING,
    states.STAGING,
    states.UNKNOWN,
    states.FAILED,
    states.QUEUED,
    states.WAITING,
    states.CANCELLED,
    states.FINISHED,
)
_STYLES = {
    states.RUNNING: "blue", states.STAGING: "blue", states.FINISHED: "green", states.FAILED: "red", states.UNKNOWN: "yellow",
    states.QUEUED: "cyan", states.WAITING: "bright_black", states.CANCELLED: "bright_black",
}  # fmt: skip
INTERVAL = 10.0
FIRST_FAILURES = 5


class View:
    """Shows nothing: what `--quiet` means, and the base of the others."""

    def show(self, jobs: Sequence[Job], changed: Sequence[Job]) -> None:
        """All jobs, and those that changed since the last call."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Lines(View):
    """A line every ten seconds while jobs change; a line for each failure at once, as long as others go on."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._next = time.monotonic() + INTERVAL
        self._said = ""

    def show(self, jobs: Sequence[Job], changed: Sequence[Job]) -> None:
        """Failures first, then the sentence; when all have ended, whoever waited says all of it."""
        counts = states.count(job.state for job in jobs)
        if states.is_over(counts):
            return
        for job in changed:
            if job.state == states.FAILED:
                output.talk(f"sampan: {failure(self._execution, job)}")
        sentence = states.sentence(counts)
        now = time.monotonic()
        if sentence != self._said and now >= self._next:
            self._said, self._next = sentence, now + INTERVAL
            output.talk(f"sampan: {sentence}")


class Events(View):
    """One JSON object a line on standard output: a job that changed, and the counts."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def show(self, jobs: Sequence[Job], changed: Sequence[Job]) -> None:
        """An event a change, then one for the execution."""
        for job in changed:
            self._say("job", **entry_document(self._execution, job, job.last))
        counts = states.count(job.state for job in jobs)
        self._say("execution", state=states.overall(counts), counts=counts)

    def _say(self, event: str, **fields: object) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        output.result(json.dumps({"event": event, "time": moment, "execution": self._execution.id, **fields}) + "\n")


class Board(View):
    """A table that is drawn again and again on standard error, and taken away at the end."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._jobs: Sequence[Job] = ()
        self._live: Live | None = None

    def show(self, jobs: Sequence[Job], changed: Sequence[Job]) -> None:  # noqa: ARG002 - all are drawn
        """Draw what is there now from the next second on."""
        self._jobs = jobs
        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, highlight=False)
            self._live = Live(get_renderable=self._drawn, console=console, refresh_per_second=1, transient=True)
            self._live.start()

    def _drawn(self) -> Table:
        from rich.table import Table

        rows = max(shutil.get_terminal_size().lines - 5, 3)
        ordered = sorted(self._jobs, key=lambda job: (_URGENT.index(job.state), job.number))
        table = Table(box=None, pad_edge=False, caption_justify="left", expand=True)
        for head in ("JOB", "STATE", "TIME", "NODE", "WHAT"):
            table.add_column(head, no_wrap=True, overflow="ellipsis")
        for job in ordered[:rows]:
            last = job.last
            what = last.cause if last.state == states.FAILED else self._execution.label(job.number)
            number = f"{job.number}" + (f" (attempt {last.attempt})" if last.attempt > 1 else "")
            table.add_row(
                number, f"{states.MARKS[last.state]} {last.state}", took(last), last.node, what, style=_STYLES[last.state]
            )
        more = f", {len(ordered) - rows} more jobs not shown" if len(ordered) > rows else ""
        table.caption = states.sentence(states.count(job.state for job in self._jobs)) + more
        return table

    def close(self) -> None:
        """Take the table away."""
        if self._live is not None:
            self._live.stop()
            self._live = None


def view_for(execution: Execution, *, events: bool, quiet: bool) -> View:
    """What fits: events if asked for, nothing if quiet, a table on a terminal, lines elsewhere."""
    if events:
        return Events(execution)
    if quiet:
        return View()
    return Board(execution) if sys.stderr.isatty() else Lines(execution)


def took(entry: Entry) -> str:
    """How long an attempt took, or has taken so far."""
    begin, end = _seconds(entry.started), _seconds(entry.ended)
    if begin is None:
        return ""
    return output.duration(max((time.time() if end is None else end) - begin, 0.0))


def _seconds(moment: str) -> float | None:
    try:
        fraction = moment[19:].rstrip("Z") or "0"
        return calendar.timegm(time.strptime(moment[:19], "%Y-%m-%dT%H:%M:%S")) + float(fraction)
    except ValueError:
        return None


def failure(execution: Execution, job: Job) -> str:
    """`job 2 (t1=b.nii) failed in phase run, exit status 3: the program ended with status 3`."""
    last = job.last
    label = execution.label(job.number)
    phase = f" in phase {last.phase}" if last.phase else ""
    exit = f", exit status {last.exit}" if last.exit is not None else ""
    cause = f": {last.cause}" if last.cause else ""
    return f"job {job.number}{f' ({label})' if label else ''} {last.state}{phase}{exit}{cause}"


def failures(
    execution: Execution, jobs: Sequence[Job], last_lines: Callable[[Job], list[str]], explain: Callable[[int], str]
) -> str:
    """The first failed jobs, each with its cause, what the application says about its exit status, a hint, and its last lines."""
    failed = [job for job in jobs if job.state == states.FAILED]
    blocks = []
    for job in failed[:FIRST_FAILURES]:
        lines = [failure(execution, job)]
        words = explain(job.last.exit) if job.last.exit is not None else ""
        lines += [f"  {words}"] if words else []
        lines += [f"  hint: {job.last.hint}"] if job.last.hint else []
        lines += [f"  | {line}" for line in last_lines(job)]
        blocks.append("\n".join(lines) + "\n")
    if len(failed) > FIRST_FAILURES:
        blocks.append(f"and {len(failed) - FIRST_FAILURES} more\n")
    return "".join(blocks)


def entry_document(execution: Execution, job: Job, entry: Entry) -> dict[str, object]:
    """An attempt for programs."""
    return {
        "job": job.number,
        "attempt": entry.attempt,
        "state": entry.state,
        "values": execution.iteration.at(job.number - 1),
        "phase": entry.phase or None,
        "code": entry.code,
        "exit": entry.exit,
        "cause": entry.cause or None,
        "hint": entry.hint or None,
        "node": entry.node or None,
        "started": entry.started or None,
        "ended": entry.ended or None,
        "processor_seconds": entry.seconds,
        "memory": entry.memory,
    }
