"""`sampan start`. On the start-up path."""

from __future__ import annotations

from sampan.cli.run import in_background, launch
from sampan.container import state
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.runtime import run, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "start",
    "run a container that was created",
    (
        Option("-d --detach", FLAG, "in the background"),
        Option("-a --attach", FLAG, "accepted; it runs in the foreground"),
        Option("-i --interactive", FLAG, "accepted; standard input is always passed"),
        Option("--dry-run", FLAG, "print the plan and start nothing"),
    ),
    (
        Argument("CONTAINER", "1", "a name or an id"),
        Argument("COMMAND", "*", "run this instead of what it was made for, this time"),
    ),
    description="A container that runs is not started a second time; a command that is named joins what runs in it.",
    examples=(("sampan start work", "go on where it was left"), ("sampan start work ls /opt", "another program in it")),
    options_end=True,
)


def main(parsed: Parsed, context: Context) -> int:
    """Become the payload."""
    session = context.session()
    record = run.named(str(parsed.values["container"]), session)
    running = state.runner(record.directory)
    if parsed.texts("command"):
        record = record.with_request(record.request.but(command=parsed.texts("command")))
    if running is not None and parsed.texts("command"):
        from sampan.runtime.join import join

        context.notice.say(f"{record.name or record.id[:12]} runs already; this joins it")
        return start.execute(join(record, record.request, session))
    if parsed.flag("detach"):
        return in_background(record, session, context)
    return launch(record, session, context, dry=parsed.flag("dry_run"))
