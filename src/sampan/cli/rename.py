"""`sampan rename`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import Argument, Command
from sampan.runtime import life, run

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "rename",
    "give a container another name",
    (),
    (Argument("CONTAINER", "1", "a name or an id"), Argument("NAME", "1", "the new name")),
    examples=(("sampan rename work work-2025", "keep it under another name"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """Nothing is printed."""
    session = context.session()
    life.rename(run.named(str(parsed.values["container"]), session), str(parsed.values["name"]), session)
    return 0
