"""`sampan tag`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import Argument, Command
from sampan.runtime.push import tag
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "tag",
    "give an image of the store another name",
    (),
    (Argument("IMAGE", "1", "an image of the store"), Argument("NAME", "+", "references that shall stand for it too")),
    description="Nothing is copied. A name that stood for another image stands for this one then.",
    examples=(("sampan tag debian:12 registry.lab.example/mirror/debian:12", "to push it there"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print the references."""
    session = context.session()
    for name in parsed.texts("name"):
        result(f"{tag(str(parsed.values['image']), name, session=session)}\n")
    return 0
