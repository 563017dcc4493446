"""Become the payload of a record, as the compatible programs do it. On their start-up path.

Two things differ from `sampan run`: somebody stays in any case, because these programs answer 128 + n for a payload that a signal
ended and callers cannot know that otherwise; and standard input is only there if it was asked for.
"""

from __future__ import annotations

import os

from sampan.container.stay import Way
from sampan.runtime import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.container.record import Record
    from sampan.runtime.session import Session


def foreground(record: Record, session: Session, context: Context, *, remove: bool = False, stdin: bool = True) -> int:
    """Become the watcher of the payload; `remove`: the container goes with it."""
    plan, engine = start.decide(record, session, Way(remove=remove, watch=True))
    for warning in plan.warnings:
        context.notice.warn(warning)
    context.progress.stop()
    if not stdin:
        no_input()
    command = engine.command(plan)
    start.hold(record, session)
    return start.execute(command)


def background(record: Record, session: Session, context: Context, *, remove: bool = False) -> int:
    """Start it in the background and print its id; the launcher's status."""
    from sampan.terminal.output import result

    context.progress.stop()
    status = start.detach(record, session, remove=remove)
    if status == 0:
        result(f"{record.id}\n")
    return status


def no_input() -> None:
    """Standard input is at its end."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
