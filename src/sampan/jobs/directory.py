"""The directory of a job: made by who launches, filled by the node, read by everybody (docs/design/jobs.md).

Safe on a shared file system: what is to be true at once appears by a rename or by O_EXCL, and what is only added to is read
up to its last whole line.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections import deque
from typing import TYPE_CHECKING, Any

from sampan.container import state as processes
from sampan.errors import HostError, NoSpace, UsageError, printable
from sampan.host import kernel
from sampan.jobs import spec, status, transfer
from sampan.jobs.status import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.jobs.spec import Job
    from sampan.jobs.status import Status

MAX_RECORD = 64 << 20
STALE_BEATS = 4
TRAVELS = ("job.json", "inputs")


def create(path: str, job: Job, files: Mapping[str, bytes | str] | None = None, *, apart: bool = False) -> None:
    """Make the directory. `files`: name in `inputs/` -> its bytes, or the path of a file, which is linked or copied.

    `apart`: always copied, so that who changes the file later does not change the job's.

    Raises `UsageError` if there is something at `path`, `NoSpace`, `HostError`; then nothing of it stays.
    """
    raw = json.dumps(job.document(), separators=(",", ":"), ensure_ascii=True).encode("ascii")
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        raise UsageError(f"{path} is there already", "a job needs a directory of its own") from None
    except OSError as error:
        raise refused(f"cannot make the job {path}", error) from error
    try:
        if files:
            os.mkdir(f"{path}/inputs", 0o700)
        for name, content in (files or {}).items():
            place = f"{path}/inputs/{_file_name(name)}"
            if isinstance(content, bytes):
                write_new(place, content)
            else:
                _bring(content, place, _copy_file if apart else _link_or_copy)
        write_new(f"{path}/job.json", raw)
    except OSError as error:
        transfer.remove(path)
        raise refused(f"cannot make the job {path}", error) from error
    except BaseException:
        transfer.remove(path)
        raise


def again(path: str, new: str) -> None:
    """A new attempt of the same job: its specification and inputs, nothing that has happened. Raises as `create`."""
    job = read(path)
    sources = f"{path}/inputs"
    found = {name: f"{sources}/{name}" for name in os.listdir(sources)} if os.path.isdir(sources) else {}
    create(new, job, found)


def read(path: str) -> Job:
    """The job. Raises `UsageError` for a document that is missing, damaged or wrong."""
    place = f"{path}/job.json"
    try:
        document = load(place)
    except FileNotFoundError:
        raise UsageError(f"{path} is no job: it has no job.json") from None
    except ValueError as error:
        raise UsageError(f"{place} is damaged: {error}") from error
    except OSError as error:
        raise UsageError(f"cannot read {place}: {error.strerror}") from error
    return spec.from_document(document, place)


def status_of(path: str) -> Status | None:
    """How it ended; `None` as long as it has not. One that cannot be understood counts as a job that is lost."""
    try:
        return status.from_document(load(f"{path}/status.json"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError(f"cannot read how the job {path} ended: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        return status.Status("lost", -1, cause=f"its status cannot be understood ({error})")


def state_of(path: str) -> State:
    """What the files alone say. A job that was claimed and whose process is gone is `lost`."""
    found = status_of(path)
    if found is not None:
        return found.as_state
    claim = claim_of(path)
    if claim is None:
        if not os.path.exists(f"{path}/job.json"):
            return State("lost", "its directory is gone")
        return State("submitted" if submitted(path) is not None else "created")
    if is_running(path, claim):
        return State("running", phase=phase_now(path))
    found = status_of(path)  # it may have ended while we looked
    if found is not None:
        return found.as_state
    return State(
        "lost", f"it ended on {claim.get('node', 'its node')} without a status: its worker was killed, or the node went down"
    )


def claim_of(path: str) -> dict[str, Any] | None:
    """Who runs it or has run it; `None` if nobody has begun."""
    try:
        return load(f"{path}/claim")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, OSError):
        return {}  # it is there, and that is what counts


def is_running(path: str, claim: Mapping[str, Any]) -> bool:
    """Whether the worker of a claim lives: by its process on this node, by its heartbeat elsewhere."""
    try:
        process = processes.Process(int(claim["pid"]), int(claim["start"]), str(claim["boot"]), str(claim["node"]))
    except (KeyError, TypeError, ValueError):
        return _beats(path, 30.0)
    # Another container or namespace of the same node may have its name, but hardly its pid and start time.
    if process.is_alive():
        return True
    return (process.is_elsewhere() or process.boot != kernel.boot_id()) and _beats(path, float(claim.get("heartbeat") or 30.0))


def _beats(path: str, every: float) -> bool:
    """By the file system's own clock, not this node's: both times are its."""
    probe = f"{path}/.now-{os.urandom(4).hex()}"
    try:
        last = max(_changed(f"{path}/{name}") for name in ("heartbeat", "claim"))
        os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            return _changed(probe) - last < every * STALE_BEATS
        finally:
            os.unlink(probe)
    except OSError:
        return False


def _changed(path: str) -> float:
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def events_of(path: str) -> list[dict[str, Any]]:
    """What has happened so far, oldest first; a line that is not whole yet is left out."""
    found = []
    try:
        with open(f"{path}/events", "rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    try:
                        found.append(json.loads(line))
                    except ValueError:
                        continue
    except OSError:
        return found
    return found


def phase_now(path: str) -> str:
    """The phase of the last event."""
    happened = events_of(path)
    return str(happened[-1].get("phase", "")) if happened else ""


def request_cancel(path: str) -> None:
    """Ask for the end of a job, wherever it is; one whose directory is gone has none. Raises `HostError`."""
    try:
        os.close(os.open(f"{path}/cancel", os.O_WRONLY | os.O_CREAT, 0o600))
    except FileNotFoundError:
        return
    except OSError as error:
        raise refused(f"cannot cancel the job {path}", error) from error


def is_cancelled(path: str) -> bool:
    """Whether somebody has asked for its end."""
    return os.path.exists(f"{path}/cancel")


def note_submission(path: str, backend: str, id: str) -> None:
    """Write down which back-end has it. Raises `HostError`."""
    document = {"format": 1, "backend": backend, "id": id, "submitted": status.now()}
    replace(f"{path}/batch.json", json.dumps(document).encode("ascii"))


def submitted(path: str) -> tuple[str, str] | None:
    """(back-end, id) of a job that was submitted."""
    try:
        found = load(f"{path}/batch.json")
        return str(found["backend"]), str(found["id"])
    except (OSError, ValueError, KeyError):
        return None


def last_lines(path: str, stream: str = "stderr", count: int = 20) -> list[str]:
    """The end of `stdout`, `stderr` or `log`."""
    try:
        with open(f"{path}/{stream}", "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - 64 * 1024))
            return list(deque((line.decode("utf-8", "replace").rstrip("\r\n") for line in file), maxlen=count))
    except OSError:
        return []


def load(path: str) -> dict[str, Any]:
    """The JSON object in a file. Raises OSError, ValueError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        if size > MAX_RECORD:
            raise ValueError(f"it has {size} bytes")
        raw = os.read(descriptor, size + 1)
        while len(raw) < size:
            more = os.read(descriptor, size - len(raw))
            if not more:
                break
            raw += more
    finally:
        os.close(descriptor)
    found = json.loads(raw)
    if not isinstance(found, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - its reader handles all that is wrong with a document alike
    return found


def write_new(path: str, content: bytes, mode: int = 0o600) -> None:
    """A file that was not there before; it is whole or not there (a claim without content would be one for ever). Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        try:
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)  # which tells what a network file system has kept for the end
    except OSError:
        os.unlink(path)
        raise


def replace(path: str, content: bytes) -> None:
    """The file as a whole, or as it was. Raises `NoSpace`, `HostError`."""
    temporary = f"{path}.{os.urandom(6).hex()}"
    try:
        write_new(temporary, content)
        os.rename(temporary, path)
    except OSError as error:
        try:
            os.unlink(temporary)
        except OSError:
            pass
        raise refused(f"cannot write {path}", error) from error


def refused(what: str, error: OSError) -> HostError:
    """The error of a system call as ours."""
    kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else HostError
    return kind(f"{what}: {error.strerror or error}", "make room" if kind is NoSpace else None)


def _file_name(name: str) -> str:
    if not name or "/" in name or name in (".", "..") or "\0" in name:
        raise UsageError(f"a file of a job cannot be called {printable(name)!r}")
    return name


def _bring(source: str, place: str, one: Callable[[str, str], str]) -> None:
    """A file or all of a directory, `one` by one."""
    if os.path.isdir(source):
        transfer.copy_directory(source, place, one)
    else:
        one(source, place)


def _link_or_copy(source: str, place: str) -> str:
    """A hard link where that is possible: inputs of a job are never written, they are bound read-only or copied."""
    try:
        os.link(source, place, follow_symlinks=True)
    except OSError:
        shutil.copyfile(source, place)
    return place


def _copy_file(source: str, place: str) -> str:
    return str(shutil.copyfile(source, place))
