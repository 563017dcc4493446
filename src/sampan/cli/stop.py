"""`sampan stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.several import each
from sampan.container.limits import parse_seconds
from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime import life

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "stop",
    "ask containers to end, and end them after a while",
    (Option("-t --time", VALUE, "seconds until SIGKILL (default: what it was made with, else 10)", "SECONDS"),),
    (Argument("CONTAINER", "+", "names or ids"),),
    description="It gets its stop signal (--stop-signal, else the image's, else SIGTERM), and SIGKILL when the time is over.",
    examples=(("sampan stop web", "end it"), ("sampan stop -t 60 db", "with a minute to finish")),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print what was stopped."""
    text = parsed.text("time")
    seconds = None if text is None else parse_seconds(text, "--time")
    session = context.session()
    return each(parsed.texts("container"), session, lambda record: life.stop(record, seconds, session))
