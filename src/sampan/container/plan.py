"""The plan: everything a start will do on this host, decided by a pure function. On the start-up path.

`plan(record, config, edits, facts, can)` gives the same plan for the same arguments. An engine turns it into a launch
file (or its own command); `describe` in a module of its own is what `--dry-run` prints.
"""

from __future__ import annotations

from sampan.container import environment, limits, mounts, root, users
from sampan.container.asks import asks_of, check
from sampan.container.environment import Step
from sampan.container.mounts import Bind, File, Tmpfs, covers
from sampan.container.stay import FOREGROUND, stay_of
from sampan.container.view import TMP, mounts_of, own_pid
from sampan.errors import CannotHonour, UsageError
from sampan.host import scheduler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.asks import Can
    from sampan.container.edits import Edits
    from sampan.container.facts import Facts
    from sampan.container.ids import IdMaps
    from sampan.container.record import Record
    from sampan.container.request import Request
    from sampan.container.stay import Stay, Way
    from sampan.container.view import Mount
    from sampan.host.foreign import Foreign
    from sampan.oci.config import ImageConfig

# Where the interpreter of a foreign program lies inside, if it has to be put in front.
INTERPRETER = "/run/.sampan-interpreter"
# apt looks whether it has become the user _apt, who is nobody under one id.
APT_FILE, APT_TEXT = "/etc/apt/apt.conf.d/00sampan", b'APT::Sandbox::User "root";\n'
# What stays writable where no overlay is possible, besides the directories that are bound.
FALLBACK_PLACES = ("/run", "/var/tmp")  # noqa: S108 - inside


class Plan:
    """An immutable list of what a start will do."""

    __slots__ = (
        "args", "binfmt", "cgroup", "cpus", "default_arguments", "directory", "engine_options", "environment", "fallback", "hostname", "id",
        "identity", "image", "in_front", "label", "limits", "mounts", "namespaces", "owner", "owners", "root", "several", "stay", "touch", "warnings",
    )  # fmt: skip

    def __init__(self, **fields: object) -> None:
        self.id: str = fields["id"]  # type: ignore[assignment]
        self.image: str = fields["image"]  # type: ignore[assignment]
        self.label: str = fields["label"]  # type: ignore[assignment]
        self.touch: str = fields["touch"]  # type: ignore[assignment]
        self.owner: tuple[int, int] = fields["owner"]  # type: ignore[assignment]
        self.identity: users.Identity = fields["identity"]  # type: ignore[assignment]
        self.namespaces: tuple[str, ...] = fields["namespaces"]  # type: ignore[assignment]
        self.hostname: str | None = fields["hostname"]  # type: ignore[assignment]
        self.root: root.Tree | root.MemoryOverlay | root.Overlay | root.Copy = fields["root"]  # type: ignore[assignment]
        self.fallback: tuple[str, ...] = fields["fallback"]  # type: ignore[assignment]
        self.mounts: tuple[Mount, ...] = fields["mounts"]  # type: ignore[assignment]
        self.environment: tuple[Step, ...] = fields["environment"]  # type: ignore[assignment]
        self.directory: Directory = fields["directory"]  # type: ignore[assignment]
        self.binfmt: Foreign | None = fields["binfmt"]  # type: ignore[assignment]
        self.in_front: tuple[str, ...] = fields["in_front"]  # type: ignore[assignment]
        self.limits: tuple[tuple[str, str, str], ...] = fields["limits"]  # type: ignore[assignment]
        self.cpus: str = fields["cpus"]  # type: ignore[assignment]
        self.cgroup: str = fields["cgroup"]  # type: ignore[assignment]
        self.owners: tuple[str, str] | None = fields["owners"]  # type: ignore[assignment]
        # The maps of several ids, the groups of the user, and newuidmap and newgidmap; None: there is one id.
        self.several: tuple[IdMaps, tuple[int, ...], tuple[str, str]] | None = fields["several"]  # type: ignore[assignment]
        self.stay: Stay | None = fields["stay"]  # type: ignore[assignment]
        self.engine_options: tuple[str, ...] = fields["engine_options"]  # type: ignore[assignment]
        self.args: tuple[str, ...] = fields["args"]  # type: ignore[assignment]
        self.default_arguments: tuple[str, ...] = fields["default_arguments"]  # type: ignore[assignment]
        self.warnings: tuple[str, ...] = fields["warnings"]  # type: ignore[assignment]


class Directory:
    """Where the payload starts: `path`, or the caller's own directory (`path` is `None`), and what to do without it."""

    __slots__ = ("bind", "otherwise", "path")

    def __init__(self, path: str | None, otherwise: str, *, bind: bool = False) -> None:
        self.path = path
        self.otherwise = otherwise
        self.bind = bind


