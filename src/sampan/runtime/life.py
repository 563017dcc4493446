"""The life of containers that are kept: stop, kill, pause, wait, and what runs in them. On the start-up path of `sampan exec`."""

from __future__ import annotations

import os
import time

from sampan.container import limits, shelf, state, stay
from sampan.errors import ContainerNotFound, ContainerRunning, HostError, UsageError
from sampan.host import processes
from sampan.runtime.images import config_of

TYPE_CHECKING = False  # `typing` and `dataclasses` cost what an `exec` may take
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.container.record import Record
    from sampan.container.state import Process
    from sampan.runtime.session import Session

POLL = 0.02
PAUSES = 20
"""How often `pause` stops a container whose processes could not all stop."""


def here(record: Record) -> Process:
    """Who runs a container on this node. Raises `ContainerNotFound` if nobody does, `ContainerRunning` if it runs elsewhere."""
    process = state.runner(record.directory)
    name = record.name or record.id[:12]
    if process is None:
        raise ContainerNotFound(f"the container {name} does not run", f"start it with `sampan start {name}`")
    if process.is_elsewhere():
        raise ContainerRunning(
            f"the container {name} runs on {process.node}, out of reach from {os.uname().nodename}",
            f"do it there: ssh {process.node}",
        )
    return process


def stop(record: Record, seconds: float | None = None, session: Session | None = None) -> None:
    """Ask the payload to end, and end everything after `seconds` (default: what the container was made with, else 10).

    Nothing happens if it does not run. Raises `ContainerRunning` if it runs on another node.
    """
    if state.runner(record.directory) is None:
        return
    process = here(record)
    request = record.request
    if seconds is None:
        seconds = limits.parse_seconds(request.stop_timeout, "--stop-timeout") if request.stop_timeout else stay.STOP_SECONDS
    if seconds > 0:
        image_signal = config_of(record.image, session).stop_signal if session is not None and request.stop_signal is None else ""
        _send(process, stay.signal_number(request.stop_signal or image_signal or "TERM"))
        resume(record)
        if _until(lambda: state.runner(record.directory) is None, seconds):
            return
    kill_all(record)


def kill_all(record: Record) -> None:
    """SIGKILL to everything of a container that runs here, and wait until it is gone."""
    found = [state.inside(record.directory), state.watcher(record.directory), state.started_by(record.directory)]
    members = inside(record)
    for process in found:
        if process is not None and process.is_alive():
            _send(process, stay.SIGNALS["KILL"])
            # The watcher notes the end when the payload has died; it is killed only if it does not.
            _until(lambda: state.runner(record.directory) is None, 2)
    for pid in members:
        _signal(pid, stay.SIGNALS["KILL"])
    if not _until(lambda: state.runner(record.directory) is None, 10):
        raise HostError(
            f"the container {record.name or record.id[:12]} does not end, even by SIGKILL", "its file system may hang"
        )


def kill(record: Record, signal: str) -> None:
    """Send a signal to the payload. Raises `ContainerNotFound`, `UsageError`."""
    number = stay.signal_number(signal)
    process = here(record)
    if number == stay.SIGNALS["KILL"]:
        kill_all(record)
    else:
        _send(process, number)


def pause(record: Record) -> None:
    """Stop every process of the container until `resume`."""
    here(record)
    for _ in range(PAUSES):
        if _stop_all(record):
            return
        # One that waits for its child to execute a program (vfork(2)) cannot stop, if the child was stopped before that.
        resume(record)
        time.sleep(POLL)
    _stop_all(record)


def _stop_all(record: Record) -> bool:
    """Whether all of them stood still soon: a signal is delivered when the process runs next."""
    stopped: set[int] = set()
    # Processes that are made meanwhile are found in the next round.
    while new := [pid for pid in inside(record) if pid not in stopped]:
        for pid in new:
            _signal(pid, stay.SIGNALS["STOP"])
            stopped.add(pid)
    return _until(lambda: all(processes.state_of(pid) in ("T", "Z", "") for pid in stopped), 0.2)


def resume(record: Record) -> None:
    """Let the processes of a container go on."""
    for pid in inside(record):
        _signal(pid, stay.SIGNALS["CONT"])


def inside(record: Record) -> list[int]:
    """The pids, as this node sees them, of all processes of a container that runs here; the watcher is not one."""
    first = state.inside(record.directory)
    if first is None or not first.is_alive():
        return []
    if processes.launcher(first.pid) == "proot":
        return [pid for pid in processes.own_pids() if _is_traced_in(record, pid, first.pid)]
    first = state.payload(record.directory) or first
    namespace = processes.namespace(first.pid, "mnt")
    if not namespace:
        return [first.pid]  # it may not be looked into, as an agent for keys; others that may not are not its own for that
    if namespace == processes.namespace(os.getpid(), "mnt"):
        label = processes.intercepted(first.pid)
        return [pid for pid in processes.own_pids() if processes.intercepted(pid) == label] if label else [first.pid]
    return [pid for pid in processes.own_pids() if processes.namespace(pid, "mnt") == namespace]


def _is_traced_in(record: Record, pid: int, proot: int) -> bool:
    """Whether a process is watched by a container's PRoot, or by another one that brought it in later."""
    tracer = processes.tracer(pid)
    return tracer == proot or (tracer > 0 and processes.environment(pid).get("SAMPAN_CONTAINER") == record.id[:12])


def wait(record: Record) -> int:
    """Wait until the container does not run; its exit status, 0 where nobody has seen it."""
    while state.runner(record.directory) is not None:
        time.sleep(POLL)
    status = state.of(record.directory).status
    return status if status is not None else 0


def rename(record: Record, name: str, session: Session) -> None:
    """Give a container another name. Raises `NameInUse`, `UsageError`."""
    shelf.check_name(name)
    shelf.rename(session.store, record, name)


class Usage:
    """What a container uses: processor seconds, resident bytes (shared pages counted once a process), processes."""

    __slots__ = ("memory", "processes", "seconds")

    def __init__(self, seconds: float, memory: int, processes: int) -> None:
        self.seconds = seconds
        self.memory = memory
        self.processes = processes


def usage(record: Record) -> Usage:
    """The sum over its processes now."""
    pids = inside(record)
    found = [processes.resources(pid) for pid in pids]
    return Usage(sum(one.seconds for one in found), sum(one.memory for one in found), len(pids))


def _send(process: Process, number: int) -> None:
    if process.is_alive():
        _signal(process.pid, number)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise UsageError(f"process {pid} of the container belongs to another user") from error


def _until(done: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() >= end:
            return False
        time.sleep(POLL)
    return True
