"""The request: what a user asked for, the same on every host, and the table of options that makes one.

On the start-up path.
"""

from __future__ import annotations

from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Option, Parsed

OWN_OR_HOST = ("host", "private")
KEEP_OPTIONS = (
    Option("--name", VALUE, "give the container a name; it is kept, with what it changes", "NAME"),
    Option("-l --label", LIST, "a label for lists and filters", "NAME=VALUE"),
    # Files
    Option("--read-only", FLAG, "start from the image itself, nothing in it can be changed (the fast way)"),
    Option("-v --volume", LIST, "make a directory or file of the host visible", "SOURCE[:TARGET[:ro]]"),
    Option("--mount", LIST, "the same in words: bind, tmpfs, or another image read-only", "type=TYPE,source=SOURCE,target=TARGET,..."),
    Option("--volumes-from", LIST, "what is mounted in another container", "CONTAINER[:ro]"),
    Option("--tmpfs", LIST, "an empty directory in memory", "TARGET[:size=64m,mode=1777]"),
    Option("--device", LIST, "a device of the host, for --isolate", "DEVICE[:TARGET[:rwm]]"),
    Option("--shm-size", VALUE, "a /dev/shm of its own, this large", "SIZE"),
    Option("-w --workdir", VALUE, "directory to start in; made if it is missing", "DIR"),
    # Who and what
    Option("--root", FLAG, "be root inside, mapped to yourself; owners that are set are noted"),
    Option("--subids", FLAG, "several real users inside, by the ranges of /etc/subuid, on a private copy; root unless -u says another"),
    Option("-u --user", VALUE, "be this user of the image, mapped to yourself", "USER[:GROUP]"),
    Option("--userns", VALUE, "accepted: your ids are kept unless --root or --user say otherwise", "keep-id|host", ("keep-id", "host")),
    Option("--entrypoint", VALUE, "replace the image's entry point; empty: use none", "PROGRAM"),
    Option("-e --env", LIST, "set a variable; NAME alone takes it from here", "NAME[=VALUE]"),
    Option("--env-file", LIST, "set variables from the lines of a file", "FILE"),
    Option("--env-host", FLAG, "pass all variables of the host"),
    # What of the host is there
    Option("--isolate", FLAG, "Docker's bare view: no home, directory, /tmp, processes of the host; own ipc and host name"),
    Option("--network --net", VALUE, "the host's network, or none at all", "host|none", ("host", "none")),
    Option("--hostname", VALUE, "own host name", "NAME"),
    Option("--add-host", LIST, "a line for /etc/hosts", "NAME:ADDRESS"),
    Option("--dns", LIST, "a name server for /etc/resolv.conf", "ADDRESS"),
    Option("--dns-search", LIST, "a search domain for /etc/resolv.conf", "DOMAIN"),
    Option("--pid", VALUE, "see the host's processes, or only its own", "host|private", OWN_OR_HOST),
    Option("--ipc", VALUE, "the host's System V IPC and queues, or its own", "host|private", OWN_OR_HOST),
    Option("--uts", VALUE, "the host's name, or one of its own", "host|private", OWN_OR_HOST),
    Option("--x11", FLAG, "show windows on your display"),
    Option("--ssh-agent", FLAG, "use your ssh agent"),
    # Bounds
    Option("-m --memory", VALUE, "at most so much memory, as 512m or 4g", "SIZE"),
    Option("--cpus", VALUE, "at most so many processors' time", "NUMBER"),
    Option("--limit-mode", VALUE, "where no cgroup can bound it: refuse (must, the default) or only warn", "must|advisory", ("must", "advisory")),
    Option("--cpuset-cpus", VALUE, "only these processors", "LIST"),
    Option("--ulimit", LIST, "a limit of setrlimit", "NAME=SOFT[:HARD]"),
    Option("--timeout", VALUE, "end it after so many seconds, with exit status 124", "SECONDS"),
    # Life
    Option("--init", FLAG, "a small init as process 1, which reaps and forwards signals"),
    Option("--stop-signal", VALUE, "the signal that asks it to end", "SIGNAL"),
    Option("--stop-timeout", VALUE, "seconds between that signal and SIGKILL", "SECONDS"),
    Option("--health-cmd", VALUE, "a command that tells whether it is well", "COMMAND"),
    Option("--health-interval", VALUE, "time between two such commands", "DURATION"),
    Option("--health-timeout", VALUE, "time that one may take", "DURATION"),
    Option("--health-retries", VALUE, "failures in a row that count", "NUMBER"),
    Option("--health-start-period", VALUE, "time in which failures do not count", "DURATION"),
    Option("--no-healthcheck", FLAG, "none, whatever the image says"),
    Option("-i --interactive", FLAG, "keep standard input open when detached; otherwise it is always passed"),
    Option("-t --tty", FLAG, "a terminal when detached; otherwise refuse to start without one"),
    Option("--engine", VALUE, "how to run it, see `sampan doctor`", "ENGINE"),
    Option("--engine-trace", FLAG, "print each system call that the engine intercept handles"),
    Option("--landlock", FLAG, "let the kernel itself refuse what lies outside of the image and the binds"),
)  # fmt: skip
# Of Docker's options those that cannot be honoured: a lie about them would be worse than a refusal.
REFUSED_OPTIONS = (
    Option("--group-add", LIST, "refused: with one id mapped there is one group", "GROUP"),
    Option("-p --publish", LIST, "refused: the network is the host's, so a port that is opened inside is open outside", "PORTS"),
    Option(
        "--restart", VALUE, "refused: without a daemon nobody would restart it; a batch system or systemd --user can", "POLICY"
    ),
)
IMAGE_OPTIONS = (
    Option(
        "--pull", VALUE, "when to ask the registry (default: missing)", "missing|always|never", ("missing", "always", "never")
    ),
    Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]"),
    Option("--offline", FLAG, "ask no registry: the image has to be in a store"),
    Option(
        "--cvmfs", VALUE, "how to get at an image cvmfs://NAME/PATH", "mounted|fuse|bundle", ("auto", "mounted", "fuse", "bundle")
    ),
)
CREATE_OPTIONS = (*KEEP_OPTIONS, *IMAGE_OPTIONS, *REFUSED_OPTIONS)
RUN_OPTIONS = (
    Option("--rm", FLAG, "keep nothing when it has ended, even with --name or -d; else nothing is kept anyway"),
    *KEEP_OPTIONS,
    *IMAGE_OPTIONS,
    Option("-d --detach", FLAG, "in the background, with logs; print the id"),
    Option("--stage", VALUE, "run from a copy of the image on this local disk, made by the first who asks", "DIRECTORY"),
    Option("--scratch", FLAG, "keep changes on disk instead of in memory while it runs"),
    Option("--cidfile", VALUE, "write the container's id into a new file", "FILE"),
    Option("--dry-run", FLAG, "print the plan and start nothing"),
    *REFUSED_OPTIONS,
)
IMAGE_ARGUMENTS = (
    Argument("IMAGE", "1", "a reference such as debian:12"),
    Argument("COMMAND", "*", "the program and its arguments; default: what the image names"),
)
# Field of a request -> name of its option.
TEXTS = {
    "command": "command", "environment": "env", "environment_files": "env_file", "volumes": "volume", "mounts": "mount",
    "volumes_from": "volumes_from", "tmpfs": "tmpfs", "devices": "device", "add_hosts": "add_host", "dns": "dns",
    "dns_search": "dns_search", "limits": "ulimit", "labels": "label", "left_out": "left_out",
}  # fmt: skip
TEXT = {
    "entrypoint": "entrypoint", "workdir": "workdir", "user": "user", "hostname": "hostname", "network": "net", "shm_size": "shm_size",
    "pid": "pid", "ipc": "ipc", "uts": "uts", "userns": "userns", "memory": "memory", "cpus": "cpus", "limit_mode": "limit_mode",
    "cpuset": "cpuset_cpus", "timeout": "timeout", "stop_signal": "stop_signal", "stop_timeout": "stop_timeout",
    "health_command": "health_cmd", "health_interval": "health_interval", "health_timeout": "health_timeout",
    "health_retries": "health_retries", "health_start_period": "health_start_period", "engine": "engine", "platform": "platform",
}  # fmt: skip
FLAGS = {
    "environment_host": "env_host", "read_only": "read_only", "root": "root", "isolate": "isolate", "x11": "x11",
    "ssh_agent": "ssh_agent", "init": "init", "engine_trace": "engine_trace", "landlock": "landlock", "no_health": "no_healthcheck", "interactive": "interactive", "tty": "tty",
    "scratch": "scratch", "subids": "subids", "no_config": "no_config",
}  # fmt: skip
# What a field that was not asked for is; by it the fields of the three kinds are told apart.
_NOTHING: dict[str, object] = {**dict.fromkeys(TEXTS, ()), **dict.fromkeys(TEXT), **dict.fromkeys(FLAGS, False)}
_UNKNOWN = object()


