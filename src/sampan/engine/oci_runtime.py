"""The engine of OCI runtimes: runc, or crun where it starts, with a bundle as the runtime specification has it. Not on the start-up path.

Theory of operation. Mount points of a container would be made by the runtime in the tree that it is given, which others share. So sampan-run makes
the root first, as for the engine `namespace`: overlay, binds and files, in namespaces of its own, in which the caller is root; there it
becomes the runtime. To that the bundle gives the merged root, as if it were a plain directory, the namespaces of the plan, and what can
only be mounted in a new namespace: proc, mqueue. In the container sampan-run again sets the rest (`inside`), in a user namespace of
its own where the payload is not root: a runtime wants to map root.
The bundle lies beside the container's changes, or for a run that keeps nothing in the runtime directory, until the run ends.
"""

from __future__ import annotations

import os

from sampan.container import root
from sampan.container.asks import Can
from sampan.container.mounts import covers
from sampan.container.stay import Stay
from sampan.engine import inside, launchfile
from sampan.engine.base import Engine, Probe
from sampan.engine.encoding import encode, header
from sampan.engine.programs import program as program_path
from sampan.engine.remembered import answers
from sampan.errors import CannotHonour, HostError, NoEngine
from sampan.host import kernel, processes
from sampan.host.runtime_directory import runtime_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.plan import Plan
    from sampan.engine.base import Start, Work
    from sampan.engine.launchfile import Record
    from sampan.settings import Settings

