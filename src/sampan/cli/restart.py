"""`sampan restart`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.several import each
from sampan.container.limits import parse_seconds
from sampan.errors import HostError
from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime import life, run, start

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.container.record import Record
    from sampan.options.table import Parsed

COMMAND = Command(
    "restart",
    "stop containers and start them again in the background",
    (Option("-t --time", VALUE, "seconds until SIGKILL (default: what it was made with, else 10)", "SECONDS"),),
    (Argument("CONTAINER", "+", "names or ids"),),
    examples=(("sampan restart web", "after a change of its configuration"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print which were started again."""
    text = parsed.text("time")
    seconds = None if text is None else parse_seconds(text, "--time")
    session = context.session()

    def again(record: Record) -> None:
        life.stop(record, seconds, session)
        if start.detach(run.named(record.id, session), session):
            raise HostError(f"the container {record.name or record.id[:12]} was stopped and does not start again")

    return each(parsed.texts("container"), session, again)