class Request:
    """What was asked for. Texts as they were written, checked where that needs no host; `None` means not given."""

    __slots__ = ("image", *TEXTS, *TEXT, *FLAGS)
    image: str
    command: tuple[str, ...]
    environment: tuple[str, ...]
    environment_files: tuple[str, ...]
    volumes: tuple[str, ...]
    mounts: tuple[str, ...]
    volumes_from: tuple[str, ...]
    tmpfs: tuple[str, ...]
    devices: tuple[str, ...]
    add_hosts: tuple[str, ...]
    dns: tuple[str, ...]
    dns_search: tuple[str, ...]
    limits: tuple[str, ...]
    labels: tuple[str, ...]
    left_out: tuple[str, ...]  # targets of the default view that are not to be there
    entrypoint: str | None
    workdir: str | None
    user: str | None
    hostname: str | None
    network: str | None
    shm_size: str | None
    pid: str | None
    ipc: str | None
    uts: str | None
    userns: str | None
    memory: str | None
    cpus: str | None
    limit_mode: str | None
    cpuset: str | None
    timeout: str | None
    stop_signal: str | None
    stop_timeout: str | None
    health_command: str | None
    health_interval: str | None
    health_timeout: str | None
    health_retries: str | None
    health_start_period: str | None
    engine: str | None
    platform: str | None
    environment_host: bool
    read_only: bool
    root: bool
    isolate: bool
    x11: bool
    ssh_agent: bool
    init: bool
    no_health: bool
    interactive: bool
    tty: bool
    scratch: bool
    subids: bool
    no_config: bool  # whatever the image says of how it is run
    engine_trace: bool
    landlock: bool

    def __init__(self, image: str, **fields: object) -> None:
        self.image = image
        for name, nothing in _NOTHING.items():
            setattr(self, name, nothing)
        self._set(fields)

    def _set(self, fields: dict[str, object]) -> None:
        for name, value in fields.items():
            nothing = _NOTHING.get(name, _UNKNOWN)
            if nothing is None:
                setattr(self, name, _text(name, value))
            elif nothing is False:
                setattr(self, name, bool(value))
            elif nothing == ():
                setattr(self, name, _texts(name, value))
            elif name == "image":
                self.image = str(value)
            else:
                unknown = fields.keys() - _NOTHING.keys()
                raise UsageError(f"a container cannot be asked for {', '.join(sorted(unknown))}")
        _check(self)

    def but(self, **fields: object) -> Request:
        """The same request with other values of some fields."""
        found = object.__new__(Request)
        for name in Request.__slots__:
            setattr(found, name, getattr(self, name))
        found._set(fields)
        return found

    def document(self) -> dict[str, object]:
        """The image and the fields that were asked for, for a record."""
        found = {name: value for name, nothing in _NOTHING.items() if (value := getattr(self, name)) != nothing}
        return {"image": self.image, **found}


