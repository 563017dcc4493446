"""`docker start`, `stop`, `restart`, `kill`, `pause`, `unpause`, `wait`, `rm`, `rename`, `attach`, `container prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.compat import launch
from sampan.compat.docker import words
from sampan.compat.docker.several import each, each_container, named
from sampan.container import shelf, state
from sampan.container.limits import parse_seconds
from sampan.errors import ContainerNotFound, HostError, UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.options.unserved import SILENT, WARNED, Unserved
from sampan.runtime import containers, life, ps, volumes
from sampan.runtime.attach import attach
from sampan.store import du
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.container.record import Record


def start(call: Call) -> int:
    """In the background and its name; with -a or -i one in the foreground."""
    parsed, session, context = call.parsed, call.session(), call.context
    names = parsed.texts("container")
    if parsed.flag("attach") or parsed.flag("interactive"):
        if len(names) != 1:
            raise UsageError("you cannot start and attach multiple containers at once")
        record = named(names[0], session)
        stdin = parsed.flag("interactive") or record.request.tty
        return launch.foreground(record, session, context, remove=record.keep == "memory", stdin=stdin)

    def do(record: Record) -> None:
        if state.runner(record.directory) is not None:
            return
        if launch.detached(record, session, context, remove=record.keep == "memory"):
            raise HostError(f"the container {record.shown} did not start")

    return each_container(call, do)


def stop(call: Call) -> int:
    """The names."""
    parsed, session = call.parsed, call.session()
    text = parsed.text("time")
    seconds = None if text is None else parse_seconds(text.lstrip("-") if text != "-1" else "31536000", "--time")
    return _each(
        call, lambda record: life.stop(_stopped_by(record, call), seconds, session), ignore=bool(parsed.values.get("ignore"))
    )


def _stopped_by(record: Record, call: Call) -> Record:
    """The container with the signal of --signal."""
    signal = call.parsed.text("signal")
    return record if signal is None else record.with_request(record.request.but(stop_signal=signal))


def _each(call: Call, do: object, *, ignore: bool) -> int:
    """`each_container` for the words, or with --all for all that run; `ignore`: a missing one is no failure."""
    session = call.session()
    names = _names(call)
    if call.parsed.values.get("all"):
        names = tuple(entry.id for entry in ps.listed(session, anonymous=False))
    elif not names:
        raise UsageError(f"`{call.program.name} {call.verb}` needs a container", f"see `{call.program.name} ps`")

    def one(name: str) -> str | None:
        try:
            record = named(name, session)
        except ContainerNotFound:
            if ignore:
                return ""
            raise
        do(record)  # type: ignore[operator]
        return None

    return each(names, call, one)


def _names(call: Call) -> tuple[str, ...]:
    """The words, and the ids in the files of --cidfile. Raises `UsageError`."""
    found = list(call.parsed.texts("container"))
    paths = call.parsed.values.get("cidfile")
    for path in paths if isinstance(paths, tuple) else ():
        try:
            with open(path, encoding="ascii", errors="replace") as stream:
                found.append(stream.read(100).strip())
        except OSError as error:
            raise UsageError(f"--cidfile: cannot read {path}: {error.strerror}") from error
    return tuple(found)


def restart(call: Call) -> int:
    """The names."""
    parsed, session, context = call.parsed, call.session(), call.context
    text = parsed.text("time")
    seconds = None if text is None else parse_seconds(text, "--time")

    def do(record: Record) -> None:
        life.stop(_stopped_by(record, call), seconds, session)
        if launch.detached(named(record.id, session), session, context):
            raise HostError(f"the container {record.shown} was stopped and did not start again")

    return _each(call, do, ignore=False)


def kill(call: Call) -> int:
    """The names."""
    signal = call.parsed.text("signal") or "KILL"

    def do(record: Record) -> None:
        if state.runner(record.directory) is None:
            raise UsageError(f"cannot kill container {record.shown}: it is not running", f"sampan start {record.shown}")
        life.kill(record, signal)

    return _each(call, do, ignore=False)


def pause(call: Call) -> int:
    """The names."""
    return _each(call, life.pause, ignore=False)


def unpause(call: Call) -> int:
    """The names."""

    def do(record: Record) -> None:
        life.here(record)
        life.resume(record)

    return _each(call, do, ignore=False)


def wait(call: Call) -> int:
    """An exit status a line."""
    return each_container(call, lambda record: str(life.wait(record)))


def remove(call: Call) -> int:
    """The names."""
    parsed, session = call.parsed, call.session()
    force = parsed.flag("force")
    names = _names(call)
    if parsed.values.get("all"):
        names = tuple(entry.id for entry in ps.listed(session, everything=True, anonymous=False))
    elif not names:
        raise UsageError(f"`{call.program.name} rm` needs a container", f"see `{call.program.name} ps -a`")

    def do(name: str) -> str | None:
        try:
            own = volumes.anonymous_of(named(name, session), session) if parsed.flag("volumes") else []
            gone = containers.remove(name, session, force=force)
            for volume in own:
                volumes.remove(volume, session)
        except ContainerNotFound as error:
            if parsed.values.get("ignore"):
                return ""
            raise ContainerNotFound(f"No such container: {name}", error.hint) from error
        return None if gone or call.program.name == "docker" else ""

    return each(names, call, do)


def rename(call: Call) -> int:
    """Nothing is printed."""
    session = call.session()
    record = named(str(call.parsed.values["container"]), session)
    life.rename(record, str(call.parsed.values["name"]), session)
    return 0


def attach_(call: Call) -> int:
    """The container's exit status."""
    session = call.session()
    record = named(str(call.parsed.values["container"]), session)
    status = attach(record, session, stdin=not call.parsed.flag("no_stdin"))
    return 0 if status is None else status


