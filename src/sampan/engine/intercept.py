"""The engine of intercepted system calls: sampan-intercept, for nodes that grant no user namespaces. On the start-up path.

The payload's own system calls are stopped by a seccomp filter in the payload itself and carried out with the container's
paths (docs/design/intercept.md): no namespace, no mount, no ptrace, no privilege. It has no layer for changes: a shared tree is read-only,
which the engine enforces by itself, and a container that is kept is a private copy. It is no security boundary (SECURITY.md).
"""

from __future__ import annotations

import os

from sampan.container import root
from sampan.container.asks import Can
from sampan.engine import launchfile
from sampan.engine.base import Engine, Probe, Start
from sampan.engine.encoding import encode, header
from sampan.engine.programs import program as program_path
from sampan.engine.remembered import answers
from sampan.errors import CannotHonour, HostError
from sampan.host import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    from sampan.container.plan import Plan
    from sampan.container.stay import Stay
    from sampan.engine.base import Work

NAME = "intercept"
MACHINES = ("x86_64",)
ALWAYS = frozenset((
    "shared-root", "read-only-root", "private-copy", "binds", "read-only-binds", "tmpfs", "other-user", "root-user", "shown-owners",
    "small-dev", "trace", "limits", "watcher", "health-checks",
))  # fmt: skip
KEPT = "a container that is kept is a private copy of its image; owners that `--root` sets stand in a table beside it"
WATCHER = "sampan-run"
# What the watcher does, and what only namespaces have.
NOT_ITS_OWN = frozenset(("unshare", "owners", "cgroup", "watch", "attach", "fds", "health"))
# What it needs, by the probe's name: what is missing, and what would help.
NEEDS = {
    "address": (
        "the place in memory that the engine needs is taken or refused",
        "raise the limit of address space (ulimit -v), or start it outside of the program that takes the place",
    ),
    "memory": ("the memory limits of this shell are too small", "raise the limit of address space (ulimit -v)"),
    "descriptors": ("the limit of open files is too small", "raise it to 256 or more (ulimit -n, its hard limit)"),
    "filter": (
        "the kernel or a policy refuses seccomp filters",
        "a kernel with CONFIG_SECCOMP_FILTER is needed, and a policy that allows prctl(PR_SET_SECCOMP)",
    ),
    "memory-file": ("the kernel gives no memory files (memfd_create)", "Linux 3.17 or later is needed"),
    "proc": ("/proc is not mounted", "mount it, or start sampan where it is"),
    "exec": ("the engine's program cannot be started again", "put it where programs may be executed: set SAMPAN_PROGRAMS"),
}  # fmt: skip


