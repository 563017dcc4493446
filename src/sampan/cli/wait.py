"""`sampan wait`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import Argument, Command
from sampan.runtime import life, run
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "wait",
    "wait until containers have ended, and print their exit status",
    (),
    (Argument("CONTAINER", "+", "names or ids"),),
    examples=(("sampan wait job1 job2", "a number a line, in this order"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """A number a line, in the order given."""
    session = context.session()
    for name in parsed.texts("container"):
        result(f"{life.wait(run.named(name, session))}\n")
    return 0
