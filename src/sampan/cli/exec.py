"""`sampan exec`. On the start-up path."""

from __future__ import annotations

from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.runtime import join, run, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "exec",
    "run a program in a container that runs",
    (
        Option("-d --detach", FLAG, "in the background"),
        Option("-i --interactive", FLAG, "accepted; standard input is always passed"),
        Option("-t --tty", FLAG, "refuse to start without a terminal"),
        Option("-e --env", LIST, "set a variable; NAME alone takes it from here", "NAME[=VALUE]"),
        Option("--env-file", LIST, "set variables from the lines of a file", "FILE"),
        Option("-u --user", VALUE, "the user it was started with; another is refused", "USER[:GROUP]"),
        Option("-w --workdir", VALUE, "directory to start in", "DIR"),
    ),
    (Argument("CONTAINER", "1", "a name or an id"), Argument("COMMAND", "+", "the program and its arguments")),
    examples=(("sampan exec -it web sh", "a shell beside what runs in it"),),
    options_end=True,
)


def main(parsed: Parsed, context: Context) -> int:
    """Become the program."""
    session = context.session()
    record = run.named(str(parsed.values["container"]), session)
    before = record.request
    request = before.but(
        command=parsed.texts("command"),
        entrypoint="",
        environment=(*before.environment, *parsed.texts("env")),
        environment_files=(*before.environment_files, *parsed.texts("env_file")),
        workdir=parsed.text("workdir") or before.workdir,
        user=parsed.text("user") or before.user,
        tty=parsed.flag("tty"),
    )
    context.progress.stop()
    return start.execute(join.join(record, request, session, detach=parsed.flag("detach")))
