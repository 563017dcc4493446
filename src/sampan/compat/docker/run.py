"""`docker run` and `docker create`. On the start-up path."""

from __future__ import annotations

import os

from sampan.compat import launch
from sampan.compat.docker import options
from sampan.compat.docker.asked import request_of, with_user, with_volumes, with_writable_places
from sampan.container.request import IMAGE_ARGUMENTS
from sampan.errors import CannotHonour, UsageError
from sampan.options.table import Command
from sampan.runtime import run
from sampan.runtime.images import config_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.container.record import Record
    from sampan.container.request import Request
    from sampan.runtime.session import Session

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
    record = kept(request, call, session, throw_away=remove)
    if detach:
        return launch.background(record, session, call.context, remove=remove)
    stdin = request.interactive or request.tty
    return launch.foreground(record, session, call.context, remove=remove, stdin=stdin)


def create(call: Call) -> int:
    """Print the id."""
    from sampan.terminal.output import result

    record = kept(request_of(call.parsed), call, call.session(), throw_away=call.parsed.flag("rm"))
    result(f"{record.id}\n")
    return 0


def kept(request: Request, call: Call, session: Session, *, throw_away: bool) -> Record:
    """A container for a request, and its id in the file of --cidfile."""
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
    request = with_volumes(request, image, session, make_sources=call.program.name == "docker", throw_away=throw_away)
    if request.read_only and parsed.values.get("read_only_tmpfs"):
        request = with_writable_places(request)
    keep_id = str(parsed.values.get("userns") or "").startswith("keep-id")
    request = with_user(request, config_of(image, session), keep_id=keep_id)
    name = name or run.made_up_name()
    try:
        record = run.create(request, session, name, throw_away=throw_away, image=image)
    except CannotHonour:
        shared = launch.weaker(request, session.notice)
        if shared is None:
            raise
        record = run.create(shared, session, name, throw_away=throw_away, image=image)
    run.write_id(cidfile, record.id)
    return record


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


VERBS: Verbs = {
    "run": (Command("run", "run a program in a new container", options.RUN, IMAGE_ARGUMENTS, options_end=True), run_),
    "create": (Command("create", "make a container", options.CREATE, IMAGE_ARGUMENTS, options_end=True), create),
}
