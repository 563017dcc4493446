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


def _machine() -> int:
    try:
        with open("/proc/meminfo", "rb") as stream:
            for line in stream:
                if line.startswith(b"MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return UNKNOWN


def _cgroup_limits() -> list[int]:
    """Limits of the own memory cgroup and those above it (cgroups(7): v2, or the memory controller of v1)."""
    try:
        with open("/proc/self/cgroup", "rb") as stream:
            lines = stream.read(65536).decode("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if controllers == "":
            base, name = "/sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            base, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts), -1, -1):
            text = read_line("/".join([base, *parts[:depth], name]))
            if text and text.isdigit():
                found.append(int(text))
    return found
