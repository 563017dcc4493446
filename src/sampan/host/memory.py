"""How much memory this process may still take. On the start-up path."""

from __future__ import annotations

from sampan.host.kernel import read_line

UNKNOWN = 1 << 30


def available() -> int:
    """Bytes: the smaller of the machine's available memory and what the process's cgroup leaves."""
    room = _machine()
    for limit in _cgroup_limits():
        room = min(room, limit)
    return room


def total() -> int:
    """Bytes that all processes here may take together: the machine's memory, or the limit of the own cgroup."""
    return min([_machine(b"MemTotal:"), *_cgroup_limits()])


def _machine(line_of: bytes = b"MemAvailable:") -> int:
    try:
        with open("/proc/meminfo", "rb") as stream:
            for line in stream:
                if line.startswith(line_of):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return UNKNOWN


def kills() -> int:
    """How many processes the kernel has ended for want of memory in the own cgroup and those above it (cgroups(7))."""
    count = 0
    for place, second in _cgroups():
        try:
            with open(f"{place}/{'memory.events' if second else 'memory.oom_control'}", "rb") as stream:
                lines = stream.read(4096).splitlines()
        except OSError:
            continue
        count += sum(int(line.split()[1]) for line in lines if line.startswith(b"oom_kill ") and line.split()[1].isdigit())
    return count


def _cgroup_limits() -> list[int]:
    """Limits of the own memory cgroup and those above it."""
    texts = (read_line(f"{place}/{'memory.max' if second else 'memory.limit_in_bytes'}") for place, second in _cgroups())
    return [int(text) for text in texts if text and text.isdigit()]


def _cgroups() -> list[tuple[str, bool]]:
    """Directories of the own memory cgroup and those above it, each with whether it is of version 2 (cgroups(7))."""
    try:
        with open("/proc/self/cgroup", "rb") as stream:
            lines = stream.read(65536).decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            base = "/sys/fs/cgroup"
        elif "memory" in controllers.split(","):
            base = "/sys/fs/cgroup/memory"
        else:
            continue
        parts = [part for part in path.split("/") if part]
        found += [("/".join([base, *parts[:depth]]), controllers == "") for depth in range(len(parts), -1, -1)]
    return found
