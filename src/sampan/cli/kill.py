"""`sampan kill`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.several import each
from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime import life

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "kill",
    "send a signal to containers",
    (Option("-s --signal", VALUE, "the signal (default: KILL)", "SIGNAL", default="KILL"),),
    (Argument("CONTAINER", "+", "names or ids"),),
    description="SIGKILL ends every process of the container; another signal goes to its payload.",
    examples=(
        ("sampan kill web", "end it at once"),
        ("sampan kill -s HUP web", "what many servers take as: read the configuration again"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print which got it."""
    signal = parsed.text("signal") or "KILL"
    return each(parsed.texts("container"), context.session(), lambda record: life.kill(record, signal))
