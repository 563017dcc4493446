"""`sampan export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime.export import export

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "export",
    "write the root file system of a container or an image as a tar archive",
    (Option("-o --output", VALUE, "the file, which is complete or not there; else standard output", "FILE"),),
    (Argument("NAME", "1", "a container, else an image by its reference or id"),),
    description=(
        "Owners, modes, devices, extended attributes and links are those inside, not those of your disk. Of a container also what it has changed, "
        "but nothing of what is mounted in it. It may run."
    ),
    examples=(
        ("sampan export tools:1 | tar t", "what is in an image"),
        ("sampan export -o root.tar work", "a container's files"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """The archive is the result; nothing else is printed."""
    export(str(parsed.values["name"]), parsed.text("output") or "-", context.session())
    return 0