class Intercept(Engine):
    """System calls intercepted in the payload itself."""

    name = NAME
    words = "system calls intercepted in the payload itself; no security boundary"
    program = "sampan-intercept"
    namespaces = False

    def probe(self, place: str | None) -> Probe:  # noqa: ARG002 - changes are kept in a private copy, wherever it lies
        """Whether sampan-intercept works here."""
        machine = os.uname().machine
        if machine not in MACHINES:
            return _nothing(
                f"it is written for {' and '.join(MACHINES)} so far, and this machine is {machine}", "use another engine"
            )
        found = answers(program_path(self.program, self.settings), (), _limits(), self.settings)
        wrong = [name for name in NEEDS if found.get(name, "ok") != "ok"] or [name for name in NEEDS if name not in found][:1]
        if wrong:
            said = [(f"{NEEDS[name][0]} ({name}: {found.get(name, 'no answer')})", NEEDS[name][1]) for name in wrong]
            return Probe(None, tuple(said))
        features = ALWAYS | {"landlock"} if found.get("landlock") == "ok" else ALWAYS
        notes: tuple[str, ...] = (KEPT,)
        notes += () if found.get("openat2") == "ok" else ("paths are looked up without openat2, which costs a little",)
        return Probe(Can(NAME, features), (), notes)

    def command(self, plan: Plan) -> Start:
        """sampan-intercept with the plan in a memfd, beside it the watcher if somebody has to stay."""
        found = records(plan)
        _make_owners(found)
        stay = plan.stay
        if stay is None:
            return self._start(found)
        checking = self._checking(plan, stay) if stay.health is not None else ()
        group: list[launchfile.Record] = [("cgroup", plan.cgroup)] if plan.cgroup else []
        return self._watched(plan, found, group, lambda kept: launchfile.staying(stay, kept, checking))

    def join(self, plan: Plan, process: tuple[int, int, tuple[str, ...]], directory: str, *, detach: bool) -> Start:
        """sampan-intercept with the description of the running container: the same binds, empty directories and owners."""
        pid, begin, _ = process
        found = [*_joining(plan, f"{pid} {begin}"), ("cwd", directory, "/"), ("args", "refuse")]
        found.append(("exec", *plan.args, *plan.default_arguments))
        if not detach:
            return self._start(found)
        return self._watched(plan, found, [], lambda kept: [launchfile.DETACHED, ("fds", kept)])

    def outside(self, work: Work) -> Start:
        """The program itself: there is no map of ids, and files are where they lie. Raises `CannotHonour` for several ids, and an overlay."""
        if not work.maps.is_single or not isinstance(work.place, (root.Tree, root.Copy)):
            what = "an overlay cannot be mounted" if work.maps.is_single else "its files belong to several ids"
            raise CannotHonour(
                f"the engine {NAME} cannot work on the files of {work.shown}: {what}", "`sampan doctor` says which engine can"
            )
        found: list[launchfile.Record] = [
            ("owner", str(work.owner)),
            ("image", work.shown),
            ("root-host", ""),
            ("env-prefix", ""),
        ]
        found += [("cwd", work.place.path, "refuse"), ("die-with-parent",), ("args", "refuse"), ("exec", *work.words)]
        return self._start(found, WATCHER)

    def launch_file(self, plan: Plan, program: str, arguments: str) -> bytes:
        """An executable launch file for `sampan wrap`. Raises `CannotHonour` for a container that somebody has to stay beside."""
        if plan.stay is not None:
            raise CannotHonour(
                f"a launch file of the engine {NAME} cannot hold a time limit, a health check or a control group",
                "leave them out; `sampan run` can do them",
            )
        return encode(records(plan, arguments), header(program))

    def _start(self, found: list[launchfile.Record], name: str = "") -> Start:
        name = name or self.program
        descriptor = _memory_file(found)
        return Start(program_path(name, self.settings), (name, f"--fd={descriptor}"), (descriptor,))

    def _watched(
        self,
        plan: Plan,
        found: list[launchfile.Record],
        group: list[launchfile.Record],
        watching: Callable[[str], list[launchfile.Record]],
    ) -> Start:
        """sampan-run as the watcher of sampan-intercept, which tells it when the payload runs; `watching` gets the descriptor to keep."""
        inner = _memory_file([("intercept", "ready", ""), *found])
        outer: list[launchfile.Record] = [("owner", str(plan.owner[0])), ("image", plan.image), *group, ("root-host", "launcher")]
        outer += [("env-prefix", ""), *watching(str(inner)), ("args", "refuse")]
        descriptor = _memory_file([*outer, ("exec", program_path(self.program, self.settings), f"--fd={inner}")])
        return Start(program_path(WATCHER, self.settings), (WATCHER, f"--fd={descriptor}"), (descriptor, inner))

    def _checking(self, plan: Plan, stay: Stay) -> tuple[str, ...]:
        """The words that run a health check in the container: by a launch file beside its record."""
        path, place = f"{stay.directory}/check", plan.directory
        try:
            directory = place.path or os.getcwd()
            found = [
                *_joining(plan, ""),
                ("cwd", directory, "/" if place.path is None else "refuse"),
                ("args", "append"),
                ("exec",),
            ]
            with open(path, "wb") as stream:
                stream.write(encode(found, header(None)))
        except OSError as error:
            raise HostError(
                f"cannot write down the health check in {path}: {error.strerror}", "look at the space that is left"
            ) from error
        return (program_path(self.program, self.settings), path)


def records(plan: Plan, arguments: str = "refuse") -> list[launchfile.Record]:
    """The records of a plan for sampan-intercept. Raises `CannotHonour` for a namespace that nothing can stand in for."""
    missing = [name for name in plan.namespaces if name not in ("user", "mount")]
    if missing:
        raise CannotHonour(
            f"the engine {NAME} cannot start a container that needs namespaces of its own ({', '.join(missing)})",
            "`sampan doctor` says which engine can",
        )
    found = [record for record in launchfile.records(plan, arguments) if record[0] not in NOT_ITS_OWN]
    own = _options(plan)
    if isinstance(plan.root, root.Copy) and (plan.identity.uid, plan.identity.gid) != plan.owner:
        own.append(("intercept", "owners", f"{os.path.dirname(plan.root.path)}/owners.table"))
    if plan.owners is not None and plan.owners[1]:
        own.append(("intercept", "image-owners", plan.owners[1]))
    return [*own, *found]


def _joining(plan: Plan, process: str) -> list[launchfile.Record]:
    """The records of a second program in a container; `process` is "PID START" of one inside, empty if the watcher says it."""
    found: list[launchfile.Record] = [("owner", str(plan.owner[0])), ("image", plan.image), ("intercept", "enter", process)]
    return [*found, *_options(plan), *launchfile.attributes(plan)]


def _options(plan: Plan) -> list[launchfile.Record]:
    return [("intercept", word, "") for word in plan.engine_options]


def _memory_file(found: list[launchfile.Record]) -> int:
    descriptor = os.memfd_create("sampan-launch")
    os.write(descriptor, encode(found, header(None)))
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _make_owners(records: list[launchfile.Record]) -> None:
    """The file of owners that an imitated root gives, where there is none yet; the engine fills it."""
    for record in records:
        if record[:2] == ("intercept", "owners") and not os.path.exists(record[2]):
            os.close(os.open(record[2], os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def _limits() -> str:
    """The answer depends on these limits of the shell."""
    return f"{NAME}.{kernel.limit('Max address space')[0]}.{kernel.limit('Max open files')[1]}"


def _nothing(reason: str, help: str) -> Probe:
    return Probe(None, ((reason, help),))
