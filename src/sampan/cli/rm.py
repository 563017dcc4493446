"""`sampan rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import SampanError
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.runtime import containers
from sampan.terminal.output import result, say_error

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "rm",
    "remove containers and what they changed",
    (Option("-f --force", FLAG, "end it first if it runs; also one whose record is damaged; a missing one is no failure"),),
    (Argument("CONTAINER", "+", "names or ids"),),
    description="A container that runs is not removed unless -f is given. The image stays.",
    examples=(
        ("sampan rm work", "with what it has changed"),
        ("sampan rm $(sampan ps -aq --filter status=exited)", "all that have ended"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print what was removed; one that cannot be does not hold up the others."""
    session = context.session()
    status = 0
    for name in parsed.texts("container"):
        try:
            if containers.remove(name, session, force=parsed.flag("force")):
                result(f"{name}\n")
        except SampanError as error:
            say_error(error)
            status = error.exit_code
    return status
