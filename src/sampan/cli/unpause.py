"""`sampan unpause`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.several import each
from sampan.options.table import Argument, Command
from sampan.runtime import life

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "unpause",
    "let paused containers go on",
    (),
    (Argument("CONTAINER", "+", "names or ids"),),
    examples=(("sampan unpause work", "after `sampan pause work`"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print which go on."""
    return each(parsed.texts("container"), context.session(), life.resume)
