"""`sampan inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime.images import inspect
from sampan.terminal.output import json_result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "inspect",
    "show what an image or a container is, as JSON",
    (Option("--type", VALUE, "look only among these", "image|container", ("image", "container")),),
    (Argument("NAME", "+", "references of images, names or ids of containers"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """An array with one object a name."""
    session = context.session()
    json_result([inspect(name, session=session, kind=parsed.text("type")) for name in parsed.texts("name")])
    return 0
