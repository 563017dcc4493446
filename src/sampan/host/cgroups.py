"""Control groups that are delegated to this user, and bounds in a new one below them (cgroups(7)).

Version 2: the first group, going up from the own one, in which this user may make groups and whose controllers can be
handed down. Version 1: the own group of the controller, if it may be written. Without either there is no bound that holds:
an address-space limit (RLIMIT_AS) is not a memory limit, so it is never used in its place.
"""

from __future__ import annotations

import os

from sampan.errors import HostError
from sampan.host.kernel import read_line

ROOT = "/sys/fs/cgroup"
PERIOD = 100_000  # microseconds over which processor time is counted


def bounded(name: str, memory: int | None, cpus: float | None, root: str = ROOT) -> str:
    """A new control group with these bounds (bytes, processors); empty if none is delegated. Raises `HostError`."""
    wanted = [controller for controller, value in (("memory", memory), ("cpu", cpus)) if value is not None]
    parent = _delegated(wanted, root)
    if parent is None:
        return ""
    group = os.path.join(parent, name)
    try:
        os.makedirs(group, exist_ok=True)
        for file, text in _bounds(os.path.exists(os.path.join(parent, "cgroup.controllers")), memory, cpus):
            with open(os.path.join(group, file), "w", encoding="ascii") as stream:
                stream.write(text)
    except OSError as error:
        try:
            os.rmdir(group)
        except OSError:
            pass
        raise HostError(
            f"cannot bound the control group {group}: {error.strerror}", "`--limit-mode advisory` goes on without"
        ) from error
    return group


def _bounds(second: bool, memory: int | None, cpus: float | None) -> list[tuple[str, str]]:
    """Files of a group and what to write into them."""
    found = []
    if memory is not None:
        found.append(("memory.max" if second else "memory.limit_in_bytes", str(memory)))
    if cpus is not None:
        quota = str(max(int(cpus * PERIOD), 1000))
        found += (
            [("cpu.max", f"{quota} {PERIOD}")] if second else [("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", quota)]
        )
    return found


def _delegated(controllers: list[str], root: str) -> str | None:
    own = _own_groups()
    if "" in own and os.path.exists(os.path.join(root, "cgroup.controllers")):
        return _second(own[""], controllers, root)
    if len(controllers) == 1 and controllers[0] in own:
        place = os.path.join(root, controllers[0], own[controllers[0]].lstrip("/"))
        return place if os.access(place, os.W_OK) else None
    return None


def _own_groups() -> dict[str, str]:
    """Controller (version 2: the empty text) -> path of the own group."""
    found = {}
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as stream:
            for line in stream:
                _, names, path = line.rstrip("\n").split(":", 2)
                for controller in names.split(","):
                    found[controller] = path
    except (OSError, ValueError):
        return {}
    return found


def _second(own: str, controllers: list[str], root: str) -> str | None:
    """Upwards to the first group that may be written and hands the controllers down."""
    path = own.rstrip("/")
    while True:
        place = os.path.join(root, path.lstrip("/"))
        handed_down = (read_line(os.path.join(place, "cgroup.subtree_control")) or "").split()
        if (
            os.access(place, os.W_OK)
            and os.access(os.path.join(place, "cgroup.procs"), os.W_OK)
            and set(controllers) <= set(handed_down)
        ):
            return place
        if not path:
            return None
        path = path.rpartition("/")[0]
