"""`sampan pause`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.several import each
from sampan.options.table import Argument, Command
from sampan.runtime import life

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "pause",
    "stop every process of containers, until `sampan unpause`",
    (),
    (Argument("CONTAINER", "+", "names or ids"),),
    examples=(("sampan pause work", "leave the processors to others for a while"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print which were paused."""
    return each(parsed.texts("container"), context.session(), life.pause)
