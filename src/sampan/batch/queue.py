"""The queue of local jobs: a directory with one file for each submission, and a lock that is held by the runner.

Theory of operation. A submission is written whole under another name and renamed; its name begins with the time, so they are
in order. Then whoever submits looks whether the lock is held; if not, a runner is started. The runner, before it ends, gives
the lock back and looks at the directory once more: a submission that came between its last look and that moment is seen
either by the runner or by the one who submitted. A submission is removed when all its jobs have been taken up, so what a
killed runner leaves is found again; what was claimed by then is not run a second time.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sampan.errors import HostError
from sampan.jobs import directory as directories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.jobs.spec import Limits

FORMAT = 1


@dataclass(frozen=True)
class Waiting:
    """A job that waits."""

    id: str
    path: str
    cpus: int
    memory: int
    gpus: int

    @classmethod
    def of(cls, id: str, path: str, limits: Limits) -> Waiting:
        """One with these limits."""
        return cls(id, path, limits.cpus, limits.memory, limits.gpus)


@dataclass(frozen=True)
class Entry:
    """A submission: `at_once` of its jobs may run together (0: as many as fit), when the directories in `after` have ended well.

    `settings`: those of whoever submits, as their document.
    """

    name: str
    jobs: tuple[Waiting, ...]
    after: tuple[str, ...]
    at_once: int
    settings: Mapping[str, object] = field(default_factory=dict)


class Queue:
    """The directory; made where it is missing."""

    def __init__(self, path: str) -> None:
        self.path = path

    def make(self) -> None:
        """Raises `HostError`."""
        try:
            os.makedirs(f"{self.path}/queue", 0o700, exist_ok=True)
        except OSError as error:
            raise directories.refused(f"cannot make the queue of jobs {self.path}", error) from error

    def new_name(self) -> str:
        """One that sorts behind all earlier ones."""
        return f"{time.time_ns():016x}{os.urandom(3).hex()}"

    def add(self, entry: Entry) -> None:
        """Raises `HostError`."""
        document = {
            "format": FORMAT,
            "jobs": [[one.id, one.path, one.cpus, one.memory, one.gpus] for one in entry.jobs],
            "after": entry.after,
            "at_once": entry.at_once,
            "settings": dict(entry.settings),
        }
        path = f"{self.path}/queue/{entry.name}"
        directories.replace(f"{path}.json", json.dumps(document).encode("ascii"))

    def remove(self, name: str) -> None:
        """All jobs of an entry have been taken up."""
        try:
            os.unlink(f"{self.path}/queue/{name}.json")
        except FileNotFoundError:
            return

    def has(self, name: str) -> bool:
        """Whether jobs of this entry may still wait."""
        return os.path.exists(f"{self.path}/queue/{name}.json")

    def names(self) -> list[str]:
        """All entries, oldest first."""
        try:
            return sorted(name[: -len(".json")] for name in os.listdir(f"{self.path}/queue") if name.endswith(".json"))
        except FileNotFoundError:
            return []

    def entry(self, name: str) -> Entry | None:
        """`None` if it is gone or damaged."""
        try:
            found = directories.load(f"{self.path}/queue/{name}.json")
            jobs = tuple(
                Waiting(str(id), str(path), int(cpus), int(memory), int(gpus)) for id, path, cpus, memory, gpus in found["jobs"]
            )
            return Entry(name, jobs, tuple(map(str, found["after"])), int(found["at_once"]), dict(found["settings"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def lock(self) -> int | None:
        """The lock as a descriptor to keep open; `None` if somebody has it. Raises `HostError` where nothing can be locked."""
        path = f"{self.path}/lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise directories.refused(f"cannot open {path}", error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError as error:
            os.close(descriptor)
            raise HostError(
                f"cannot lock {path}: {error.strerror}", "open the back-end with a `directory` on a local disk of this machine"
            ) from error
        return descriptor
