"""The plan: everything a start will do on this host, decided by a pure function. On the start-up path.

`plan(record, config, edits, facts, can)` gives the same plan for the same arguments. An engine turns it into a launch
file (or its own command); `describe` in a module of its own is what `--dry-run` prints.
"""

from __future__ import annotations

from sampan.container import environment, mounts, root, users
from sampan.container.asks import Ask, check
from sampan.container.environment import Step
from sampan.container.mounts import Bind, File, Special, Tmpfs, covers
from sampan.errors import UsageError
from sampan.host import scheduler

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.asks import Can
    from sampan.container.edits import Edits
    from sampan.container.facts import Facts
    from sampan.container.record import Record
    from sampan.container.request import Request
    from sampan.oci.config import ImageConfig

    Mount = Bind | Tmpfs | File | Special

# What stays writable where no overlay is possible, besides the directories that are bound.
FALLBACK_PLACES = ("/run", "/var/tmp")  # noqa: S108 - inside
TMP = "/tmp"  # noqa: S108 - shared with the host on purpose, or inside


class Plan:
    """An immutable list of what a start will do."""

    __slots__ = (
        "args", "default_arguments", "directory", "engine_options", "environment", "fallback", "hostname", "id", "identity", "image", "label",
        "mounts", "namespaces", "owner", "root", "touch", "warnings",
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


def plan(record: Record, config: ImageConfig, edits: Edits, facts: Facts, can: Can) -> Plan:
    """Decide a start. Raises `UsageError` and `CannotHonour`."""
    request = record.request
    if request.tty and not facts.terminal:
        raise UsageError(
            "-t asks for a terminal, and standard input is none", "leave -t out; a terminal is used where there is one"
        )
    identity = _identity(request, config, facts)
    warnings = check((*asks(record), *edits.asks), can)
    place, fallback = _root(record, facts, can)
    named = _named_mounts(request, facts)
    own = [mount for mount in _default_mounts(request, identity, facts) if not any(covers(n.target, mount.target) for n in named)]
    everything = sorted([*own, *named, *edits.mounts], key=lambda mount: mount.target.count("/"))
    if isinstance(place, root.Tree) and not request.read_only:
        everything += [Tmpfs(target) for target in fallback if not any(covers(m.target, target) for m in everything)]
        warnings.append(
            f"nothing but {', '.join(fallback)} and what is bound can be written here: no overlay over the image is possible"
        )
    if request.engine_trace and "trace" not in can.features:
        warnings.append(f"--engine-trace: the engine {can.engine} handles no calls, so it prints none")
    argv, default_arguments = command_line(request, config)
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
        engine_options=_engine_options(request, can),
        args=argv,
        default_arguments=default_arguments,
        warnings=tuple(warnings),
    )


def asks(record: Record) -> tuple[Ask, ...]:
    """What a record asks of an engine, in the user's words."""
    request = record.request
    found = [Ask("binds", "the default view of the host", must=True)] if not request.isolate else []
    if request.read_only:
        found.append(Ask("read-only-root", "--read-only", must=True))
    elif record.keep != "memory":  # without an overlay in memory the plan shows less that can be written, and says so
        found.append(Ask("kept-overlay" if record.keep == "overlay" else "private-copy", "a named container", must=True))
    wanted = (
        (request.root, "root-user", "--root"),
        (request.user is not None, "other-user", "--user"),
        (request.network == "none", "own-network", "--network none"),
        (request.hostname is not None, "own-hostname", "--hostname"),
        (request.isolate, "own-ipc", "--isolate"),
        (request.isolate, "small-dev", "--isolate"),
        (request.landlock, "landlock", "--landlock"),
        (bool(request.volumes), "binds", "--volume"),
        (bool(request.tmpfs), "tmpfs", "--tmpfs"),
        (any("size=" in text.partition(":")[2] for text in request.tmpfs), "bounded-tmpfs", "--tmpfs ...:size"),
        (any(":" in v and "ro" in v.split(":")[-1].split(",") for v in request.volumes), "read-only-binds", "--volume ...:ro"),
    )
    return (*found, *(Ask(feature, words, must=True) for yes, feature, words in wanted if yes))


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


def _identity(request: Request, config: ImageConfig, facts: Facts) -> users.Identity:
    text = "0:0" if request.root else request.user
    if text is None and request.isolate and config.user:
        text = config.user
    if text is None:
        account = facts.account
        return users.Identity(account.uid, account.gid, account.name, account.home or "/")
    found = users.resolve(text, facts.passwd, facts.group)
    return users.Identity(0, 0, "root", "/root") if request.root else found


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
    found = ["user", "mount"]
    if request.isolate:
        found.append("ipc")
    if request.isolate or request.hostname is not None:
        found.append("uts")
    if request.network == "none":
        found.append("net")
    return tuple(found)


def _engine_options(request: Request, can: Can) -> tuple[str, ...]:
    """What an engine is told besides the plan: `landlock`, `trace`."""
    wanted = (("landlock", request.landlock), ("trace", request.engine_trace and "trace" in can.features))
    return tuple(word for word, yes in wanted if yes)


def _hostname(record: Record) -> str | None:
    return record.request.hostname or (record.id[:12] if record.request.isolate else None)


def _named_mounts(request: Request, facts: Facts) -> list[Mount]:
    found: list[Mount] = [mounts.parse_volume(text, facts.directory) for text in request.volumes]
    found += [mounts.parse_tmpfs(text) for text in request.tmpfs]
    seen: set[str] = set()
    for mount in found:
        if mount.target in seen:
            raise UsageError(f"two mounts have the target {mount.target}", "name each target once")
        seen.add(mount.target)
    return found


def _default_mounts(request: Request, identity: users.Identity, facts: Facts) -> list[Mount]:
    """What is visible unless the user names something else there."""
    if request.isolate:
        found: list[Mount] = [Special("dev", "/dev"), Bind("/proc", "/proc"), Bind("/sys", "/sys", ("ro", "optional"))]
        if request.user is None and not request.root and identity.home != "/" and identity.uid == facts.account.uid:
            found.append(Tmpfs(identity.home, 0o700))
    else:
        found = [
            Bind("/dev", "/dev"),
            Bind("/proc", "/proc"),
            Bind("/sys", "/sys", ("optional",)),
            Bind(TMP, TMP, ("optional",)),
        ]
        if facts.account.home not in ("", "/"):
            found.append(Bind(facts.account.home, facts.account.home, ("optional",)))
    if request.network == "host":
        found.append(Bind("/etc/resolv.conf", "/etc/resolv.conf", ("optional",)))
    if request.hostname is None and not request.isolate and request.network == "host":
        found.append(Bind("/etc/hosts", "/etc/hosts", ("optional",)))
    else:
        base = facts.hosts if request.network == "host" and not request.isolate else b"127.0.0.1\tlocalhost\n::1\tlocalhost\n"
        extra = f"127.0.1.1\t{request.hostname}\n".encode() if request.hostname else b""
        found.append(File("/etc/hosts", base + extra))
    if identity.uid == facts.account.uid and identity.name == facts.account.name:
        passwd = users.passwd_with(facts.passwd, identity)
        group = users.group_with(facts.group, facts.account.group, identity.gid)
        found += [File("/etc/passwd", passwd)] if passwd != facts.passwd else []
        found += [File("/etc/group", group)] if group != facts.group else []
    return found


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