def from_document(document: dict[str, object]) -> Request:
    """A request out of a record."""
    return Request(**{name: tuple(value) if isinstance(value, list) else value for name, value in document.items()})  # type: ignore[arg-type]


def from_options(parsed: Parsed) -> Request:
    """The request that a command line makes. Raises `UsageError`."""
    for option in REFUSED_OPTIONS:
        if option.name in parsed.given:
            raise UsageError(f"{option.spellings[-1]} is {option.help}")
    values = parsed.values
    fields: dict[str, object] = {field: values.get(name) for field, name in {**TEXTS, **TEXT, **FLAGS}.items()}
    return Request(str(values["image"]), **fields)


def _check(request: Request) -> None:
    """What can be wrong whatever the host and the image are."""
    if request.root and request.user is not None:
        raise UsageError("--root and --user contradict each other", "--root is --user 0:0")
    if request.workdir is not None and not request.workdir.startswith("/"):
        raise UsageError(f"--workdir must be absolute, not {request.workdir!r}")
    for pair in request.environment:
        if not pair.partition("=")[0]:
            raise UsageError(f"--env {pair!r} has no name", "write --env NAME=VALUE")
        if "\0" in pair:
            raise UsageError("--env cannot hold a NUL byte")
    for label in request.labels:
        if not label.partition("=")[0]:
            raise UsageError(f"--label {label!r} has no name", "write --label NAME=VALUE")
    if request.hostname is not None and (not 0 < len(request.hostname) <= 64 or not _host_name(request.hostname)):
        raise UsageError(f"--hostname {request.hostname!r} is not a host name", "letters, digits, `-` and `.`, at most 64")
    if request.hostname is not None and request.uts == "host":
        raise UsageError("--hostname and --uts host contradict each other")
    if request.health_command is not None and request.no_health:
        raise UsageError("--health-cmd and --no-healthcheck contradict each other")
    for name, choices in (("network", ("host", "none")), ("pid", OWN_OR_HOST), ("ipc", OWN_OR_HOST), ("uts", OWN_OR_HOST)):
        if getattr(request, name) not in (None, *choices):
            raise UsageError(f"{name} cannot be {getattr(request, name)!r}", f"it is one of {', '.join(choices)}")


def _host_name(name: str) -> bool:
    return name.replace("-", "a").replace(".", "a").isalnum() and name.isascii() and name[0] not in "-."


def _texts(name: str, value: object) -> tuple[str, ...]:
    value = value or ()
    if isinstance(value, str) or not isinstance(value, (tuple, list)) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{name} must be a list of texts, not {value!r}")
    return tuple(value)


def _text(name: str, value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name} must be a text, not {value!r}")
    return value
