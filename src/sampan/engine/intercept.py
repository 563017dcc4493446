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
from sampan.errors import CannotHonour
from sampan.host import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.plan import Plan

NAME = "intercept"
MACHINES = ("x86_64",)
ALWAYS = frozenset((
    "shared-root", "read-only-root", "private-copy", "binds", "read-only-binds", "tmpfs", "other-user", "root-user", "small-dev",
    "trace", "limits",
))  # fmt: skip
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
        notes = () if found.get("openat2") == "ok" else ("paths are looked up without openat2, which costs a little",)
        return Probe(Can(NAME, features), (), notes)

    def command(self, plan: Plan) -> Start:
        """sampan-intercept with the plan in a memfd."""
        found = records(plan)
        _make_owners(found)
        data = encode(found, header(None))
        descriptor = os.memfd_create("sampan-launch")
        os.write(descriptor, data)
        os.lseek(descriptor, 0, os.SEEK_SET)
        return Start(program_path(self.program, self.settings), (self.program, f"--fd={descriptor}"), (descriptor,))

    def launch_file(self, plan: Plan, program: str, arguments: str) -> bytes:
        """An executable launch file for `sampan wrap`."""
        return encode(records(plan, arguments), header(program))


def records(plan: Plan, arguments: str = "refuse") -> list[launchfile.Record]:
    """The records of a plan for sampan-intercept. Raises `CannotHonour` for a namespace that nothing can stand in for."""
    missing = [name for name in plan.namespaces if name not in ("user", "mount")]
    if missing:
        raise CannotHonour(
            f"the engine {NAME} cannot start a container that needs namespaces of its own ({', '.join(missing)})",
            "`sampan doctor` says which engine can",
        )
    found = [record for record in launchfile.records(plan, arguments) if record[0] not in ("unshare", "owners")]
    own: list[launchfile.Record] = [("intercept", word, "") for word in plan.engine_options]
    if isinstance(plan.root, root.Copy) and (plan.identity.uid, plan.identity.gid) != plan.owner:
        own.append(("intercept", "owners", f"{os.path.dirname(plan.root.path)}/owners.table"))
    return [*own, *found]


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