def plan(record: Record, config: ImageConfig, edits: Edits, facts: Facts, can: Can, way: Way = FOREGROUND) -> Plan:
    """Decide a start. Raises `UsageError` and `CannotHonour`."""
    request = record.request
    _check_terminal(request, facts, way)
    identity = users.identity_of(request, config, facts)
    warnings = check((*asks_of(record), *edits.asks), can)
    place, fallback = _root(record, facts, can)
    everything = [*mounts_of(request, identity, facts, _hostname(record)), *edits.mounts]
    owners = _owners(facts, can, place) if identity.uid == 0 else None
    everything += [File(APT_FILE, APT_TEXT)] if owners is not None and facts.apt and "noted-owners" in can.features else []
    if isinstance(place, root.Tree) and not request.read_only:
        # First, as their records are where the overlay fails at the start: what is bound below them has to be seen.
        everything[:0] = [Tmpfs(target) for target in fallback if not any(covers(m.target, target) for m in everything)]
        warnings.append(
            f"nothing but {', '.join(fallback)} and what is bound can be written here: no overlay over the image is possible"
        )
    if request.engine_trace and "trace" not in can.features:
        warnings.append(f"--engine-trace: the engine {can.engine} handles no calls, so it prints none")
    argv, default_arguments = command_line(request, config)
    binfmt: Foreign | None = None
    in_front: tuple[str, ...] = ()
    if facts.foreign is not None and not facts.foreign.by_kernel:
        if "foreign-programs" in can.features:
            binfmt = facts.foreign
        else:
            in_front = _in_front(facts.foreign, argv or default_arguments)
            everything.append(Bind(facts.foreign.interpreter, INTERPRETER, ("ro",)))
            warnings.append(
                f"only {in_front[-1]} itself runs by {facts.foreign.name}: this kernel cannot run the programs that it starts"
            )
    cgroup, bound_warnings = _bounds(request, facts)
    stay = stay_of(record, config, way, bounded=bool(cgroup))
    warnings += _unwatched(stay, can)
    return Plan(
        id=record.id,
        image=record.image.reference,
        label=f"sampan:{record.id[:12]}:{record.image.chain.partition(':')[2]}",
        touch=record.image.used,
        owner=(facts.account.uid, facts.account.gid),
        identity=identity,
        namespaces=_namespaces(request),
        hostname=_hostname(record),
        root=place,
        fallback=fallback,
        mounts=(*everything, *(Bind(path, path) for path in edits.devices)),
        environment=(*_environment(record, config, identity, facts), *edits.environment, *_stated(request, facts)),
        directory=_directory(request, config, place),
        limits=tuple(limits.parse_limit(text) for text in request.limits),
        cpus=limits.parse_cpus(request.cpuset) if request.cpuset is not None else "",
        cgroup=cgroup,
        binfmt=binfmt,
        in_front=in_front,
        owners=owners,
        several=_several(record, identity, facts),
        stay=_as_far_as(stay, can),
        engine_options=_engine_options(request, can),
        args=argv,
        default_arguments=default_arguments,
        warnings=(*warnings, *bound_warnings),
    )


def _check_terminal(request: Request, facts: Facts, way: Way) -> None:
    if request.tty and not facts.terminal and not way.detach:
        raise UsageError(
            "-t asks for a terminal, and standard input is none", "leave -t out; a terminal is used where there is one"
        )


def _several(record: Record, identity: users.Identity, facts: Facts) -> tuple[IdMaps, tuple[int, ...], tuple[str, str]] | None:
    if record.ids is None or facts.map_tools is None:
        return None
    return record.ids, users.groups_of(identity, facts.group), facts.map_tools


def _unwatched(stay: Stay | None, can: Can) -> list[str]:
    """Warnings of what an engine that stays beside nothing leaves out of what was not asked for by an option. Raises `CannotHonour`.

    What is to be removed at the end is removed by the next command that looks at containers.
    """
    if stay is None:
        return []
    if "watcher" not in can.features and "detach" in stay.flags:
        raise CannotHonour(
            f"a detached container is not possible: the engine {can.engine} cannot stay beside what it starts here",
            "`sampan doctor` says which engine can; or start it by `nohup sampan run ... &`",
        )
    said = f"the image's health check is not run: the engine {can.engine} cannot run one"
    return [said] if stay.health is not None and "health-checks" not in can.features else []


def _as_far_as(stay: Stay | None, can: Can) -> Stay | None:
    """What the engine can do of it."""
    if stay is None or "watcher" not in can.features:
        return None
    return stay if stay.health is None or "health-checks" in can.features else stay.without_health()


def _in_front(foreign: Foreign, words: tuple[str, ...]) -> tuple[str, ...]:
    """The words that run a program by its interpreter, which does not search PATH. Raises `CannotHonour`."""
    if not words[0].startswith("/"):
        raise CannotHonour(
            f"{words[0]} cannot be looked for: it is run by {foreign.name}, and this kernel cannot register that for you (Linux 6.7 can)",
            "name the program by its whole path, as /bin/ls",
        )
    return (INTERPRETER, "-0", words[0], words[0])


def _bounds(request: Request, facts: Facts) -> tuple[str, tuple[str, ...]]:
    """The control group that bounds memory and processors, and a warning where there is none. Raises `CannotHonour`."""
    if request.memory is not None:
        limits.parse_memory(request.memory)
    if request.cpus is not None:
        limits.parse_share(request.cpus)
    options = " and ".join(name for name, text in (("--memory", request.memory), ("--cpus", request.cpus)) if text is not None)
    if not options or facts.cgroup:
        return facts.cgroup, ()
    if request.limit_mode == "advisory":
        return "", (f"{options} is advice only: no control group is delegated to you here",)
    raise CannotHonour(
        f"{options} is not possible: no control group is delegated to you here",
        "let the batch system bound the job, or go on without the bound by --limit-mode advisory",
    )