def prune(call: Call) -> int:
    """Ids of what was removed."""
    session = call.session()
    found = ps.prunable(session, call.parsed.texts("filter"))
    freed = sum(du.size_of(session.store.join("containers", entry.id)) for entry in found)
    for entry in found:
        containers.remove(entry.id, session)
    ids = "".join(f"{entry.id}\n" for entry in found)
    if call.program.name == "podman":
        result(ids)
    else:
        result((f"Deleted Containers:\n{ids}\n" if found else "") + f"Total reclaimed space: {words.size(freed)}\n")
    return 0


def port(call: Call) -> int:
    """Nothing: no port is another one outside."""
    session = call.session()
    shelf.id_of(session.store, str(call.parsed.values["container"]))
    return 0


_CONTAINERS = (Argument("CONTAINER", "+", "names or ids"),)
_PERHAPS = (Argument("CONTAINER", "*", "names or ids"),)
_CONTAINER = Argument("CONTAINER", "1", "a name or an id")
_TIME = Option("-t --timeout --time", VALUE, "seconds until SIGKILL", "SECONDS")
_ALL = Option("-a --all", FLAG, "all that run (podman)")
_IGNORE = Option("-i --ignore", FLAG, "a missing one is no failure (podman)")
_KEYS = Unserved("--detach-keys", VALUE, SILENT, "Ctrl-P Ctrl-Q leave it")
_CIDFILE = Option("--cidfile", LIST, "also the container whose id is in the file (podman)", "FILE")
_SIGNAL = Option("-s --signal", VALUE, "instead of its stop signal", "SIGNAL")
VERBS: Verbs = {
    "start": (
        Command(
            "start",
            "start containers that do not run",
            (
                Option("-a --attach", FLAG, "in the foreground"), Option("-i --interactive", FLAG, "in the foreground, with standard input"), _KEYS,
                Unserved("--sig-proxy", FLAG, SILENT, ""), Unserved("--checkpoint", VALUE, WARNED, "there are no checkpoints"),
                Unserved("--checkpoint-dir", VALUE, WARNED, "there are no checkpoints"),
            ),
            _CONTAINERS,
        ),
        start,
    ),
    "stop": (
        Command("stop", "ask containers to end", (_TIME, _ALL, _IGNORE, _CIDFILE, _SIGNAL), _PERHAPS), stop,
    ),
    "restart": (Command("restart", "stop containers and start them again", (_TIME, _ALL, _SIGNAL), _PERHAPS), restart),
    "kill": (Command("kill", "send a signal to containers", (Option("-s --signal", VALUE, "the signal (default: KILL)", "SIGNAL"), _ALL, _CIDFILE), _PERHAPS), kill),
    "pause": (Command("pause", "stop the processes of containers", (_ALL,), _PERHAPS), pause),
    "unpause": (Command("unpause", "let paused containers go on", (_ALL,), _PERHAPS), unpause),
    "wait": (Command("wait", "wait until containers have ended", (Unserved("--condition", VALUE, WARNED, "it waits for the end", ("stopped", "exited")), Unserved("-i --interval", VALUE, SILENT, "")), _CONTAINERS), wait),
    "rm": (
        Command(
            "rm",
            "remove containers",
            (
                Option("-f --force", FLAG, "end them first"), Option("-a --all", FLAG, "all (podman)"), _IGNORE, _CIDFILE,
                Option("-v --volumes", FLAG, "also its volumes without a name of their own"), Unserved("-l --link", FLAG, SILENT, ""),
                Unserved("-t --time", VALUE, SILENT, ""), Unserved("--depend", FLAG, SILENT, ""),
            ),
            _PERHAPS,
        ),
        remove,
    ),
    "rename": (Command("rename", "give a container another name", (), (_CONTAINER, Argument("NAME", "1", "its new name"))), rename),
    "attach": (
        Command("attach", "look at a container in the background", (Option("--no-stdin", FLAG, "look on only"), _KEYS, Unserved("--sig-proxy", FLAG, SILENT, "")), (_CONTAINER,)),
        attach_,
    ),
    "container prune": (
        Command("container prune", "remove all containers that do not run", (Option("--filter", LIST, "only those: until= label=", "KEY=VALUE"), Option("-f --force", FLAG, "accepted: nobody is asked"))),
        prune,
    ),
    "port": (Command("port", "list ports", (Unserved("-a --all", FLAG, SILENT, ""),), (_CONTAINER, Argument("PORT", "?", "a port"))), port),
}  # fmt: skip
