"""`docker exec`. On the start-up path."""

from __future__ import annotations

from sampan.compat import launch
from sampan.compat.docker.run import with_terminal
from sampan.errors import CannotHonour, ContainerNotFound
from sampan.events import SILENT_NOTICE
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.options.unserved import SILENT, WARNED, Unserved
from sampan.runtime import join, run, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.container.record import Record
    from sampan.container.request import Request
    from sampan.engine.base import Start
    from sampan.runtime.session import Session

ROOT = ("0", "root", "0:0", "root:root")


def main(call: Call) -> int:
    """Become the program."""
    parsed, session = call.parsed, call.session()
    name = str(parsed.values["container"])
    try:
        record = run.named(name, session)
    except ContainerNotFound as error:
        raise ContainerNotFound(f"No such container: {name}", error.hint) from error
    before = record.request
    user = parsed.text("user")
    request = before.but(
        command=parsed.texts("command"), entrypoint="", environment=(*before.environment, *parsed.texts("env")),
        environment_files=(*before.environment_files, *parsed.texts("env_file")), workdir=parsed.text("workdir") or before.workdir,
        user=before.user if user is None or (user in ROOT and before.root) else user, tty=parsed.flag("tty"),
        root=before.root and (user is None or user in ROOT), interactive=parsed.flag("interactive"),
    )  # fmt: skip
    detach = parsed.flag("detach")
    if not detach:
        request = with_terminal(request, call)
    try:
        started = _joined(record, request, session, detach=detach)
    except ContainerNotFound as error:
        raise ContainerNotFound(f"container {name} is not running", f"sampan start {name}") from error
    call.context.progress.stop()
    if not (request.interactive or request.tty):
        start.no_input()
    return start.execute(started)


def _joined(record: Record, request: Request, session: Session, *, detach: bool) -> Start:
    try:
        return join.join(record, request, session, detach=detach)
    except CannotHonour:
        shared = launch.weaker(request, SILENT_NOTICE)  # what is not kept was said when it was started
        if shared is None:
            raise
        return join.join(record, shared, session, detach=detach)


VERBS: Verbs = {
    "exec": (
        Command(
            "exec",
            "run a program in a container that runs",
            (
                Option("-d --detach", FLAG, "in the background"),
                Option("-i --interactive", FLAG, "pass standard input; without it there is none"),
                Option("-t --tty", FLAG, "use the terminal"),
                Option("-e --env", LIST, "set a variable", "NAME[=VALUE]"),
                Option("--env-file", LIST, "set variables from the lines of a file", "FILE"),
                Option("-u --user", VALUE, "the user it was started with", "USER[:GROUP]"),
                Option("-w --workdir", VALUE, "directory to start in", "DIR"),
                Unserved("--detach-keys", VALUE, SILENT, ""),
                Unserved("--privileged", FLAG, WARNED, "the program has your rights and no more"),
                Unserved("--preserve-fds", VALUE, WARNED, "descriptors above 2 stay open as they are"),
            ),
            (Argument("CONTAINER", "1", "a name or an id"), Argument("COMMAND", "+", "the program and its arguments")),
            options_end=True,
        ),
        main,
    ),
}
