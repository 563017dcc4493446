"""`docker run` and `create`, and podman's: from their words to a request, and to a container that starts. On the start-up path.

Options that do nothing here are in `unserved`, names of volumes in `mounting`.
"""

from __future__ import annotations

import os

from sampan.container.request import FLAGS, IMAGE_ARGUMENTS, KEEP_OPTIONS, TEXT, TEXTS, Request
from sampan.container.stay import Way
from sampan.container.users import with_user
from sampan.errors import CannotHonour, SampanError, UsageError
from sampan.options.table import FLAG, LIST, VALUE, Command, Option
from sampan.runtime import run, start
from sampan.runtime.images import config_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.container.record import Record
    from sampan.oci.config import ImageConfig
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

# Those that mean what they mean for `sampan run`.
_SAME = frozenset((
    "name", "label", "read_only", "volume", "mount", "volumes_from", "tmpfs", "device", "shm_size", "workdir", "user", "entrypoint", "env",
    "env_file", "add_host", "dns", "dns_search", "memory", "cpus", "cpuset_cpus", "ulimit", "init", "stop_signal", "stop_timeout",
    "health_cmd", "health_interval", "health_timeout", "health_retries", "health_start_period", "no_healthcheck",
))  # fmt: skip
CREATE = (
    *(option for option in KEEP_OPTIONS if option.name in _SAME),
    Option("-h --hostname", VALUE, "own host name", "NAME"),
    Option("-i --interactive", FLAG, "pass standard input; without it there is none"),
    Option("-t --tty", FLAG, "use the terminal"),
    Option("--network --net", VALUE, "`none`, or the host's network (host, bridge and default are the same)", "NETWORK"),
    Option("--pid", VALUE, "`host` shows the host's processes", "host"),
    Option("--ipc", VALUE, "`host` shares the host's System V IPC", "MODE"),
    Option("--uts", VALUE, "`host` keeps the host's name", "host"),
    Option("--pull", VALUE, "when to ask the registry", "missing|always|never", ("missing", "always", "never")),
    Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]"),
    Option("-p --publish", LIST, "a port that is the same inside and outside; it is open in any case", "PORTS"),
    Option("--label-file", LIST, "labels from the lines of a file", "FILE"),
    Option("--rm", FLAG, "remove the container when it has ended"),
    Option("--cidfile", VALUE, "write the container's id into a new file", "FILE"),
    Option("-a --attach", LIST, "STDIN passes standard input", "STREAM"),
)
RUN = (Option("-d --detach", FLAG, "in the background; print the id"), *CREATE)
# What only podman has; its `--pull` knows more words.
PODMAN = (
    *(option for option in CREATE if option.name != "pull"),
    Option("--userns", VALUE, "`keep-id`: be yourself inside", "MODE"),
    Option(
        "--pull",
        VALUE,
        "when to ask the registry",
        "missing|always|never|newer",
        ("missing", "always", "never", "newer", "true", "false"),
    ),
    Option("--replace", FLAG, "remove a container of this name first"),
    Option("--timeout", VALUE, "end it after so many seconds", "SECONDS"),
    Option("--env-host", FLAG, "pass all variables of the host"),
    Option("--authfile", VALUE, "the file of passwords", "FILE"),
    Option("--tz", VALUE, "the time zone, as TZ", "ZONE"),
    Option("--read-only-tmpfs", FLAG, "with --read-only, /tmp, /run and /var/tmp in memory (the default)", default=True),
)
# podman's words for when a registry is asked.
_WHEN = {"newer": "always", "true": "missing", "false": "never"}


def run_(call: Call) -> int:
    """Become the payload, or start it in the background and print its id."""
    parsed = call.parsed
    session = call.session()
    detach, remove = parsed.flag("detach"), parsed.flag("rm")
    request = request_of(parsed)
    if not detach:
        request = with_terminal(request, call)
    record, config = kept(request, call, session, throw_away=remove)
    try:
        return _started(record, config, call, session)
    except SampanError as error:
        if remove or isinstance(error, UsageError):  # what never started leaves nothing, nor what could not be meant
            from sampan.runtime.containers import remove as take_away

            take_away(record.id, session, force=True)
        raise


def _started(record: Record, config: ImageConfig, call: Call, session: Session) -> int:
    detach, remove, stdin = call.parsed.flag("detach"), call.parsed.flag("rm"), record.request.interactive or record.request.tty
    if not detach:
        call.context.progress.stop()
        try:
            start.become(record, session, Way(remove=remove, watch=True), stdin=stdin, config=config)
        except CannotHonour:
            pass  # what is possible then is a matter of `launch`, which is not imported for every start
    from sampan.compat import launch

    if detach:
        return launch.background(record, session, call.context, remove=remove)
    return launch.foreground(record, session, call.context, remove=remove, stdin=stdin)


