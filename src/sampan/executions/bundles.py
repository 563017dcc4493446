"""Bundles that came back: to which job of which execution each belongs, and taking it in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import UsageError, printable
from sampan.executions.follow import ended
from sampan.executions.model import Entry
from sampan.jobs import bundle

if TYPE_CHECKING:
    from sampan.executions.contract import Executions
    from sampan.executions.model import Execution
    from sampan.runtime.session import Session


def take(place: str, executions: Executions, session: Session) -> tuple[Execution, Entry]:
    """Take the bundle at `place` in; its execution, and how its job ended. What the bundle says is checked: it was away.

    Raises `UsageError` for a bundle of nobody here, and what `jobs.bundle.fetch` raises.
    """
    mark = bundle.mark_of(place)
    id, _, rest = mark.partition("/")
    job, _, attempt = rest.partition("/")
    if id not in executions.ids() or not (job.isdecimal() and attempt.isdecimal()):
        raise UsageError(
            f"the bundle {printable(place)} belongs to no execution that is kept here: {printable(mark[:60]) or 'it names none'}",
            "take it in where it was made, with the same SAMPAN_EXECUTIONS; see `sampan job list`",
        )
    execution = executions.get(id)
    path = executions.place(id, int(job), int(attempt))
    if not os.path.exists(f"{path}/job.json"):
        raise UsageError(f"execution {id} has no attempt {attempt} of a job {job}", f"see `sampan job show {id}`")
    status = bundle.fetch(place, path, session)
    entry = ended(Entry(int(job), int(attempt)), status)
    executions.record(id, [entry])
    return execution, entry
