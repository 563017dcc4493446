"""`sampan start`. On the start-up path."""

from __future__ import annotations

from sampan.cli.run import launch
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.runtime import run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "start",
    "run a container that was created",
    (
        Option("-a --attach", FLAG, "accepted; it runs in the foreground"),
        Option("-i --interactive", FLAG, "accepted; standard input is always passed"),
        Option("--dry-run", FLAG, "print the plan and start nothing"),
    ),
    (
        Argument("CONTAINER", "1", "a name or an id"),
        Argument("COMMAND", "*", "run this instead of what it was made for, this time"),
    ),
    description="One process tree at a time: a container that runs is not started a second time.",
    examples=(("sampan start work", "go on where it was left"), ("sampan start work ls /opt", "another program in it")),
    options_end=True,
)


def main(parsed: Parsed, context: Context) -> int:
    """Become the payload."""
    session = context.session()
    record = run.named(str(parsed.values["container"]), session)
    if parsed.texts("command"):
        record = record.with_request(record.request.with_command(parsed.texts("command")))
    return launch(record, session, context, dry=parsed.flag("dry_run"))
