"""`udocker run`: a container by its name or id, or a new one of an image. On the start-up path.

A container sees what udocker shows it: the host's /dev, /proc, /sys and resolver, and of its own all the rest. One that is made for `--rm`
keeps its changes in memory; any other stays, as udocker's do, but is a layer over the image and no copy of it.
"""

from __future__ import annotations

import os

from sampan.compat.udocker import find, shown_id
from sampan.container.record import Record
from sampan.container.request import Request
from sampan.container.stay import Way
from sampan.container.users import is_root
from sampan.errors import CannotHonour, ContainerNotFound, SampanError, UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.runtime import images, run, start
from sampan.runtime.images import config_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from sampan.compat.program import Call, Verbs
    from sampan.container.record import ContainerImage
    from sampan.oci.config import ImageConfig
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

OPTIONS = (
    Option("--rm", FLAG, "keep nothing when it has ended, unless it is protected"),
    Option("--name", VALUE, "give the container a name", "NAME"),
    Option("-v --volume", LIST, "make a directory or file of the host visible", "SOURCE[:TARGET[:ro]]"),
    Option("--novol", LIST, "leave out what is otherwise shown there", "TARGET"),
    Option("-e --env", LIST, "set a variable; NAME alone takes it from here", "NAME[=VALUE]"),
    Option("--env-file", LIST, "set variables from the lines of a file", "FILE"),
    Option("-u --user", VALUE, "be this user of the container (default: the image's, else root)", "USER[:GROUP]"),
    Option("-w --workdir", VALUE, "directory to start in", "DIR"),
    Option("--hostauth", FLAG, "users and groups are those of the host"),
    Option("--containerauth", FLAG, "users and groups are the container's own, nobody is added"),
    Option("--hostenv", FLAG, "pass all variables of the host"),
    Option("--bindhome", FLAG, "show your home directory"),
    Option("--dri", FLAG, "show the host's drivers for direct rendering"),
    Option("--nosysdirs", FLAG, "show nothing of the host's /dev, /proc, /sys and resolver"),
    Option("--nometa", FLAG, "whatever the image says of how it is run"),
    Option("--cpuset-cpus", VALUE, "only these processors", "LIST"),
    Option("--device", LIST, "a device of the host; all are shown in any case", "DEVICE"),
    Option("-p --publish", LIST, "a port that is the same inside and outside; it is open in any case", "PORTS"),
    Option("--entrypoint", VALUE, "replace the image's entry point; empty: use none", "WORDS"),
    Option("--location", VALUE, "run the root file system in this directory; its files stay as they are", "DIR"),
    Option("--volumes-from", LIST, "what is mounted in another container", "CONTAINER"),
    Option("--dns", LIST, "a name server for /etc/resolv.conf", "ADDRESS"),
    Option("--dns-search", LIST, "a search domain for /etc/resolv.conf", "DOMAIN"),
    Option(
        "--pull", VALUE, "when to ask the registry; `reuse`: a container of the name, if there is one", "missing|always|never|reuse",
        ("missing", "always", "never", "reuse"),
    ),
    Option("--nobanner", FLAG, "accepted: there is none"),
)  # fmt: skip
DEFAULT_MODE = "P1"
SYSTEM = ("/dev", "/proc", "/sys")
RESOLVER = "/etc/resolv.conf"
_DRIVERS = (
    "/usr/lib64/dri",
    "/usr/lib/x86_64-linux-gnu/dri",
    "/usr/lib/aarch64-linux-gnu/dri",
    "/usr/lib/dri",
    "/usr/share/X11/xkb",
)