def create(call: Call) -> int:
    """Print the id."""
    from sampan.terminal.output import result

    record, _ = kept(request_of(call.parsed), call, call.session(), throw_away=call.parsed.flag("rm"))
    result(f"{record.id}\n")
    return 0


def kept(request: Request, call: Call, session: Session, *, throw_away: bool) -> tuple[Record, ImageConfig]:
    """A container for a request, with its id in the file of --cidfile, and the configuration of its image."""
    parsed = call.parsed
    cidfile = parsed.text("cidfile")
    if cidfile is not None and os.path.lexists(cidfile):
        raise UsageError(f"the file {cidfile} of --cidfile is there", "another container may run; else remove it")
    name = parsed.text("name") or ""
    when = parsed.text("pull") or "missing"
    if parsed.values.get("replace") and name:
        from sampan.runtime.containers import remove

        remove(name, session, force=True)
    image = run.image_for(request, session, _WHEN.get(when, when))
    if request.volumes or request.mounts:
        from sampan.compat.docker.mounting import with_volumes

        request = with_volumes(request, image, session, make_sources=call.program.name == "docker", throw_away=throw_away)
    if request.read_only and parsed.values.get("read_only_tmpfs"):
        from sampan.compat.docker.mounting import with_writable_places

        request = with_writable_places(request)
    keep_id = f"{os.getuid()}:{os.getgid()}" if str(parsed.values.get("userns") or "").startswith("keep-id") else ""
    config = config_of(image, session)
    request = with_user(request, config, keep_id=keep_id)
    name = name or ("" if throw_away else run.made_up_name())  # what goes by itself is told by its id
    try:
        record = run.create(request, session, name, throw_away=throw_away, image=image)
    except CannotHonour:
        from sampan.compat import launch

        shared = launch.weaker(request, session.notice)
        if shared is None:
            raise
        record = run.create(shared, session, name, throw_away=throw_away, image=image)
    run.write_id(cidfile, record.id)
    return record, config


def with_terminal(request: Request, call: Call) -> Request:
    """What becomes of `-t` where standard input is no terminal.

    Docker refuses it together with -i; podman warns. By itself it asks for nothing that could be missed but colours.
    """
    if not request.tty or os.isatty(0):
        return request
    if request.interactive and call.program.name == "docker":
        raise UsageError("the input device is not a TTY: -t asks for a terminal, and standard input is none", "leave -t out")
    if request.interactive:
        call.context.notice.warn("the input device is not a TTY: -t is ignored")
    return request.but(tty=False)


HOST_NETWORKS = ("host", "bridge", "default", "private", "slirp4netns", "pasta", "")
_NETWORKS = "the network is the host's, or none: --network host, --network none"


def request_of(parsed: Parsed) -> Request:
    """The request, which still names volumes by their names. Raises `UsageError`."""
    values = parsed.values
    fields = {field: values.get(name) for field, name in {**TEXTS, **TEXT, **FLAGS}.items()}
    fields.update(
        isolate=True, limit_mode="advisory", userns=None, network=_network(parsed.text("net")),
        pid=_own_or_host(parsed, "pid"), ipc=_own_or_host(parsed, "ipc"), uts=_own_or_host(parsed, "uts"),
        labels=parsed.texts("label"),
        interactive=bool(values["interactive"]) or "stdin" in [word.lower() for word in parsed.texts("attach")],
    )  # fmt: skip
    if values["publish"] or values["label_file"] or values.get("tz"):
        from sampan.compat.docker import asked

        for text in parsed.texts("publish"):
            asked.check_port(text)
        fields["labels"] = (*asked.labels(parsed.texts("label_file")), *parsed.texts("label"))
        if values.get("tz"):
            fields["environment"] = (*parsed.texts("env"), f"TZ={asked.zone(str(values['tz']))}")
    return Request(str(values["image"]), **fields)


def _network(text: str | None) -> str | None:
    if text is None or text.partition(":")[0] in HOST_NETWORKS:
        return None
    if text == "none":
        return "none"
    raise CannotHonour(f"--network {text} is not possible: {_NETWORKS}")


def _own_or_host(parsed: Parsed, name: str) -> str | None:
    text = parsed.text(name)
    if text in (None, "", "private", "shareable", "none"):
        return None
    if text == "host":
        return "host"
    raise CannotHonour(f"--{name} {text} is not possible: it is the container's own, or the host's (--{name} host)")


VERBS: Verbs = {
    "run": (Command("run", "run a program in a new container", RUN, IMAGE_ARGUMENTS, options_end=True), run_),
    "create": (Command("create", "make a container", CREATE, IMAGE_ARGUMENTS, options_end=True), create),
    "podman run": (
        Command("run", "run a program in a new container", (RUN[0], *PODMAN), IMAGE_ARGUMENTS, options_end=True),
        run_,
    ),
    "podman create": (Command("create", "make a container", PODMAN, IMAGE_ARGUMENTS, options_end=True), create),
}
