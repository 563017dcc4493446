"""`sampan attach`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import FLAG, Argument, Command, Option
from sampan.runtime import run
from sampan.runtime.attach import attach

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "attach",
    "put this terminal on the streams of a detached container",
    (Option("--no-stdin", FLAG, "look on only"),),
    (Argument("CONTAINER", "1", "a name or an id"),),
    description="Ctrl-P Ctrl-Q leaves it running. The exit status is the container's, if it ends meanwhile.",
    examples=(("sampan attach work", "see it and type into it"), ("sampan attach --no-stdin work", "see it only")),
)


def main(parsed: Parsed, context: Context) -> int:
    """The container's exit status."""
    session = context.session()
    status = attach(run.named(str(parsed.values["container"]), session), session, stdin=not parsed.flag("no_stdin"))
    return 0 if status is None else status
