"""The files of a kept container for the flows that read them: who owns what is new, and the task for a worker.

On the start-up path of payloads that are root.
"""

from __future__ import annotations

import os

from sampan.container import root, state, users
from sampan.errors import ContainerRunning, ImageNotFound, UsageError
from sampan.runtime import gather
from sampan.runtime.images import config_of

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.container.root import Root
    from sampan.layers.recorded import Owner
    from sampan.runtime.session import Session

JOURNAL = "owners"
TABLE = "owners.table"
COPIED = "copied"
"""Its time says when a private copy was complete."""


def check_kept(record: Record, what: str) -> None:
    """Raises `UsageError` for a container whose changes are in memory, `ContainerRunning` for one that runs on another node."""
    if record.keep == "memory":
        raise UsageError(
            f"{what} is not possible: what {record.shown} changes is in memory, and gone when it ends",
            "start it without --rm, or with --scratch",
        )
    process = state.runner(record.directory)
    if process is not None and process.is_elsewhere():
        raise ContainerRunning(
            f"{what} is not possible: {record.shown} runs on {process.node}", f"do it there: ssh {process.node}"
        )


def task(name: str, record: Record, session: Session) -> dict[str, object]:
    """The task `name` for the worker, with all that it has to know of the container. Raises `ImageNotFound`."""
    if not record.image.tree:
        raise ImageNotFound(
            f"the image {record.image.reference} of the container {record.shown} is not unpacked here",
            f"sampan pull {record.image.reference}",
        )
    return {
        "name": name,
        "index": os.path.join(os.path.dirname(record.image.tree), "index"),
        "tree": record.image.tree,
        "journal": f"{record.directory}/{JOURNAL}",
        "table": f"{record.directory}/{TABLE}",
        "new_owner": owner_of_new(record, session),
        "real_owners": record.ids is not None,
        "copied_at": copied_at(record),
    }


def owner_of_new(record: Record, session: Session) -> Owner:
    """Whom files belong to that nothing is noted of: root, as whom the caller's own count, or the user that it runs as."""
    config = config_of(record.image, session)
    if users.named_user(record.request, config) is None:
        return 0, 0
    identity = users.identity_of(record.request, config, gather.facts(record, session))
    return identity.uid, identity.gid


def copied_at(record: Record) -> int | None:
    """When the private copy was complete, in nanoseconds; 0 if nobody noted it, `None` for an overlay."""
    if record.keep != "copy":
        return None
    try:
        return os.stat(f"{record.directory}/{COPIED}").st_mtime_ns
    except FileNotFoundError:
        return 0


def changes(record: Record) -> Root:
    """Where the changes of a kept container lie, read-only."""
    return root.Tree(f"{record.directory}/{'rootfs' if record.keep == 'copy' else 'upper'}")


def whole(record: Record) -> Root:
    """The root of a kept container that does not run."""
    if record.keep == "copy":
        return root.Copy(f"{record.directory}/rootfs")
    return root.Overlay(record.image.tree, f"{record.directory}/upper", f"{record.directory}/work")


def warn_of(found: dict[str, object], shown: str, session: Session) -> None:
    """What an archive could not hold, or held otherwise."""
    if found.get("sockets"):
        session.notice.warn(f"{found['sockets']} sockets of {shown} were left out, which no archive can hold")
    if found.get("changed"):
        session.notice.warn(f"{found['changed']} files of {shown} were written to while they were read", "stop or pause it first")
