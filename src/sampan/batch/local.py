"""The back-end `local`: this machine's own processors. A runner of ours outlives whoever submits (`runner.py`, `queue.py`)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from sampan.batch.base import Backend, Bounds, Submission, read_all
from sampan.batch.queue import Entry, Queue, Waiting
from sampan.errors import HostError, UsageError
from sampan.host import kernel, memory
from sampan.jobs import directory as directories
from sampan.jobs import work
from sampan.jobs.status import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.runtime.session import Session

START_SECONDS = 30.0


class Local(Backend):
    """`slots`: how many jobs may run at once (0: as many as there are processors); `directory`: where the queue lies."""

    name = "local"

    def __init__(self, session: Session, slots: int = 0, directory: str = "") -> None:
        super().__init__(session)
        if slots < 0:
            raise UsageError("a number of jobs at once cannot be below 0")
        self._slots = slots
        # One for each node: its lock and its processes are the node's.
        self._queue = Queue(os.path.abspath(directory or f"{session.store.path}-batch/{kernel.node()}"))

    def submit(self, jobs: Sequence[str], submission: Submission = Submission()) -> list[str]:  # noqa: B008 - a frozen value
        """Put the jobs into the queue, and see that a runner is there."""
        if submission.options:
            raise UsageError("the back-end local has no options of its own", "leave them out")
        paths = [os.path.abspath(path) for path in jobs]
        found = read_all(paths, self.bounds(), self.name)
        if not paths:
            return []
        self._queue.make()
        runner = self._runner()  # it gets ready while the jobs are noted
        name = self._queue.new_name()
        ids = [f"{name}.{number}" for number in range(len(paths))]
        waiting = tuple(Waiting.of(id, path, job.limits) for id, path, job in zip(ids, paths, found))
        for id, path in zip(ids, paths):
            directories.note_submission(path, self.name, id)
        at_once = min((number for number in (submission.at_once, self._slots) if number), default=0)
        after = tuple(os.path.abspath(path) for path in submission.after.values())
        self._queue.add(Entry(name, waiting, after, at_once, self.session.settings.document()))
        self._ready(runner)
        self._ready(self._runner())  # one that had nothing to do for long has ended
        return ids

    def poll(self, jobs: Mapping[str, str]) -> dict[str, State]:
        """From the directories; a runner that is gone and has left jobs is started again."""
        waits: dict[str, bool] = {}
        found = {}
        for id, path in jobs.items():
            state = directories.state_of(path)
            if state.word in ("submitted", "created"):
                entry = id.partition(".")[0]
                if entry not in waits:
                    waits[entry] = self._queue.has(entry)
                state = State("queued") if waits[entry] else self._gone(path)
            found[id] = state
        if any(waits.values()):
            self._ready(self._runner())
        return found

    def _gone(self, path: str) -> State:
        """It is in no queue: it may have been taken up since we looked."""
        state = directories.state_of(path)
        return State("lost", "it is not in the queue any more") if state.word in ("submitted", "created") else state

    def cancel(self, jobs: Mapping[str, str]) -> None:
        """Jobs that wait end here and now, those that run within a second."""
        for path in jobs.values():
            if directories.status_of(path) is None:
                directories.request_cancel(path)
                work.give_up(path, "it was cancelled before it began")

    def bounds(self) -> Bounds:
        """All of this machine."""
        return Bounds(cpus=processors(), memory=memory.total(), gpus=len(gpus()))

    def _runner(self) -> subprocess.Popen[bytes] | None:
        """Start a runner, unless there is one. Raises `HostError`."""
        lock = self._queue.lock()
        if lock is None:
            return None
        os.close(lock)
        try:
            with open(f"{self._queue.path}/log", "ab") as log:
                return subprocess.Popen(
                    [*work.program("--runner"), self._queue.path], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            raise self._no_runner(error) from error

    def _ready(self, started: subprocess.Popen[bytes] | None) -> None:
        """Wait until a runner that was started is on its own. Raises `HostError`."""
        if started is None:
            return
        try:
            code = started.wait(START_SECONDS)
        except subprocess.TimeoutExpired as error:
            started.kill()
            started.wait()
            raise self._no_runner(error) from error
        if code:
            raise HostError(f"the runner of local jobs ended with {code}", f"{self._queue.path}/log says why")

    def _no_runner(self, error: Exception) -> HostError:
        return HostError(f"the runner of local jobs cannot be started: {error}", f"{self._queue.path}/log may say more")


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0))


def gpus() -> list[str]:
    """Numbers of the GPUs of this machine, as their device files have them."""
    try:
        names = os.listdir("/dev")
    except OSError:
        return []
    return sorted(
        (name[len("nvidia") :] for name in names if name.startswith("nvidia") and name[len("nvidia") :].isdigit()), key=int
    )
