"""`diff`: what a container has changed in its image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import SampanError
from sampan.runtime import files, inside

if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.runtime.session import Session


def diff(record: Record, session: Session) -> list[tuple[str, str]]:
    """(`A`, `C` or `D`; absolute path) of each change, in the order of paths; the container may run.

    Raises `UsageError` for one whose changes are in memory, `ContainerRunning` for one that runs elsewhere, `HostError`.
    """
    what = f"a diff of {record.shown}"
    files.check_kept(record, what)
    try:
        with inside.job(record, session, files.changes(record), files.task("changes", record, session)) as job:
            text = b"".join(job.pieces())
            job.finish()
    except SampanError as error:
        raise error.about(f"cannot compare {record.shown} with its image") from error.__cause__
    lines = (line.partition(b" ") for line in text.split(b"\0")[:-1])
    return [(kind.decode(), os.fsdecode(path)) for kind, _, path in lines]
