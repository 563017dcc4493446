"""Processes of this node, identified so that a reused pid is never taken for the old one. On the start-up path."""

from __future__ import annotations

import os

_DESCRIPTION = b"/memfd:sampan-container"


def start_time(pid: int) -> int | None:
    """When the process was started, in clock ticks since boot (proc_pid_stat(5) field 22); `None` if there is none.

    It survives exec, so a launcher can note its own for the payload that it becomes.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read(4096)
        # The command name may hold blanks and brackets: count from the last closing one.
        state, *rest = fields[fields.rindex(b")") + 2 :].split()
        return None if state in (b"Z", b"X") else int(rest[18])
    except (OSError, ValueError, IndexError):
        return None


def environment(pid: int) -> dict[str, str]:
    """What the process was started with, as far as this user may read it; empty otherwise."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as stream:
            raw = stream.read(1 << 20)
    except OSError:
        return {}
    pairs = (os.fsdecode(item).partition("=") for item in raw.split(b"\0") if item)
    return {name: value for name, _, value in pairs}


def callers_environment() -> os._Environ[str]:
    """The environment of this process, without the LC_CTYPE that Python adds in the C locale (PEP 538)."""
    here = os.environ
    if "LC_CTYPE" in here and not ("LANG" in here or "LC_ALL" in here) and _added_by_python():
        del here["LC_CTYPE"]
    return here


def _added_by_python() -> bool:
    try:
        with open("/proc/self/environ", "rb") as stream:
            return b"\0LC_CTYPE=" not in b"\0" + stream.read()
    except OSError:
        return False


def own_pids() -> list[int]:
    """All processes of this user that can be seen."""
    uid = os.getuid()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                if os.stat(f"/proc/{name}").st_uid == uid:
                    found.append(int(name))
            except OSError:
                continue
    return sorted(found)


def parent(pid: int) -> int:
    """The parent's pid, 0 if it cannot be told."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read(4096)
        return int(fields[fields.rindex(b")") + 2 :].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def command(pid: int) -> tuple[str, ...]:
    """The words a process was started with; empty if they cannot be read."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return tuple(os.fsdecode(word) for word in stream.read(1 << 16).split(b"\0")[:-1])
    except OSError:
        return ()


def started_at(pid: int) -> str:
    """When a process was started, in ISO 8601, UTC; empty if it is gone."""
    import time

    ticks = start_time(pid)
    if ticks is None:
        return ""
    since_boot = time.clock_gettime(time.CLOCK_BOOTTIME)
    moment = time.time() - since_boot + ticks / os.sysconf("SC_CLK_TCK")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def is_stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal, as `pause` does it."""
    return state_of(pid) == "T"


def state_of(pid: int) -> str:
    """The letter of what a process is doing (proc_pid_stat(5) field 3): `T` stopped, `Z` ended ...; empty if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read(4096)
        return fields[fields.rindex(b")") + 2 :].split()[0].decode("ascii")
    except (OSError, ValueError, IndexError):
        return ""


def namespace(pid: int, kind: str) -> str:
    """Which namespace of a kind (`mnt`, `pid`, ...) a process is in, as /proc/PID/ns names it; empty if it cannot be seen."""
    try:
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    except OSError:
        return ""


def intercepted(pid: int) -> str:
    """The label of the container of the engine `intercept` that a process is in, `sampan:ID:CHAIN`; empty if it is in none.

    All processes of such a container map its description, a memory file that is named by the label.
    """
    try:
        with open(f"/proc/{pid}/maps", "rb") as stream:
            for line in stream:
                if _DESCRIPTION in line:
                    return os.fsdecode(line.partition(_DESCRIPTION)[2].split(b" ")[0].strip()).lstrip(":")
    except OSError:
        pass
    return ""


LAUNCHERS = ("proot", "runc", "crun")


def launcher(pid: int) -> str:
    """Which program of others a process is that stands between a watcher and the payload; empty if it is none."""
    try:
        name = os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""
    return name if name in LAUNCHERS else ""


def children(pid: int) -> list[int]:
    """The processes of this user whose parent it is."""
    return [one for one in own_pids() if parent(one) == pid]


def tracer(pid: int) -> int:
    """The process that traces it, 0 if none does."""
    try:
        with open(f"/proc/{pid}/status", "rb") as stream:
            for line in stream:
                if line.startswith(b"TracerPid:"):
                    return int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return 0


class Resources:
    """What a process has used: processor seconds and resident bytes."""

    __slots__ = ("memory", "seconds")

    def __init__(self, seconds: float, memory: int) -> None:
        self.seconds = seconds
        self.memory = memory


def resources(pid: int) -> Resources:
    """Of one process; nothing if it is gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stream:
            fields = stream.read(4096)
        rest = fields[fields.rindex(b")") + 2 :].split()
        ticks = int(rest[11]) + int(rest[12])
        return Resources(ticks / os.sysconf("SC_CLK_TCK"), int(rest[21]) * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, IndexError):
        return Resources(0.0, 0)