def command_line(request: Request, config: ImageConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(fixed words, words used when a caller adds none) by Docker's rules of ENTRYPOINT and CMD. Raises `UsageError`."""
    if request.entrypoint is not None:
        fixed: tuple[str, ...] = (request.entrypoint,) if request.entrypoint else ()
        default: tuple[str, ...] = ()
    else:
        fixed, default = config.entrypoint, config.cmd
    if request.command:
        fixed, default = (*fixed, *request.command), ()
    if not fixed and not default:
        raise UsageError(f"{request.image} does not say what to run", f"name a program: sampan run {request.image} PROGRAM")
    if (fixed or default)[0] == "":
        raise UsageError("the program to run has an empty name")
    return fixed, default


def _owners(facts: Facts, can: Can, place: object) -> tuple[str, str] | None:
    """Where an imitated root's owners are noted, if not by the engine itself, and where those of the image stand."""
    if facts.owners is None or "shown-owners" not in can.features:
        return None
    if "noted-owners" in can.features:
        return facts.owners
    return ("", facts.owners[1]) if isinstance(place, root.Tree) else None  # a private copy has a table of both


def _root(
    record: Record, facts: Facts, can: Can
) -> tuple[root.Tree | root.MemoryOverlay | root.Overlay | root.Copy, tuple[str, ...]]:
    """The root, and the places that become writable where an overlay turns out to be refused."""
    image = record.image
    if record.keep == "copy":
        return root.Copy(f"{record.directory}/rootfs"), ()
    if record.keep == "overlay":
        overlay = root.Overlay(image.tree, f"{record.directory}/upper", f"{record.directory}/work")
        return (root.Tree(image.tree) if record.request.read_only else overlay), ()
    if record.request.read_only:
        return root.Tree(image.tree), ()
    places = (*FALLBACK_PLACES, TMP) if record.request.isolate else FALLBACK_PLACES
    if "memory-overlay" not in can.features:
        return root.Tree(image.tree), places
    return root.MemoryOverlay(image.tree, facts.memory), places


def _namespaces(request: Request) -> tuple[str, ...]:
    wanted = (
        ("pid", own_pid(request)),
        ("ipc", request.ipc == "private" or (request.isolate and request.ipc is None)),
        ("uts", _own_name(request)),
        ("net", request.network == "none"),
    )
    return ("user", "mount", *(name for name, yes in wanted if yes))


def _own_name(request: Request) -> bool:
    return request.hostname is not None or request.uts == "private" or (request.isolate and request.uts is None)


def _engine_options(request: Request, can: Can) -> tuple[str, ...]:
    """What an engine is told besides the plan: `landlock`, `trace`."""
    wanted = (("landlock", request.landlock), ("trace", request.engine_trace and "trace" in can.features))
    return tuple(word for word, yes in wanted if yes)


def _hostname(record: Record) -> str | None:
    return (record.request.hostname or record.id[:12]) if _own_name(record.request) else None


def _environment(record: Record, config: ImageConfig, identity: users.Identity, facts: Facts) -> list[Step]:
    """The caller's share, the image's, then what describes the container."""
    request = record.request
    if request.environment_host:
        steps = [Step("prefix", "")]
    elif request.isolate:
        steps = [Step("take", "TERM")]
    else:
        steps = [Step("take", name) for name in (*environment.PASSED_NAMES, *scheduler.NAMES)]
        steps += [Step("prefix", prefix) for prefix in (*environment.PASSED_PREFIXES, *scheduler.PREFIXES)]
    steps.append(Step("set", f"PATH={environment.DEFAULT_PATH}"))
    steps += [Step("set", pair) for pair in config.env if "=" in pair]
    home = identity.home if request.isolate or identity.name != facts.account.name else facts.account.home or "/"
    steps += [Step("set", f"HOME={home}"), Step("set", f"USER={identity.name}")]
    if _hostname(record) is not None:
        steps.append(Step("set", f"HOSTNAME={_hostname(record)}"))
    return [*steps, Step("set", f"SAMPAN_CONTAINER={record.id[:12]}"), Step("set", f"SAMPAN_IMAGE={record.image.reference}")]


def _stated(request: Request, facts: Facts) -> list[Step]:
    """What the user states comes last and wins."""
    steps: list[Step] = []
    for path, raw in facts.environment_files:
        steps += environment.read_file(raw, path)
    return steps + environment.from_options(request.environment)


def _directory(request: Request, config: ImageConfig, place: object) -> Directory:
    create = "refuse" if isinstance(place, root.Tree) else "create"
    if request.workdir is not None:
        return Directory(mounts.normal(request.workdir), create)
    own = mounts.normal(config.working_dir) if config.working_dir else "/"
    if request.isolate:
        return Directory(own, create)
    return Directory(None, own, bind=True)
