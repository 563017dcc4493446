"""Progress as bars on a terminal, as a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from sampan.events import Progress, Task
from sampan.terminal import output

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

INTERVAL = 10.0


def for_stderr(*, quiet: bool) -> LineProgress | BarProgress:
    """What fits standard error: bars on a terminal, lines elsewhere, nothing with --quiet."""
    if quiet:
        return LineProgress(silent=True)
    return BarProgress() if sys.stderr.isatty() else LineProgress()


class LineTask(Task):
    """Counts; the progress it belongs to prints."""

    def __init__(self, owner: LineProgress, label: str, total: int | None, unit: str) -> None:
        self.owner = owner
        self.label = label
        self.total = total
        self.unit = unit
        self.count = 0

    def advance(self, amount: int) -> None:
        """`amount` more; a line if the last one is ten seconds old."""
        self.count += amount
        self.owner.tick()

    def done(self, note: str = "") -> None:
        """The task no longer counts among those under way."""
        self.owner.finish(self, note)


class LineProgress(Progress):
    """One line every ten seconds about all that is under way; nothing at all for work shorter than that."""

    def __init__(self, *, silent: bool = False) -> None:
        self._silent = silent
        self._lock = threading.Lock()
        self._tasks: list[LineTask] = []
        self._next = time.monotonic() + INTERVAL

    def begin(self, label: str, total: int | None = None, unit: str = "bytes") -> LineTask:
        """Announce work."""
        task = LineTask(self, label, total, unit)
        with self._lock:
            self._tasks.append(task)
        return task

    def tick(self) -> None:
        """Print the line if it is time."""
        now = time.monotonic()
        if self._silent or now < self._next:
            return
        with self._lock:
            if now < self._next:
                return
            self._next = now + INTERVAL
            words = [f"{task.label} {_amount(task)}" for task in self._tasks]
        output.talk("sampan: " + ", ".join(words))

    def finish(self, task: LineTask, _note: str) -> None:
        """Forget a task."""
        with self._lock:
            if task in self._tasks:
                self._tasks.remove(task)

    def stop(self) -> None:
        """Nothing is left to clean up."""


def _amount(task: LineTask) -> str:
    text = output.size if task.unit == "bytes" else str
    done = text(task.count)
    return f"{done} of {text(task.total)}" if task.total else done


class BarTask(Task):
    """A row of the bars."""

    def __init__(self, bars: Bars, row: TaskID) -> None:
        self._bars = bars
        self._row = row

    def advance(self, amount: int) -> None:
        """`amount` more."""
        self._bars.advance(self._row, amount)

    def done(self, note: str = "") -> None:  # noqa: ARG002 - the contract
        """Remove the row; a note is not shown, the result says it."""
        self._bars.remove_task(self._row)


class BarProgress(Progress):
    """rich's bars with bytes, rate and remaining time."""

    def __init__(self) -> None:
        self._bars: Bars | None = None

    def begin(self, label: str, total: int | None = None, unit: str = "bytes") -> Task:
        """A new row; the bars appear with the first."""
        if self._bars is None:
            self._bars = self._start()
        description = label if unit == "bytes" else f"{label} ({unit})"
        return BarTask(self._bars, self._bars.add_task(description, total=total))

    @staticmethod
    def _start() -> Bars:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

        bars = Progress(
            TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        bars.start()
        return bars

    def stop(self) -> None:
        """Take the bars away."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None
