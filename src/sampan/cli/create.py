"""`sampan create`."""

from __future__ import annotations

from sampan.container.request import CREATE_OPTIONS, IMAGE_ARGUMENTS, from_options
from sampan.options.table import Command
from sampan.runtime import run
from sampan.terminal.output import result

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "create",
    "make a container that keeps its changes, and print its id",
    CREATE_OPTIONS,
    IMAGE_ARGUMENTS,
    description="Takes the options of `sampan run`; they count for each later `sampan start`.",
    examples=(("sampan create --name work debian:12 bash", "a container; `sampan start work` runs bash in it"),),
    options_end=True,
)


def main(parsed: Parsed, context: Context) -> int:
    """Print the new id."""
    record = run.create(
        from_options(parsed), context.session(parsed), parsed.text("name") or "", parsed.text("pull") or "missing"
    )
    result(f"{record.id}\n")
    return 0
