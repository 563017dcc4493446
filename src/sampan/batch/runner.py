"""The runner of local jobs: one process that runs all of them, for as long as there are any.

Theory of operation. It is started by whoever submits first, leaves that session at once, and holds the lock of the queue. Jobs are
run by threads, as many as may run at once; each does what a worker on a node does (`jobs.work`), without an interpreter for every job, under the
settings that came with the submission (what the runner was started with counts for no job). A payload
lives no longer than the thread that started it, so a runner that is killed takes all payloads along: their jobs are `lost`, those that
wait are taken up by the next runner. SIGTERM ends the running jobs as cancelled and leaves the waiting ones in the queue.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from sampan import settings
from sampan.batch.local import gpus, processors
from sampan.batch.queue import Queue
from sampan.batch.slots import Capacity, Slots
from sampan.errors import SampanError
from sampan.host import memory
from sampan.host.kernel import node
from sampan.jobs import directory as directories
from sampan.jobs import phases, work
from sampan.jobs.payload import Kills
from sampan.jobs.pulse import Pulse
from sampan.jobs.status import Status
from sampan.runtime.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from sampan.batch.slots import Taken

LOOK_SECONDS = 0.1
LINGER_SECONDS = 0.5


class Runner:
    """Threads that take jobs from `slots`, and the main thread, which adds to them."""

    def __init__(self, queue: Queue, workers: Workers, slots: Slots) -> None:
        self._queue = queue
        self._workers = workers
        self._slots = slots
        self._change = threading.Condition()
        self._idle = 0
        self._busy = 0
        self.is_ending = False

    def run(self) -> None:
        """Until there has been nothing to do for a while, or an end was asked for."""
        since = time.monotonic()
        while True:
            with self._change:
                self._look()
                if self.is_ending and not self._busy:
                    return
                if not self._slots.is_idle:
                    since = time.monotonic()
                    self._staff()
                elif time.monotonic() - since > LINGER_SECONDS:
                    return
                # What waits for other jobs is looked at again.
                self._change.notify()
            time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        """Add new submissions."""
        for name in self._queue.names():
            if not self._slots.knows(name):
                entry = self._queue.entry(name)
                if entry is not None and entry.jobs:
                    self._slots.add(entry)
                else:
                    self._queue.remove(name)

    def _staff(self) -> None:
        """A thread more, if a job could start and nobody is there to do it."""
        while not self._idle and not self.is_ending:
            taken = self._slots.next()
            if taken is None:
                return
            self._busy += 1
            threading.Thread(target=self._work, args=(taken,), daemon=True).start()

    def _work(self, taken: Taken | None) -> None:
        """One thread: job after job, for ever."""
        while True:
            if taken is not None:
                self._do(taken)
            with self._change:
                if taken is not None:
                    self._busy -= 1
                    if self._slots.ended(taken):
                        self._queue.remove(taken.entry)
                taken = None if self.is_ending else self._slots.next()
                if taken is None:
                    self._idle += 1
                    self._change.wait()
                    self._idle -= 1
                    taken = None if self.is_ending else self._slots.next()
                if taken is not None:
                    self._busy += 1
                    self._change.notify()  # its end may have made room for more than one

    def _do(self, taken: Taken) -> None:
        if directories.claim_of(taken.job.path) is not None:
            return  # a runner before this one had it, or it was cancelled
        if taken.is_refused:
            work.give_up(taken.job.path, "what had to be done before it did not end well")
            return
        try:
            worker = self._workers.of(taken.settings)
        except SampanError as error:
            cause = f"the settings of its submission do not hold here: {error.sentence}"
            work.close(
                taken.job.path, Status("failed", phases.BAD_NODE, phases.PREPARE, cause=cause, hint=error.hint or "", node=node())
            )
            return
        more = {"CUDA_VISIBLE_DEVICES": ",".join(taken.gpus)} if taken.job.gpus else {}
        worker.do(taken.job.path, more)


class Workers:
    """One worker for each set of settings; for many threads."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._kills = Kills()
        self._known: dict[str, work.Worker] = {}
        self._lock = threading.Lock()

    def of(self, document: Mapping[str, object]) -> work.Worker:
        """The worker of these settings. Raises what opening a store raises, and `BadSetting`."""
        key = json.dumps(document, sort_keys=True)
        with self._lock:
            found = self._known.get(key)
            if found is None:
                session = Session(settings.of_document(dict(document), "the submission"))
                found = self._known[key] = work.Worker(session, self._pulse, self._kills)
            return found


def outcome(paths: tuple[str, ...]) -> bool | None:
    """Whether all jobs in these directories are done; `None` as long as one goes on and none has failed."""
    states = [directories.state_of(path) for path in paths]
    if any(state.has_ended and state.word != "done" for state in states):
        return False
    return True if all(state.word == "done" for state in states) else None


def main(words: list[str]) -> None:
    """Run the jobs of the queue `words[0]`. The process that was started ends as soon as its child has begun."""
    queue = Queue(words[0])
    if os.fork():
        os._exit(0)
    lock = queue.lock()
    if lock is None:
        os._exit(0)
    pulse = Pulse()
    workers = Workers(pulse)
    while True:
        capacity = Capacity(processors(), memory.total(), gpus())
        runner = Runner(queue, workers, Slots(capacity, outcome))

        def end(number: int, _: FrameType | None, runner: Runner = runner) -> None:
            runner.is_ending = True
            pulse.cancel_all(f"the runner of local jobs was ended by {signal.Signals(number).name}")

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, end)
        runner.run()
        os.close(lock)
        # A submission that came since the last look found the lock held.
        if runner.is_ending or not queue.names():
            break
        lock = queue.lock()
        if lock is None:
            break
    sys.stdout.flush()
    os._exit(0)