def main(call: Call) -> NoReturn:
    """Become the payload."""
    parsed = call.parsed
    location, first = parsed.text("location"), parsed.text("container")
    words = (*((first,) if first is not None else ()), *parsed.texts("command"))
    session = call.session()
    if location is not None:
        request = Request(os.path.realpath(location))
        record = run.anonymous(request, session)
        _start(_asked(record, words, call, session), call, session)
    if not words:
        raise UsageError("`udocker run` needs a container or an image", "udocker run debian:12")
    name, command = words[0], words[1:]
    found = _found(name, call, session)
    if found is not None:
        _start(_asked(_renamed(found, call, session), command, call, session), call, session)
    record = _made(name, command, call, session)
    try:
        _start(record, call, session)
    except SampanError:  # what never started leaves nothing
        from sampan.runtime.containers import remove

        remove(record.id, session, force=True)
        raise


def _found(name: str, call: Call, session: Session) -> Record | None:
    """The container that is meant; `None` if a new one is."""
    parsed = call.parsed
    names = [name]
    if parsed.text("pull") == "reuse" and parsed.text("name"):
        names.insert(0, str(parsed.text("name")))
    for text in names:
        if "/" in text or ":" in text:
            continue  # an image by its form
        try:
            return find(text, session)
        except ContainerNotFound:
            pass
        if _is_configured(call):
            from sampan.compat.udocker import repository

            found = repository.taken_over(text, call, session)
            if found is not None:
                return found
    return None


def _is_configured(call: Call) -> bool:
    """Whether there is a configuration, or a repository of udocker's own; else neither need be looked at."""
    return "udocker" in call.context.settings


def _renamed(record: Record, call: Call, session: Session) -> Record:
    """A container that is there, by the name that it may get."""
    name = call.parsed.text("name")
    if name is not None and name != record.name:
        from sampan.runtime import life

        life.rename(record, name, session)
        record = record.but(name=name)
    if not record.image.tree and record.keep != "copy":
        run.named(record.id, session)  # which says what is missing
    return record


def _made(name: str, command: tuple[str, ...], call: Call, session: Session) -> Record:
    """A new container of an image."""
    parsed = call.parsed
    own, mode = parsed.text("name") or "", new_mode(call)
    if own:
        run.check_free(own, session)
    image = _image(name, call, session)
    record = _asked(Record(run.new_id(), image, Request(name), name=own, created=run.now(), mode=mode), command, call, session)
    return run.keep(record, session, throw_away=parsed.flag("rm"))


def _image(name: str, call: Call, session: Session) -> ContainerImage:
    """The image that is meant, pulled if it is missing, or if that is asked for."""
    when, platform = call.parsed.text("pull") or "missing", call.parsed.values.get("platform")
    if when != "always":
        found = images.find(name, session, str(platform) if platform else None)
        if found is None and _is_configured(call):
            from sampan.compat.udocker import repository

            found = repository.image(name, call, session, str(platform) if platform else None)
        if found is not None and found.tree:
            return found
    from sampan.compat.udocker.asked import pulling_session

    request = Request(name, platform=platform)
    return run.image_for(request, pulling_session(call, name), "missing" if when == "reuse" else when)


def new_mode(call: Call) -> str:
    """The execution mode of a new container, empty where nobody asked for one. Raises `UsageError`, `CannotHonour`."""
    if not _is_configured(call):
        return ""
    from sampan.compat.udocker import configuration
    from sampan.container import modes

    mode = configuration.of(call)["override_default_execution_mode"]
    return modes.check(mode) if mode else ""


def _start(record: Record, call: Call, session: Session) -> NoReturn:
    """Become the watcher of a container."""
    call.context.progress.stop()
    if len(record.request.volumes) > 1:
        from sampan.compat import mount_points

        mount_points.make(record.request)
    remove = bool(record.directory) and call.parsed.flag("rm") and not record.protected
    try:
        start.become(record, session, Way(remove=remove, watch=True))
    except CannotHonour:
        from sampan.compat import launch

        launch.foreground(record, session, call.context, remove=remove)


def _asked(record: Record, command: tuple[str, ...], call: Call, session: Session) -> Record:
    """A container with what the command line asks of it this time. Raises `UsageError`."""
    parsed = call.parsed
    request = request_of(parsed, record, command, config_of(record.image, session))
    return record.with_request(run.with_mounts_of_others(request, session))


