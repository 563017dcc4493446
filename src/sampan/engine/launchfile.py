"""A plan as the records of a launch file (docs/design/launch-file.md). Pure; on the start-up path."""

from __future__ import annotations

import os

from sampan.container import root
from sampan.container.mounts import Bind, File, Tmpfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.ids import IdMaps
    from sampan.container.mounts import Special
    from sampan.container.plan import Plan
    from sampan.container.stay import Stay
    from sampan.engine.base import Work

    Record = tuple[str, ...]

DETACHED = ("watch", "detach", "", "15", "10", "0")
STEPS = {"set": "env", "take": "env-from", "prefix": "env-prefix", "unset": "env-unset"}


def records(plan: Plan, arguments: str = "refuse") -> list[Record]:
    """All records of a plan; `arguments` says what becomes of the caller's own: `append`, `replace` or `refuse`."""
    uid, gid = (str(number) for number in plan.owner)
    found: list[Record] = [("owner", uid), ("image", plan.image), ("label", plan.label)]
    if plan.touch:
        found.append(("touch", plan.touch))
    found.append(("unshare", ",".join(plan.namespaces)))
    if plan.several is None:
        found += [("uid-map", str(plan.identity.uid), uid, "1"), ("gid-map", str(plan.identity.gid), gid, "1")]
    else:
        found += _maps(plan.several[0], plan.several[2])
    if plan.cgroup:
        found.append(("cgroup", plan.cgroup))
    if plan.hostname is not None:
        found.append(("hostname", plan.hostname))
    if "net" in plan.namespaces:
        found.append(("loopback",))
    found.append(_place(plan.root))
    found += [("fallback-tmpfs", target, "1777", "0") for target in plan.fallback if isinstance(plan.root, root.MemoryOverlay)]
    found += [_mount(mount) for mount in plan.mounts]
    if plan.binfmt is not None:
        found.append(("binfmt", plan.binfmt.name, plan.binfmt.magic, plan.binfmt.mask, plan.binfmt.interpreter))
    found += attributes(plan)
    found += [("cpus", plan.cpus)] if plan.cpus else []
    found += staying(plan.stay) if plan.stay is not None else []
    found += _user(plan)
    found += [_directory(plan), ("no-new-privs",), ("args", arguments)]
    if plan.in_front:
        words = plan.args or plan.default_arguments
        return [*found, ("exec", *plan.in_front, *words[1:])]
    found += [("default-arg", word) for word in plan.default_arguments]
    return [*found, ("exec", *plan.args)]


def joining(plan: Plan, process: tuple[int, int, tuple[str, ...]], directory: str, *, detach: bool) -> list[Record]:
    """The records of a second program: into the namespaces of a process (pid, start time, names), no root and no mounts."""
    pid, begin, names = process
    found: list[Record] = [("owner", str(plan.owner[0])), ("image", plan.image), ("enter", str(pid), str(begin), ",".join(names))]
    found += attributes(plan)
    found += _user(plan)
    if detach:
        found += [DETACHED, ("fds", "")]
    found += [("cwd", directory, "/"), ("no-new-privs",), ("args", "refuse")]
    return [*found, ("exec", *plan.args, *plan.default_arguments)]


def attributes(plan: Plan) -> list[Record]:
    """Environment and limits."""
    return [*((STEPS[step.kind], step.text) for step in plan.environment), *(("limit", *limit) for limit in plan.limits)]


def outside(work: Work) -> list[Record]:
    """The records of a program of this machine under the ids of a container, in its root or in the directory of its changes.

    It is root inside, which gives it all rights over what these ids own, and it dies with whoever starts it.
    """
    found: list[Record] = [
        ("owner", str(work.owner)),
        ("image", work.shown),
        ("unshare", "user,mount"),
        *_maps(work.maps, work.tools),
    ]
    found += [_place(work.place), ("env-prefix", ""), ("outside",)]
    if not work.maps.is_single:
        found.append(("user", "0", "0", ""))
    return [*found, ("die-with-parent",), ("args", "refuse"), ("exec", *work.words)]


def _user(plan: Plan) -> list[Record]:
    """Under several ids the payload becomes its user as the last thing; under one it is that from the start, and root's owners are noted."""
    if plan.several is not None:
        return [("user", str(plan.identity.uid), str(plan.identity.gid), ",".join(map(str, plan.several[1])))]
    return [("owners", *plan.owners)] if plan.owners is not None else []


def _maps(maps: IdMaps, tools: tuple[str, str] | None) -> list[Record]:
    found: list[Record] = [
        (name, *map(str, line)) for name, lines in (("uid-map", maps.uids), ("gid-map", maps.gids)) for line in lines
    ]  # fmt: skip
    return found if maps.is_single or tools is None else [*found, ("map-tools", *tools)]


def staying(stay: Stay, kept: str = "", checking: tuple[str, ...] = ()) -> list[Record]:
    """What the watcher does; `kept` are descriptors that stay open, `checking` the words in front of those of a health check."""
    times = f"{stay.grace:.3f}", f"{stay.limit:.3f}"
    found: list[Record] = [("watch", ",".join(stay.flags), stay.directory, str(stay.signal), *times)]
    if stay.socket:
        found.append(("attach", stay.socket))
    if stay.bound:
        found.append(("die-with-parent",))
    if "detach" in stay.flags:
        found.append(("fds", kept))
    health = stay.health
    if health is not None:
        numbers = f"{health.interval:.3f}", f"{health.timeout:.3f}", str(health.retries), f"{health.start_period:.3f}"
        found.append(("health", *numbers, *checking, *health.words))
    return found


def _place(place: root.Root) -> Record:
    if isinstance(place, root.Tree):
        return ("root-tree", place.path, "ro")
    if isinstance(place, root.Copy):
        return ("root-tree", place.path, "rw")
    if isinstance(place, root.MemoryOverlay):
        return ("root-memory", place.lower, str(place.size), "read-only")
    return ("root-overlay", place.lower, place.upper, place.work, "refuse")


def _mount(mount: Bind | Tmpfs | File | Special) -> Record:
    if isinstance(mount, Bind):
        return ("bind", mount.source, mount.target, ",".join(mount.flags))
    if isinstance(mount, Tmpfs):
        return ("tmpfs", mount.target, f"{mount.mode:o}", str(mount.size), ",".join(mount.flags))
    if isinstance(mount, File):
        return ("file", mount.target, f"{mount.mode:o}", ",".join(mount.flags), os.fsdecode(mount.content))
    return (mount.kind, mount.target)


def _directory(plan: Plan) -> Record:
    place = plan.directory
    if place.path is None:
        return ("cwd-caller", "bind" if place.bind else "", place.otherwise)
    return ("cwd", place.path, place.otherwise)
