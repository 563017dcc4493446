"""Whether a container runs, and how it ended: from the files that starter and watcher leave in its directory. On the start-up path.

    running   who started it: pid, start time, boot, node; the payload keeps the pid where nobody stays
    payload   the watcher's word of the process inside and of itself; a detached container's starter is gone by then
    exit      the watcher's word of the end
    health    the watcher's word of the last check
    borrowed  who has the root of a container mounted that does not run, for `cp`

Boot id, pid and start time tell a live process from a dead one whose number was given out again. A process of another
node cannot be seen from here, so what it runs counts as running there.
"""

from __future__ import annotations

import os

from sampan.host import kernel, processes
from sampan.store import records


class Process:
    """One process of one boot of one node."""

    __slots__ = ("boot", "node", "pid", "start")

    def __init__(self, pid: int, start: int, boot: str, node: str) -> None:
        self.pid = pid
        self.start = start
        self.boot = boot
        self.node = node

    @classmethod
    def here(cls) -> Process:
        """This process, which is going to be the payload or its watcher."""
        pid = os.getpid()
        return cls(pid, processes.start_time(pid) or 0, kernel.boot_id(), kernel.node())

    def is_elsewhere(self) -> bool:
        """On another node, where it cannot be seen."""
        return self.node != kernel.node()

    def is_alive(self) -> bool:
        """Whether it runs on this node."""
        return not self.is_elsewhere() and self.boot == kernel.boot_id() and processes.start_time(self.pid) == self.start

    def document(self) -> dict[str, object]:
        """The record."""
        return {"format": records.FORMAT, "pid": self.pid, "start": self.start, "boot": self.boot, "node": self.node}


def started_by(directory: str) -> Process | None:
    """What the file `running` says; `None` if the container was never started. Raises `CorruptRecord`."""
    path = f"{directory}/running"
    document = records.read(path)
    return None if document is None else _process(document, document, path)


def borrower(directory: str) -> Process | None:
    """Who uses the files of a container that does not run, here or on another node; `None` if nobody does. Raises `CorruptRecord`."""
    path = f"{directory}/borrowed"
    document = records.read(path)
    found = None if document is None else _process(document, document, path)
    return found if found is not None and (found.is_alive() or found.is_elsewhere()) else None


def inside(directory: str) -> Process | None:
    """A process inside: the init or the payload, by the watcher's word, else the starter that has become the payload."""
    path = f"{directory}/payload"
    document = records.read(path)
    return started_by(directory) if document is None else _process(document, document, path)


def payload(directory: str) -> Process | None:
    """As `inside`, but where another program stands between watcher and payload (PRoot, runc), what that has started."""
    found = inside(directory)
    if found is None or not found.is_alive() or not processes.launcher(found.pid):
        return found
    pid = next(iter(processes.children(found.pid)), found.pid)
    return Process(pid, processes.start_time(pid) or 0, found.boot, found.node)


def watcher(directory: str) -> Process | None:
    """Who watches; `None` without a watcher."""
    path = f"{directory}/payload"
    document = records.read(path)
    own = None if document is None else document.get("watcher")
    if document is None or own is None:
        return None
    if not isinstance(own, dict):
        raise records.corrupt(path, "watcher is no process")
    return _process(own, document, path)


def _process(numbers: dict[str, object], words: dict[str, object], path: str) -> Process:
    pid, start = (records.number_of(numbers, name, path) for name in ("pid", "start"))
    return Process(pid, start, records.text_of(words, "boot", path), records.text_of(words, "node", path))


def runner(directory: str) -> Process | None:
    """Who runs the container now, on this node or another; `None` if nobody does. Raises `CorruptRecord`."""
    if os.path.exists(f"{directory}/exit") and watcher(directory) is not None:
        ended = _exit_of(directory)
        if ended is not None:
            return None
    for process in (watcher(directory), inside(directory), started_by(directory)):
        if process is not None and (process.is_alive() or process.is_elsewhere()):
            return process
    return None


def _exit_of(directory: str) -> dict[str, object] | None:
    """The watcher's word of the end, if it is of the last run and not of an earlier one."""
    document, last = records.read(f"{directory}/exit"), records.read(f"{directory}/payload")
    if document is None or (
        last is not None and (document.get("pid"), document.get("start")) != (last.get("pid"), last.get("start"))
    ):
        return None
    return document


_MARKS = frozenset(("running", "payload", "exit", "health", "borrowed"))


class State:
    """What a person is told: `word` is `created`, `running`, `paused`, `exited` or `running on NODE`."""

    __slots__ = ("exit", "health", "process", "word")

    def __init__(self, word: str, process: Process | None, exit: dict[str, object] | None, health: str) -> None:
        self.word = word
        self.process = process
        self.exit = exit
        self.health = health

    @property
    def runs(self) -> bool:
        """Here or elsewhere."""
        return self.process is not None

    @property
    def status(self) -> int | None:
        """The exit status, where a watcher has seen it."""
        value = None if self.exit is None else self.exit.get("status")
        return value if isinstance(value, int) else None

    @property
    def words(self) -> str:
        """For lists: `running (healthy)`, `exited (3)`, `exited`."""
        if self.runs:
            return f"{self.word} ({self.health})" if self.health else self.word
        return f"{self.word} ({self.status})" if self.status is not None else self.word


def of(directory: str) -> State:
    """The state of the container in a directory. Raises `CorruptRecord`."""
    try:
        if _MARKS.isdisjoint(os.listdir(directory)):  # one call instead of six that find nothing, for each of a list
            return State("created", None, None, "")
    except OSError:
        pass  # it is going just now
    process = runner(directory)
    if process is not None:
        word = f"running on {process.node}" if process.is_elsewhere() else _word(directory)
        health = records.read(f"{directory}/health")
        return State(word, process, None, str(health.get("status", "")) if health else "")
    return State("exited" if os.path.exists(f"{directory}/running") else "created", None, _exit_of(directory), "")


def _word(directory: str) -> str:
    found = inside(directory)
    return "paused" if found is not None and processes.is_stopped(found.pid) else "running"
