"""Signs of life, and the way in for who wants a job to end: one thread beside all jobs of a process.

It writes the heartbeat of each, looks for the file `cancel`, and ends a payload that takes more memory than it may where no
control group sees to that.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from typing import TYPE_CHECKING

from sampan.jobs import directory as directories
from sampan.jobs.phases import CANCELLED, OVER_MEMORY, Failed
from sampan.jobs.status import now
from sampan.runtime import life

if TYPE_CHECKING:
    from sampan.container.record import Record

LOOK_SECONDS = 0.5
MEMORY_SECONDS = 1.0
# Whoever ends a worker waits a few seconds only.
ENDED_GRACE = 3.0


class Beat:
    """One job as the pulse sees it. The payload is the watcher's pid while it runs."""

    def __init__(self, path: str, every: float, grace: float) -> None:
        self._path = path
        self._grace = grace
        self._every = every
        self._next = time.monotonic() + every
        self._lock = threading.Lock()
        self._pid = 0
        self._record: Record | None = None
        self._memory = 0
        self._measure = 0.0
        self._kill_at = 0.0
        self.phase = ""
        self.end: Failed | None = None  # why the payload was ended by us

    def check(self) -> None:
        """Raises `Failed` once the job is to end."""
        if self.end is not None:
            raise self.end

    def runs(self, pid: int, record: Record, memory: int) -> None:
        """The payload runs; `memory` in bytes is to be watched, 0 for none."""
        with self._lock:
            self._pid, self._record, self._memory = pid, record, memory
        if self.end is not None:  # it came between the last look and the start
            self._signal(signal.SIGKILL)

    def ended(self) -> None:
        """The payload has ended, and is about to be waited for."""
        with self._lock:
            self._pid, self._record = 0, None

    def cancel(self, cause: str, grace: float | None = None) -> None:
        """End the job: SIGTERM to the payload, everything after `grace` seconds (default: what the job was made with)."""
        if directories.is_cancelled(self._path):
            cause = "it was cancelled"
        self._stop(Failed(CANCELLED, cause, phase=self.phase), self._grace if grace is None else min(grace, self._grace))

    def _stop(self, why: Failed, grace: float) -> None:
        if self.end is None:
            self.end = why
            self._kill_at = time.monotonic() + grace
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        with self._lock:
            if self._pid:
                os.kill(self._pid, number)

    def tick(self, moment: float) -> None:
        """Look after it."""
        if self._kill_at and moment >= self._kill_at:
            self._signal(signal.SIGKILL)
        if self.end is None and directories.is_cancelled(self._path):
            self.cancel("")
        if self._memory and self._pid and moment >= self._measure:
            self._measure = moment + MEMORY_SECONDS
            self._watch_memory()
        if moment >= self._next:
            self._next = moment + self._every
            self.beat()

    def _watch_memory(self) -> None:
        record = self._record
        used = life.usage(record).memory if record is not None else 0
        if used > self._memory:
            self._stop(
                Failed(OVER_MEMORY, f"it took {used} bytes of memory, and its limit is {self._memory}", "ask for more"), 0.0
            )
            self._signal(signal.SIGKILL)

    def beat(self) -> None:
        """Write the heartbeat; a file system that is full or gone shows in other ways."""
        record = self._record
        used = life.usage(record) if record is not None else None
        document: dict[str, object] = {"time": now(), "phase": self.phase}
        if used is not None:
            document.update(cpu=round(used.seconds, 3), memory=used.memory, processes=used.processes)
        try:
            with open(f"{self._path}/heartbeat", "wb", buffering=0, opener=_private) as stream:
                stream.write(json.dumps(document).encode("ascii") + b"\n")
        except OSError:
            return


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


class Pulse:
    """The thread; started with the first job."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._beats: set[Beat] = set()
        self._thread: threading.Thread | None = None

    def add(self, beat: Beat) -> None:
        """Look after a job from now on."""
        with self._lock:
            self._beats.add(beat)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
                self._thread.start()

    def remove(self, beat: Beat) -> None:
        """It is over."""
        with self._lock:
            self._beats.discard(beat)

    def cancel_all(self, cause: str) -> None:
        """End every job soon: this process is being ended itself."""
        with self._lock:
            beats = list(self._beats)
        for beat in beats:
            beat.cancel(cause, ENDED_GRACE)

    def _run(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            with self._lock:
                beats = list(self._beats)
            for beat in beats:
                try:
                    beat.tick(time.monotonic())
                except (OSError, ValueError):
                    continue  # a process that has just gone
