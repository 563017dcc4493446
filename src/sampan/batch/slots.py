"""Which job starts next: processors, memory and GPUs that are free, in the order of submission. No I/O but looking at what has to be done before.

A job that does not fit holds back all behind it, or large ones would never start; one whose submission has as many jobs running
as it may, or waits for others, does not.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.batch.queue import Entry, Waiting


@dataclass
class Capacity:
    """What is free."""

    cpus: int
    memory: int
    gpus: list[str]


@dataclass
class _Line:
    """A submission with what is left of it."""

    entry: Entry
    left: deque[Waiting]
    running: int = 0
    is_ready: bool = False


@dataclass(frozen=True)
class Taken:
    """A job that is to be started, of which entry, under whose settings, with the GPUs it gets. `is_refused`: what had to be done before
    did not end well.
    """

    job: Waiting
    entry: str
    settings: Mapping[str, object] = field(default_factory=dict)
    gpus: tuple[str, ...] = ()
    is_refused: bool = False


@dataclass
class Slots:
    """The state of a runner. `outcome` says how the jobs in directories ended: `True` well, `False` not, `None` they go on."""

    free: Capacity
    outcome: Callable[[tuple[str, ...]], bool | None]
    _lines: dict[str, _Line] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        """A new submission, behind all others."""
        self._lines[entry.name] = _Line(entry, deque(entry.jobs), is_ready=not entry.after)

    def knows(self, name: str) -> bool:
        """Whether an entry was added and is not done."""
        return name in self._lines

    def next(self) -> Taken | None:
        """The job that starts now; `None` if none can."""
        for line in self._lines.values():
            if not line.left or (line.entry.at_once and line.running >= line.entry.at_once):
                continue
            if not line.is_ready:
                ended = self.outcome(line.entry.after)
                if ended is None:
                    continue
                if not ended:
                    line.running += 1
                    return Taken(line.left.popleft(), line.entry.name, line.entry.settings, is_refused=True)
                line.is_ready = True
            job = line.left[0]
            if job.cpus > self.free.cpus or job.memory > self.free.memory or job.gpus > len(self.free.gpus):
                return None
            line.left.popleft()
            line.running += 1
            self.free.cpus -= job.cpus
            self.free.memory -= job.memory
            given, self.free.gpus = tuple(self.free.gpus[: job.gpus]), self.free.gpus[job.gpus :]
            return Taken(job, line.entry.name, line.entry.settings, given)
        return None

    def ended(self, taken: Taken) -> bool:
        """A job is over; whether it was the last of its submission, which is forgotten then."""
        line = self._lines[taken.entry]
        line.running -= 1
        if not taken.is_refused:
            self.free.cpus += taken.job.cpus
            self.free.memory += taken.job.memory
            self.free.gpus += taken.gpus
        if line.left or line.running:
            return False
        del self._lines[taken.entry]
        return True

    @property
    def is_idle(self) -> bool:
        """Nothing waits and nothing runs."""
        return not self._lines
