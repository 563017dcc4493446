"""The request: what a user asked for, the same on every host, and the table of options that makes one.

On the start-up path.
"""

from __future__ import annotations

from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Option, Parsed

KEEP_OPTIONS = (
    Option("--name", VALUE, "give the container a name; it is kept, with what it changes", "NAME"),
    Option("--read-only", FLAG, "start from the image itself, nothing in it can be changed (the fast way)"),
    Option("--root", FLAG, "be root inside, mapped to yourself"),
    Option("--isolate", FLAG, "Docker's bare view: no home, no current directory, no /tmp of the host; own ipc and host name"),
    Option("-u --user", VALUE, "be this user of the image, mapped to yourself", "USER[:GROUP]"),
    Option("-e --env", LIST, "set a variable; NAME alone takes it from here", "NAME[=VALUE]"),
    Option("--env-file", LIST, "set variables from the lines of a file", "FILE"),
    Option("--env-host", FLAG, "pass all variables of the host"),
    Option("-v --volume", LIST, "make a directory or file of the host visible", "SOURCE[:TARGET[:ro]]"),
    Option("--tmpfs", LIST, "an empty directory in memory", "TARGET[:size=64m,mode=1777]"),
    Option("-w --workdir", VALUE, "directory to start in", "DIR"),
    Option("--entrypoint", VALUE, "replace the image's entry point; empty: use none", "PROGRAM"),
    Option("--hostname", VALUE, "own host name", "NAME"),
    Option("--network --net", VALUE, "the host's network, or none at all", "host|none", ("host", "none")),
    Option("-i --interactive", FLAG, "accepted; standard input is always passed"),
    Option("-t --tty", FLAG, "refuse to start without a terminal"),
    Option("--engine", VALUE, "how to run it, see `sampan doctor`", "ENGINE"),
    Option("--engine-trace", FLAG, "print each system call that the engine intercept handles"),
    Option("--landlock", FLAG, "let the kernel itself refuse what lies outside of the image and the binds"),
)  # fmt: skip
IMAGE_OPTIONS = (
    Option("--pull", VALUE, "when to ask the registry", "missing|always|never", ("missing", "always", "never")),
    Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]"),
)
CREATE_OPTIONS = (*KEEP_OPTIONS, *IMAGE_OPTIONS)
RUN_OPTIONS = (
    Option("--rm", FLAG, "keep nothing, even with --name; without a name nothing is kept anyway"),
    *CREATE_OPTIONS,
    Option("--dry-run", FLAG, "print the plan and start nothing"),
)
IMAGE_ARGUMENTS = (
    Argument("IMAGE", "1", "a reference such as debian:12"),
    Argument("COMMAND", "*", "the program and its arguments; default: what the image names"),
)
_FIELDS = (
    "image", "command", "entrypoint", "environment", "environment_files", "environment_host", "volumes", "tmpfs", "workdir",
    "user", "root", "isolate", "read_only", "hostname", "network", "tty", "engine", "engine_trace", "landlock", "platform",
)  # fmt: skip


class Request:
    """What was asked for. Texts as they were written, checked where that needs no host; `None` means not given."""

    __slots__ = _FIELDS

    def __init__(self, image: str, **fields: object) -> None:
        self.image = image
        self.command: tuple[str, ...] = _texts(fields, "command")
        self.entrypoint: str | None = _text(fields, "entrypoint")
        self.environment: tuple[str, ...] = _texts(fields, "environment")
        self.environment_files: tuple[str, ...] = _texts(fields, "environment_files")
        self.environment_host = bool(fields.get("environment_host"))
        self.volumes: tuple[str, ...] = _texts(fields, "volumes")
        self.tmpfs: tuple[str, ...] = _texts(fields, "tmpfs")
        self.workdir: str | None = _text(fields, "workdir")
        self.user: str | None = _text(fields, "user")
        self.root = bool(fields.get("root"))
        self.isolate = bool(fields.get("isolate"))
        self.read_only = bool(fields.get("read_only"))
        self.hostname: str | None = _text(fields, "hostname")
        self.network = _text(fields, "network") or "host"
        self.tty = bool(fields.get("tty"))
        self.engine: str | None = _text(fields, "engine")
        self.engine_trace = bool(fields.get("engine_trace"))
        self.landlock = bool(fields.get("landlock"))
        self.platform: str | None = _text(fields, "platform")
        unknown = set(fields) - set(_FIELDS)
        if unknown:
            raise UsageError(f"a container cannot be asked for {', '.join(sorted(unknown))}")
        _check(self)

    def with_command(self, command: tuple[str, ...]) -> Request:
        """The same request with another command."""
        return Request(**{**self.document(), "command": command})  # type: ignore[arg-type]

    def document(self) -> dict[str, object]:
        """The fields that differ from their defaults, for a record."""
        empty: tuple[object, ...] = (None, False, (), "")
        found = {name: getattr(self, name) for name in _FIELDS}
        return {name: value for name, value in found.items() if value not in empty and (name, value) != ("network", "host")}


def from_document(document: dict[str, object]) -> Request:
    """A request out of a record."""
    return Request(**{name: tuple(value) if isinstance(value, list) else value for name, value in document.items()})  # type: ignore[arg-type]


def from_options(parsed: Parsed) -> Request:
    """The request that a command line makes. Raises `UsageError`."""
    return Request(
        str(parsed.values["image"]),
        command=parsed.texts("command"),
        entrypoint=parsed.text("entrypoint"),
        environment=parsed.texts("env"),
        environment_files=parsed.texts("env_file"),
        environment_host=parsed.flag("env_host"),
        volumes=parsed.texts("volume"),
        tmpfs=parsed.texts("tmpfs"),
        workdir=parsed.text("workdir"),
        user=parsed.text("user"),
        root=parsed.flag("root"),
        isolate=parsed.flag("isolate"),
        read_only=parsed.flag("read_only"),
        hostname=parsed.text("hostname"),
        network=parsed.text("net"),
        tty=parsed.flag("tty"),
        engine=parsed.text("engine"),
        engine_trace=parsed.flag("engine_trace"),
        landlock=parsed.flag("landlock"),
        platform=parsed.text("platform"),
    )


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
    if request.hostname is not None and (not 0 < len(request.hostname) <= 64 or not _host_name(request.hostname)):
        raise UsageError(f"--hostname {request.hostname!r} is not a host name", "letters, digits, `-` and `.`, at most 64")


def _host_name(name: str) -> bool:
    return name.replace("-", "a").replace(".", "a").isalnum() and name.isascii() and name[0] not in "-."


def _texts(fields: dict[str, object], name: str) -> tuple[str, ...]:
    value = fields.get(name) or ()
    if isinstance(value, str) or not isinstance(value, (tuple, list)) or not all(isinstance(item, str) for item in value):
        raise UsageError(f"{name} must be a list of texts, not {value!r}")
    return tuple(value)


def _text(fields: dict[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{name} must be a text, not {value!r}")
    return value
