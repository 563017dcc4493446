"""`sampan job wait` and `sampan job logs`: following jobs while they run."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from sampan.apps import launch as apps_launch
from sampan.apps import load
from sampan.container.limits import parse_count
from sampan.errors import UsageError
from sampan.executions import launch, retry, states
from sampan.executions.follow import Follower
from sampan.jobs import directory, phases
from sampan.terminal import jobs as views
from sampan.terminal import output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cli.context import Context
    from sampan.executions.contract import Executions
    from sampan.executions.model import Execution, Job
    from sampan.options.table import Parsed

PARTIAL = 1
_TAIL_PAUSE = 0.2


def wait(parsed: Parsed, context: Context) -> int:
    """The sentence of each execution on standard output, unless events go there."""
    executions = launch.kept(context.session())
    found = [executions.find(word) for word in parsed.texts("execution")]
    return max(follow(execution, context, events=parsed.flag("json"), retries=retries(parsed)) for execution in found)


def retries(parsed: Parsed) -> int:
    """The number of --retries, where a command has it."""
    text = parsed.text("retries") if "retries" in parsed.values else None
    return 0 if text is None else parse_count(text, "--retries")


def follow(execution: Execution, context: Context, *, events: bool = False, retries: int = 0) -> int:
    """Show the jobs until all have ended, and print the sentence; 0 if all finished, 1 otherwise."""
    jobs = followed(execution, context, events=events, retries=retries)
    if not events:
        output.result(f"{execution.id}: {states.sentence(states.count(job.state for job in jobs))}\n")
    return 0 if all(job.state == states.FINISHED for job in jobs) else PARTIAL


def followed(execution: Execution, context: Context, *, events: bool = False, retries: int = 0) -> tuple[Job, ...]:
    """The jobs, when all have ended; what is under way and why jobs failed is shown meanwhile."""
    session = context.session()
    executions = launch.kept(session)
    handed = launch.hand_over(executions, execution, session)
    if handed:
        context.notice.say(f"an interrupted launch left {handed} jobs, which were handed over now")
    context.progress.stop()
    jobs = _watched(executions, execution, context, (events, retries))
    if context.level:
        text = views.failures(execution, jobs, last_lines(executions, execution), explained(executions, execution))
        for line in text.splitlines():
            output.talk(line)
    return jobs


def _watched(executions: Executions, execution: Execution, context: Context, how: tuple[bool, int]) -> tuple[Job, ...]:
    """The jobs when all have ended; those whose failure may pass are tried again as often as `how` says."""
    events, retries = how
    follower = Follower(executions, execution, context.session())
    view = views.view_for(execution, events=events, quiet=context.level == 0)
    jobs: tuple[Job, ...] = ()
    try:
        while True:
            for jobs, changed in follower.watch():
                view.show(jobs, changed)
            again = [
                job
                for job in jobs
                if job.state == states.FAILED and job.last.attempt <= retries and phases.may_pass(job.last.code)
            ]
            if not again:
                return jobs
            retry.retry(executions, execution, again, None, context.session())
    except KeyboardInterrupt:
        view.close()
        context.notice.say(f"the jobs go on; `sampan job wait {execution.id}` follows them again, `sampan job cancel` ends them")
        raise
    finally:
        view.close()


def last_lines(executions: Executions, execution: Execution) -> Callable[[Job], list[str]]:
    """What a job wrote last: its standard error, else its standard output."""

    def found(job: Job) -> list[str]:
        place = executions.place(execution.id, job.number, job.last.attempt)
        for stream in ("stderr", "stdout"):
            lines = directory.last_lines(place, stream)
            if lines:
                return lines
        return []

    return found


def explained(executions: Executions, execution: Execution) -> Callable[[int], str]:
    """What the application says about an exit status."""
    application = load.read(executions.descriptor(execution.id), f"execution {execution.id}")
    return lambda status: apps_launch.explain(application, status)


def logs(parsed: Parsed, context: Context) -> int:
    """Both streams of a job, each to its own."""
    session = context.session()
    executions = launch.kept(session)
    execution = executions.find(str(parsed.values["execution"]))
    number = chosen(execution, parsed.text("job"))
    job = executions.jobs(execution.id)[number - 1]
    text = parsed.text("attempt")
    attempt = job.last.attempt if text is None else parse_count(text, "--attempt")
    if attempt not in [entry.attempt for entry in job.attempts]:
        raise UsageError(f"job {number} has no attempt {attempt}", f"it has {len(job.attempts)}")
    place = executions.place(execution.id, number, attempt)
    tail = parsed.text("tail") or "all"
    lines = None if tail == "all" else 0 if tail == "0" else parse_count(tail, "--tail")
    tails = [_Tail(f"{place}/log", sys.stdout, lines)] if parsed.flag("log") else []
    tails = tails or [_Tail(f"{place}/stdout", sys.stdout, lines), _Tail(f"{place}/stderr", sys.stderr, lines)]
    follower = Follower(executions, execution, session)
    while True:
        over = not parsed.flag("follow") or attempt != job.last.attempt or follower.look()[number - 1].state in states.ENDED
        for one in tails:
            one.read()
        if over:
            return 0
        time.sleep(_TAIL_PAUSE)


def chosen(execution: Execution, text: str | None) -> int:
    """The number of a job; the only one if none is named. Raises `UsageError`."""
    if text is None:
        if execution.size > 1:
            raise UsageError(f"execution {execution.id} has {execution.size} jobs", "say which one by its number")
        return 1
    return numbers(execution, [text])[0]


def numbers(execution: Execution, words: Sequence[str]) -> list[int]:
    """The jobs that words like `3` and `3-7` name. Raises `UsageError`."""
    found: list[int] = []
    for word in words:
        first, dash, last = word.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UsageError(f"{word!r} is no number of a job", "write 3 or 3-7")
        begin, end = int(first), int(last or first)
        if not 1 <= begin <= end <= execution.size:
            raise UsageError(f"execution {execution.id} has jobs 1 to {execution.size}, not {word}")
        found += range(begin, end + 1)
    return found


class _Tail:
    """A file that grows: each `read` passes on what is new."""

    def __init__(self, path: str, stream: object, lines: int | None) -> None:
        self._path = path
        self._stream = stream
        self._lines = lines
        self._offset = 0

    def read(self) -> None:
        """Nothing as long as the file is not there."""
        try:
            with open(self._path, "rb") as file:
                if self._lines is not None:
                    self._offset = _begin_of_tail(file.fileno(), self._lines)
                    self._lines = None
                file.seek(self._offset)
                for piece in iter(lambda: file.read(1 << 20), b""):
                    self._offset += len(piece)
                    self._stream.buffer.write(piece)  # type: ignore[attr-defined]
        except FileNotFoundError:
            return
        self._stream.buffer.flush()  # type: ignore[attr-defined]


def _begin_of_tail(descriptor: int, lines: int) -> int:
    """Where the last lines of a file begin, read from its end: a log of a gigabyte is not read for ten lines."""
    end = os.fstat(descriptor).st_size
    if end == 0 or lines == 0:
        return end
    # The end of the last line is none that begins another one.
    left = lines + (os.pread(descriptor, 1, end - 1) == b"\n")
    position = end
    while position > 0:
        begin = max(position - (64 << 10), 0)
        piece = os.pread(descriptor, position - begin, begin)
        at = len(piece)
        while left:
            at = piece.rfind(b"\n", 0, at)
            if at < 0:
                break
            left -= 1
        if not left:
            return begin + at + 1
        position = begin
    return 0
