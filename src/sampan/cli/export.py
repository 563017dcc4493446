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
    "write the root file system of an image as a tar archive",
    (Option("-o --output", VALUE, "the file, which is complete or not there; else standard output", "FILE"),),
    (Argument("IMAGE", "1", "a reference or an id"),),
    description="Owners, modes, devices, extended attributes and links are those of the image, not those of your disk.",
    examples=(("sampan export tools:1 | tar t", "what is in an image"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """The archive is the result; nothing else is printed."""
    export(str(parsed.values["image"]), parsed.text("output") or "-", context.session())
    return 0