NAME = "oci-runtime"
RUNTIMES = ("runc", "crun")
LAUNCH = "/run/.sampan-launch"
# Where sampan-run mounts the merged root, in the directory of the tree that it covers.
MERGED = "root"
FEATURES = frozenset((
    "shared-root", "read-only-root", "private-copy", "binds", "read-only-binds", "tmpfs", "bounded-tmpfs", "other-user", "root-user",
    "own-network", "own-hostname", "own-ipc", "own-pid", "small-dev", "watcher", "limits",
))  # fmt: skip
BEFORE = ("owner", "image", "label", "touch", "cgroup")
ROOT = ("root-tree", "root-memory", "root-overlay", "fallback-tmpfs")
MOUNTS = ("bind", "tmpfs", "file", "mkdir", "symlink", "dev", "mask")
NAMESPACES = {"mount": "mount", "pid": "pid", "ipc": "ipc", "uts": "uts", "net": "network"}
SPECIAL = {
    "proc": ("proc", "proc", ("nosuid", "noexec", "nodev")),
    "sysfs": ("sysfs", "sysfs", ("nosuid", "noexec", "nodev", "ro")),
    "mqueue": ("mqueue", "mqueue", ("nosuid", "noexec", "nodev")),
    "devpts": ("devpts", "devpts", ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620")),
}
# The runtime shows its new terminal there, and opens what is there for writing, which this machine's own is not.
CONSOLE = ("file", "/dev/console", "0600", "", "")
CAPABILITIES = tuple(
    f"CAP_{name}"
    for name in [
        "CHOWN",
        "DAC_OVERRIDE",
        "DAC_READ_SEARCH",
        "FOWNER",
        "FSETID",
        "KILL",
        "SETGID",
        "SETUID",
        "SETPCAP",
        "NET_BIND_SERVICE",
        "NET_ADMIN",
        "NET_RAW",
        "IPC_LOCK",
        "IPC_OWNER",
        "SYS_CHROOT",
        "SYS_PTRACE",
        "SYS_ADMIN",
        "SYS_NICE",
        "SYS_RESOURCE",
        "MKNOD",
        "LEASE",
        "AUDIT_WRITE",
        "SETFCAP",
    ]
)


class OciRuntime(Engine):
    """runc or crun, in a root that sampan-run has made."""

    name = NAME
    words = "runc or crun, with a bundle of the runtime specification"
    program = inside.LAUNCHER

    def probe(self, place: str | None) -> Probe:
        """What `namespace` can do here, as far as a runtime that starts is found."""
        from sampan.engine.namespace import Namespace

        below = Namespace(self.settings).probe(place)
        if below.can is None:
            return below
        runtime, reasons = self._runtime()
        if not runtime:
            return Probe(None, tuple(reasons) or (("neither runc nor crun is installed", "apt install runc"),))
        extra = {"memory-overlay", "kept-overlay", "noted-owners", "shown-owners"} & below.can.features
        return Probe(Can(NAME, FEATURES | extra), (), (f"it is {runtime}", *below.notes))

    def _runtime(self) -> tuple[str, list[tuple[str, str]]]:
        """The first runtime that starts a container here, and why others do not."""
        reasons: list[tuple[str, str]] = []
        for name in RUNTIMES:
            path = inside.find((name,))
            if not path:
                continue
            found = answers(path, (), NAME, self.settings, (path, "--version"))
            if found.get(name) is not None:
                return path, reasons
            reasons.append((f"{path} does not start", f"try `{path} --version`"))
        return "", reasons

    def command(self, plan: Plan) -> Start:
        """sampan-run, which makes the root and becomes the runtime. Raises `CannotHonour`, `HostError`, `NoEngine`."""
        if plan.several is not None:
            raise CannotHonour(f"the engine {NAME} maps one id", "`sampan doctor` says which engine maps several")
        runtime, _ = self._runtime()
        if not runtime:
            raise NoEngine("there is no OCI runtime that starts", "apt install runc")
        place, passing = _place(plan, self.settings)
        records = launchfile.records(plan)
        binds = [(record[1], record[2]) for record in records if record[0] == "bind"]
        directory, shown = inside.directory_of(plan, binds)
        captured = plan.stay is not None and ("detach" in plan.stay.flags or bool(plan.stay.socket))
        terminal = not captured and all(os.isatty(stream) for stream in range(3))
        passed = Passed() if captured else _passed(streams=not terminal)
        _write(place, configuration(plan, records, terminal=terminal), _inner(plan, directory, passed))
        stay = plan.stay or Stay((), "", 15, 10.0, 0.0)
        if passing:
            stay = Stay((*stay.flags, "remove"), place, stay.signal, stay.grace, stay.limit)
        found = [record for record in records if record[0] in BEFORE]
        found += [("unshare", "user,mount"), ("uid-map", "0", str(plan.owner[0]), "1"), ("gid-map", "0", str(plan.owner[1]), "1")]
        found += [record for record in records if record[0] in ROOT]
        found += _mounts(records, (shown, program_path(self.program, self.settings), f"{place}/launch"))
        found += [CONSOLE] if terminal else []
        if passed.own:
            found.append(("streams", *map(str, passed.own)))
        found += [("env-prefix", ""), ("outside",), *launchfile.staying(stay), ("args", "refuse")]
        words = [
            runtime,
            "--log",
            f"{place}/log",
            "--root",
            f"{place}/state",
            *(["--rootless", "true"] if runtime.endswith("runc") else []),
        ]
        kept = ["--preserve-fds", str(passed.count)] if passed.count else []
        found.append(("exec", *words, "run", *kept, "--bundle", place, f"sampan-{plan.id[:12]}"))
        return inside.started(self.settings, found, *passed.made)

    def join(self, plan: Plan, process: tuple[int, int, tuple[str, ...]], directory: str, *, detach: bool) -> Start:
        """sampan-run in the namespaces of the running container."""
        return inside.started(self.settings, launchfile.joining(plan, process, directory, detach=detach))

    def outside(self, work: Work) -> Start:
        """As the engine `namespace` does it: no runtime is needed for that."""
        from sampan.engine.namespace import Namespace

        return Namespace(self.settings).outside(work)

    def launch_file(self, plan: Plan, program: str, arguments: str) -> bytes:  # noqa: ARG002 - the contract
        """Raises `CannotHonour`."""
        raise inside.no_file(NAME)


def _place(plan: Plan, settings: Settings) -> tuple[str, bool]:
    """A new directory for the bundle, and whether it goes at the end of the run."""
    from sampan.container import shelf

    if isinstance(plan.root, root.Overlay):
        place = os.path.join(os.path.dirname(plan.root.upper), NAME)
    elif isinstance(plan.root, root.Copy):
        place = os.path.join(os.path.dirname(plan.root.path), NAME)
    elif plan.stay is not None and plan.stay.directory:
        place = os.path.join(plan.stay.directory, NAME)
    else:
        place = os.path.join(runtime_directory(settings.text("runtime_dir")), f"bundle-{plan.id[:12]}")
    passing = os.path.basename(place) != NAME
    try:
        if os.path.lexists(place):
            shelf.discard(place)
        os.mkdir(place, 0o700)
    except OSError as error:
        raise HostError(f"cannot make the bundle {place}: {error.strerror}", "look at the space that is left") from error
    return place, passing


class Passed:
    """Descriptors on their way through a runtime, which gives its container pipes instead of the caller's streams, and besides a row from 3 on.

    `kept` are the payload's own, `streams` the caller's standard streams under other numbers (empty: the runtime's pipes or terminal), `own`
    what the runtime gets in their place, since it would read the caller's input, `made` those that were made here.
    """

    __slots__ = ("kept", "made", "own", "streams")

    def __init__(
        self, kept: tuple[int, ...] = (), streams: tuple[int, ...] = (), own: tuple[int, ...] = (), made: tuple[int, ...] = ()
    ) -> None:
        self.kept = kept
        self.streams = streams
        self.own = own
        self.made = made

    @property
    def count(self) -> int:
        """How many the runtime passes on."""
        return max((*self.kept, *self.streams), default=2) - 2


def _passed(*, streams: bool) -> Passed:
    """The caller's descriptors, and with `streams` its standard ones too, in a row without gaps: these are filled, and closed again inside.

    Where something of this process lies in between, as in a program that uses the library, nothing is passed on.
    """
    kept = tuple(number for number in _open() if number > 2 and os.get_inheritable(number))
    first = max(kept, default=2) + 1
    moved = tuple(range(first, first + 3)) if streams and {0, 1, 2} <= set(_open()) else ()
    gaps = [number for number in range(3, first) if number not in kept]
    if set(_open()) & {*gaps, *moved}:
        return Passed()
    for number, goal in enumerate(moved):
        os.dup2(number, goal)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for goal in gaps:
        if null != goal:
            os.dup2(null, goal)
    own = (os.dup(null), os.dup(null), os.dup(2)) if moved else ()
    if null not in gaps:
        os.close(null)
    return Passed(kept, moved, own, (*gaps, *moved, *own))


def _open() -> list[int]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            os.fstat(int(name))
        except OSError:
            continue  # that of the listing itself
        found.append(int(name))
    return sorted(found)


def _mounts(records: list[Record], added: tuple[str, str, str]) -> list[Record]:
    """The mounts that sampan-run makes, with the caller's directory, the program inside and its launch file."""
    shown, program, launch = added
    inner = [record[1] for record in records if record[0] in SPECIAL]
    found = [
        record
        for record in records
        if record[0] in MOUNTS
        and not any(covers(target, record[2 if record[0] in ("bind", "symlink") else 1]) for target in inner)
    ]
    found += [("bind", shown, shown, "")] if shown else []
    return [*found, ("mkdir", "/dev", "0755"), ("bind", program, inside.PROGRAM, "ro"), ("bind", launch, LAUNCH, "ro")]


def _inner(plan: Plan, directory: tuple[str, str], passed: Passed) -> list[Record]:
    """The records of the sampan-run inside."""
    *found, program = inside.payload(plan, directory, plan.owners)
    if _is_other(plan):
        maps = ("uid-map", str(plan.identity.uid), "0", "1"), ("gid-map", str(plan.identity.gid), "0", "1")
        found = [("owner", "0"), *found[1:2], ("unshare", "user"), *maps, *found[2:]]
    soft, hard = kernel.limit("Max open files")  # programs in Go raise it
    if not any(name == "nofile" for name, _, _ in plan.limits) and soft != "unknown":
        found.append(("limit", "nofile", soft, hard))
    found += [("streams", *map(str, passed.streams))] if passed.streams else []
    return [*found, ("fds", ",".join(map(str, (*passed.kept, *passed.streams)))), program]


def _write(place: str, document: dict[str, object], records: list[Record]) -> None:
    """The bundle's configuration, and the launch file of the sampan-run inside."""
    import json

    try:
        with open(f"{place}/launch", "wb") as stream:
            stream.write(encode(records, header(None)))
        with open(f"{place}/config.json", "w", encoding="utf-8", errors="surrogateescape") as text:
            json.dump(document, text)
    except OSError as error:
        raise HostError(f"cannot write the bundle {place}: {error.strerror}", "look at the space that is left") from error


def _is_other(plan: Plan) -> bool:
    """Whether the payload is somebody else than the root of sampan-run's namespaces."""
    return (plan.identity.uid, plan.identity.gid) != (0, 0)


def configuration(plan: Plan, records: list[Record], *, terminal: bool = False) -> dict[str, object]:
    """What `config.json` holds (runtime-spec, config.md and config-linux.md)."""
    inner = [record for record in records if record[0] in SPECIAL]
    below = [record for record in records if record[0] == "bind" and any(covers(special[1], record[2]) for special in inner)]
    merged = f"{root.places(plan.root)[-1]}/{MERGED}"
    # A runtime that is given a /dev leaves it alone; else it would make its own devices over the one that is there.
    mounts: list[dict[str, object]] = [
        {"destination": "/dev", "type": "bind", "source": f"{merged}/dev", "options": ["rbind"]},
        *(_special(record) for record in inner),
    ]
    mounts += [
        {
            "destination": record[2],
            "type": "bind",
            "source": record[1],
            "options": ["rbind", "ro" if "ro" in record[3].split(",") else "rw"],
        }
        for record in below
    ]
    capabilities = list(CAPABILITIES)
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": terminal,
            "user": {"uid": 0, "gid": 0},
            "args": [inside.PROGRAM, LAUNCH],
            "env": [f"{name}={value}" for name, value in processes.callers_environment().items()],
            "cwd": "/",
            "capabilities": dict.fromkeys(("bounding", "effective", "inheritable", "permitted"), capabilities),
            "noNewPrivileges": True,
        },
        "root": {"path": merged, "readonly": False},
        **({"hostname": plan.hostname} if plan.hostname is not None else {}),
        "mounts": mounts,
        "linux": {
            "namespaces": [{"type": NAMESPACES[name]} for name in plan.namespaces if name in NAMESPACES],
        },
    }


def _special(record: Record) -> dict[str, object]:
    kind, source, options = SPECIAL[record[0]]
    return {"destination": record[1], "type": kind, "source": source, "options": list(options)}
