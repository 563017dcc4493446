"""A start that keeps nothing, by an engine that cannot leave a shared tree unchanged: in a private copy that goes with it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.container import shelf
from sampan.container.stay import Way
from sampan.errors import CannotHonour
from sampan.runtime import containers, start

if TYPE_CHECKING:
    from sampan.container.plan import Plan
    from sampan.container.record import Record
    from sampan.runtime.session import Session


def decide(record: Record, session: Session, way: Way, *, dry: bool) -> Plan:
    """The plan for a copy of the container, which is made unless it is only to be shown, and removed by the watcher.

    Raises `CannotHonour` for `--read-only`, and as `containers.create`.
    """
    if record.request.read_only:
        raise CannotHonour("--read-only is not possible: the engine cannot keep the image unchanged", "leave it out")
    way = Way(detach=way.detach, remove=True, socket=way.socket)
    if record.directory:
        copy = record.but(keep="copy")
        if not dry and not os.path.isdir(f"{record.directory}/rootfs"):
            containers.fill(copy, session)
        return start.decide(copy, session, way)[0]
    if dry:
        return start.decide(record.but(keep="copy", directory=session.store.join("containers", record.id)), session, way)[0]
    copy = containers.create(record, session)
    try:
        plan = start.decide(copy, session, way)[0]
        shelf.hold(session.store, copy)
    except BaseException:
        containers.remove(copy.id, session)
        raise
    return plan
