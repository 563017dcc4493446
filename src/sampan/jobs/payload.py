"""The run phase: the payload with its watcher, from the plan to how it ended and why."""

from __future__ import annotations

import os
import resource
import signal
import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sampan.container import limits, stay
from sampan.container.mounts import Bind
from sampan.errors import HostError, SampanError
from sampan.host import memory
from sampan.jobs import phases, verdict
from sampan.jobs.phases import Failed
from sampan.jobs.status import now
from sampan.runtime import watched

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from sampan.container.record import ContainerImage
    from sampan.container.request import Request
    from sampan.jobs.pulse import Beat
    from sampan.jobs.spec import Job
    from sampan.jobs.stage_in import Brought
    from sampan.jobs.verdict import Ended
    from sampan.runtime.session import Session


@dataclass(frozen=True)
class Place:
    """Where a job runs: its directory, its working directory on this node, what was brought, and the node's variables."""

    directory: str
    work: str
    brought: Brought
    environment: Mapping[bytes, bytes]


def grace_of(job: Job) -> float:
    """Seconds between the signal that asks the payload to end and the one that ends it."""
    text = job.request.stop_timeout
    return limits.parse_seconds(text, "stop_timeout") if text is not None else stay.STOP_SECONDS


def request_of(job: Job) -> Request:
    """What is asked of the container: the job's request, and what every job adds."""
    request, bounds = job.request, job.limits
    added: dict[str, object] = {"no_health": True}
    if request.workdir is None:
        added["workdir"] = job.directory
    if bounds.time and request.timeout is None:
        added["timeout"] = f"{bounds.time:.3f}"
    if bounds.memory and request.memory is None:
        added.update(memory=str(bounds.memory), limit_mode="advisory")
    return request.but(**added)


class Kills:
    """Whether the kernel has ended a process of this node's job for want of memory since it was last asked; for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = memory.kills()

    def have_risen(self) -> bool:
        """Since the last time."""
        with self._lock:
            before, self._count = self._count, memory.kills()
            return self._count > before


@dataclass(frozen=True)
class Node:
    """What all payloads of a process share."""

    starter: watched.Starter
    kills: Kills


def run(job: Job, place: Place, image: ContainerImage, node: Node, session: Session, beat: Beat) -> Ended:
    """Start the payload, wait for its end. Raises `Failed` where it could not be started."""
    binds: tuple[Bind, ...] = (Bind(place.work, job.directory), *place.brought.binds)
    try:
        decided = node.starter.decide(request_of(job), image, place.directory, binds)
    except SampanError as error:
        raise _undecided(error) from error
    for warning in decided.plan.warnings:
        if not warning.startswith("--memory is advice only"):  # the pulse watches it instead
            session.notice.warn(warning)
    with ExitStack() as stack:
        streams = _streams(job, place, stack)
        beat.check()
        try:
            pid = watched.spawn(decided, streams, place.environment)
        except HostError as error:
            raise Failed(phases.NOT_STARTED, error.sentence, error.hint) from error
    beat.runs(pid, decided.record, job.limits.memory if not decided.plan.cgroup else 0)
    found = _wait(pid, place, beat)
    for left in watched.left_behind(decided):
        _kill(left)
    was_killed = found.signal == signal.SIGKILL or found.exit == 128 + signal.SIGKILL
    by_memory = was_killed and (node.kills.have_risen() or bool(decided.plan.cgroup))
    return replace(found, failure=beat.end or verdict.why(found, job, place.directory, by_memory=by_memory))


def _undecided(error: SampanError) -> Failed:
    is_node = isinstance(error, HostError)
    return Failed(
        phases.BAD_NODE if is_node else phases.NOT_STARTED, f"the program cannot be started: {error.sentence}", error.hint
    )


def _streams(job: Job, place: Place, stack: ExitStack) -> tuple[int, int, int]:
    """stdin, stdout and stderr of the payload. Raises `Failed`."""

    def opened(path: str, mode: str) -> int:
        stream: BinaryIO = open(path, mode, buffering=0, opener=_private)  # type: ignore[assignment]
        stack.enter_context(stream)
        return stream.fileno()

    try:
        return (
            opened(_stdin(job, place), "rb"),
            opened(f"{place.directory}/stdout", "ab"),
            opened(f"{place.directory}/stderr", "ab"),
        )
    except OSError as error:
        code = phases.INPUT_MISSING if job.stdin and error.filename == _stdin(job, place) else phases.BAD_JOB
        raise Failed(code, f"cannot open {error.filename}: {error.strerror}") from error


def _stdin(job: Job, place: Place) -> str:
    if not job.stdin:
        return os.devnull
    target = f"{job.directory}/{job.stdin}"
    bound = [bind.source for bind in place.brought.binds if bind.target == target]
    return bound[0] if bound else f"{place.work}/{job.stdin}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOCTTY, 0o600)


def _wait(pid: int, place: Place, beat: Beat) -> Ended:
    """Until the watcher ends. The pulse forgets its pid before the pid can be given to another."""
    begun = now()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    beat.ended()
    _, status, used = os.wait4(pid, 0)
    # A process that was spawned counts the memory of its spawner until it executes: less than ours says nothing.
    peak = used.ru_maxrss if used.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss else 0
    found = verdict.ended(place.directory, os.waitstatus_to_exitcode(status), begun)
    return replace(found, seconds=round(used.ru_utime + used.ru_stime, 3), memory=peak * 1024)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
