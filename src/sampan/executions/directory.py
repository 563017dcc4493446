"""Executions in a directory, safe against kills, with many readers and writers.

```
<root>/<id>/execution.json   the record; written with its directory, never changed
            descriptor.json  the application's descriptor, byte for byte
            ledger           one JSON object a line: attempts begun and ended
            lock             held while jobs are handed over
            jobs/<job>/<attempt>/   job directories (docs/design/jobs.md)
<root>/.new-*                what is being made or removed
```

A new execution appears by a rename. The ledger is only appended to, one `write` for all entries of a call, beginning and ending with
a line end: whatever a kill cut off is a line that is no JSON, which readers leave out, and never spoils the next one. Entries merge
in any order (`model.merge`), so there is no lock for them.
"""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.errors import CorruptRecord, HostError, NameInUse, NoSpace, StoreError, UsageError, printable
from sampan.events import SILENT_NOTICE
from sampan.executions import model
from sampan.executions.contract import Executions
from sampan.layers import removal
from sampan.store import locks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sampan.executions.model import Entry, Execution, Job

_NEW = ".new-"
_LEFT_OVER = 24 * 3600
"""Seconds after which nobody works any more on what has a name that begins so."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DirectoryExecutions(Executions):
    """Executions below `root`, which is made when the first one is added."""

    def __init__(self, root: str) -> None:
        self.root = root

    def add(self, execution: Execution, descriptor: bytes) -> None:
        """Everything under a name of its own, on the disk, then one rename."""
        new = os.path.join(self.root, f"{_NEW}{os.urandom(8).hex()}")
        goal = os.path.join(self.root, execution.id)
        try:
            os.makedirs(self.root, 0o700, exist_ok=True)
            os.mkdir(new, 0o700)
            os.mkdir(f"{new}/jobs", 0o700)
            _write(f"{new}/descriptor.json", descriptor)
            _write(f"{new}/ledger", b"")
            _write(f"{new}/execution.json", json.dumps(model.document(execution), indent=1).encode("ascii") + b"\n")
            os.rename(new, goal)
            _sync(self.root)
        except OSError as error:
            self._sweep(new)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and os.path.isdir(goal):
                raise NameInUse(f"there is an execution {execution.id} already") from error
            raise _failure(f"cannot keep the execution in {self.root}", error) from error

    def get(self, id: str) -> Execution:
        """Read the record."""
        place = os.path.join(self.root, id, "execution.json")
        try:
            found = json.loads(self._read(id, "execution.json"))
        except ValueError as error:
            raise CorruptRecord(f"the record {printable(place)} is damaged: {error}", "remove its directory") from error
        return model.from_document(found, printable(place))

    def descriptor(self, id: str) -> bytes:
        """Read the file."""
        return self._read(id, "descriptor.json")

    def ids(self) -> list[str]:
        """Ids begin with their time, so their order is that of names."""
        try:
            names = os.listdir(self.root)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise _failure(f"cannot read the executions in {self.root}", error) from error
        return sorted((name for name in names if not name.startswith(".")), reverse=True)

    def record(self, id: str, entries: Iterable[Entry]) -> None:
        """One write for all; a file system that takes only a part of it is tried again for the rest."""
        data = "".join(f"\n{json.dumps(model.entry_line(entry))}\n" for entry in entries).encode("ascii")
        try:
            descriptor = os.open(os.path.join(self.root, id, "ledger"), os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise _failure(f"cannot write the ledger of execution {id}", error) from error

    def jobs(self, id: str) -> tuple[Job, ...]:
        """Read the whole ledger: 10,000 jobs are a few MB."""
        entries = (model.entry_from(_parsed(line)) for line in self._read(id, "ledger").split(b"\n") if line)
        return model.jobs_of(self.get(id).size, (entry for entry in entries if entry is not None))

    def place(self, id: str, job: int, attempt: int) -> str:
        """Below the execution's own directory."""
        return os.path.join(self.root, id, "jobs", str(job), str(attempt))

    @contextmanager
    def handing_over(self, id: str) -> Iterator[None]:
        """A lock on a file, where the file system has locks."""
        self._read(id, "execution.json")  # so that a lock makes no directory of nothing
        with locks.Lock(os.path.join(self.root, id, "lock"), SILENT_NOTICE, ""):
            yield

    def remove(self, id: str) -> None:
        """Out of sight by one rename, then piece by piece; what killed processes left goes along."""
        gone = os.path.join(self.root, f"{_NEW}{os.urandom(8).hex()}")
        try:
            os.rename(os.path.join(self.root, id), gone)
            self._sweep(gone)
        except FileNotFoundError as error:
            raise _missing(id) from error
        except OSError as error:
            raise _failure(f"cannot remove execution {id}", error) from error
        for name in os.listdir(self.root):
            if name.startswith(_NEW) and _age(os.path.join(self.root, name)) > _LEFT_OVER:
                self._sweep(os.path.join(self.root, name))

    def _sweep(self, path: str) -> None:
        """Remove what has a name of its own; what cannot be removed is in nobody's way."""
        try:
            parent = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            removal.remove(parent, os.path.basename(path))
        except OSError:
            pass
        finally:
            os.close(parent)

    def _read(self, id: str, name: str) -> bytes:
        try:
            with open(os.path.join(self.root, id, name), "rb") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _missing(id) from error
        except OSError as error:
            raise _failure(f"cannot read {name} of execution {printable(id)}", error) from error


def _age(path: str) -> float:
    try:
        return time.time() - os.lstat(path).st_mtime
    except OSError:
        return 0.0


def _missing(id: str) -> UsageError:
    return UsageError(f"there is no execution {printable(id)}", "see `sampan job list`")


def _failure(what: str, error: OSError) -> HostError:
    if error.errno in _FULL:
        return NoSpace(f"{what}: {error.strerror}", "remove executions that are not needed with `sampan job clean`")
    return StoreError(f"{what}: {error.strerror}", "set SAMPAN_EXECUTIONS to a directory that you can write")


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _write(path: str, data: bytes) -> None:
    with open(path, "xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