def request_of(parsed: Parsed, record: Record, command: tuple[str, ...], config: ImageConfig) -> Request:
    """The request of a command line. Raises `UsageError`."""
    entrypoint = parsed.text("entrypoint")
    if entrypoint and len(words := entrypoint.split()) > 1:
        entrypoint, command = words[0], (*words[1:], *command)
    left_out = list(parsed.texts("novol"))
    if parsed.flag("nosysdirs"):
        left_out += [*SYSTEM, RESOLVER, "/etc/hosts"]
    volumes = _volumes(parsed, left_out)
    if parsed.flag("containerauth") or parsed.flag("hostauth"):
        left_out += ["/etc/passwd", "/etc/group"]
    for text in parsed.texts("publish"):
        from sampan.compat.docker.asked import check_port

        check_port(text)
    user = _user(parsed)
    root = is_root(user, config)
    return Request(
        record.image.reference, command=command, entrypoint=entrypoint, volumes=volumes, left_out=tuple(left_out), isolate=True,
        pid="host", ipc="host", uts="host", environment=(*told(record), *parsed.texts("env")),
        environment_files=parsed.texts("env_file"), user=None if root else user, root=root, workdir=parsed.text("workdir"),
        environment_host=parsed.flag("hostenv"), no_config=parsed.flag("nometa"), cpuset=parsed.text("cpuset_cpus"),
        volumes_from=parsed.texts("volumes_from"), dns=parsed.texts("dns"), dns_search=parsed.texts("dns_search"),
    )  # fmt: skip


def told(record: Record) -> tuple[str, ...]:
    """The variables by which a payload can know where it is, as udocker has them."""
    return (
        f"container_ruser={os.environ.get('USER', '')}",
        f"container_uuid={shown_id(record.id)}",
        f"container_execmode={record.mode or DEFAULT_MODE}",
        f"container_names={record.name}",
    )


def _user(parsed: Parsed) -> str | None:
    """Who is asked for; a user of the host by number where the host's users are shown, and the caller always."""
    user = parsed.text("user")
    if user is None or user[:1].isdigit() or user in ("root", "root:root"):
        return user
    import pwd

    try:
        found = pwd.getpwnam(user)
    except KeyError:
        return user
    return f"{found.pw_uid}:{found.pw_gid}" if parsed.flag("hostauth") or found.pw_uid == os.getuid() else user


def _volumes(parsed: Parsed, left_out: list[str]) -> tuple[str, ...]:
    """What is named, and what is shown unasked where nobody names something else. Raises `UsageError` for what is not there."""
    named = parsed.texts("volume")
    for text in named:
        source = text.partition(":")[0]
        if not source.startswith("/"):
            raise UsageError(f"--volume {text!r}: the host's path has to be absolute", "write it from / on")
        if not os.path.exists(source):
            raise UsageError(f"--volume {text!r}: there is no {source} here")
    for device in parsed.texts("device"):
        if not os.path.exists(device):
            raise UsageError(f"--device {device!r}: there is no such device here")
    home = os.path.expanduser("~")
    found = ["/dev"]
    found += ["/etc/passwd:/etc/passwd:ro", "/etc/group:/etc/group:ro"] if parsed.flag("hostauth") else []
    found += [home] if parsed.flag("bindhome") and home != "/" else []
    found += [f"{path}:{path}:ro" for path in _DRIVERS if os.path.isdir(path)] if parsed.flag("dri") else []
    taken = {target_of(text) for text in named} | set(left_out)
    return (*(text for text in found if target_of(text) not in taken), *named)


def target_of(volume: str) -> str:
    """Where in a container a volume is seen."""
    source, _, rest = volume.partition(":")
    return rest.partition(":")[0] or source


VERBS: Verbs = {
    "run": (
        Command(
            "run", "run a program in a container, or in a new one of an image", OPTIONS,
            (Argument("CONTAINER", "?", "a name or an id of a container, or an image"), Argument("COMMAND", "*", "the program and its arguments")),
            options_end=True,
        ),
        main,
    ),
}  # fmt: skip
