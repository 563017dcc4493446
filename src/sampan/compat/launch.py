"""Become the payload of a record, as the compatible programs do it. On their start-up path.

Three things differ from `sampan run`. Somebody stays in any case, because these programs answer 128 + n for a payload that a signal
ended and callers cannot know that otherwise. Standard input is only there if it was asked for. And what these programs do unasked, such
as processes and a host name of the container's own, is a wish here: where no engine can (no namespaces), the container starts without,
because the callers of `docker run` have no other word to say. What a user named himself is said in a line when it is missing.
"""

from __future__ import annotations

from sampan.container.stay import Way
from sampan.errors import CannotHonour
from sampan.runtime import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from sampan.cli.context import Context
    from sampan.container.record import Record
    from sampan.container.request import Request
    from sampan.events import Notice
    from sampan.runtime.session import Session


def foreground(record: Record, session: Session, context: Context, *, remove: bool = False, stdin: bool = True) -> NoReturn:
    """Become the watcher of the payload; `remove`: the container goes with it."""
    context.progress.stop()
    way = Way(remove=remove, watch=True)
    try:
        start.become(record, session, way, stdin=stdin)
    except CannotHonour:
        request = weaker(record.request, session.notice)
        if request is None:
            raise
        start.become(record.with_request(request), session, way, stdin=stdin)


def background(record: Record, session: Session, context: Context, *, remove: bool = False) -> int:
    """Start it in the background and print its id; the launcher's status."""
    from sampan.terminal.output import result

    status = detached(record, session, context, remove=remove)
    if status == 0:
        result(f"{record.id}\n")
    return status


def detached(record: Record, session: Session, context: Context, *, remove: bool = False) -> int:
    """Start it in the background; the launcher's status."""
    context.progress.stop()
    try:
        return start.detach(record, session, remove=remove)
    except CannotHonour:
        request = weaker(record.request, session.notice)
        if request is None:
            raise
        return start.detach(record.with_request(request), session, remove=remove)


def weaker(request: Request, notice: Notice) -> Request | None:
    """The request with the host's view where it has one of its own; `None` if it is that already.

    A missing network of its own is said and no failure: cwltool and Pulsar cut off each step by habit, and a step that works without
    a network works with one.
    """
    losses = (
        (request.network == "none", "network", "--network none is not kept: nothing here can cut off the network"),
        (request.hostname is not None, "hostname", "--hostname is not kept: the name stays the host's"),
        (request.shm_size is not None, "shm_size", "--shm-size is not kept: /dev/shm is bounded by the host"),
    )
    lost = [field for given, field, _ in losses if given]
    if not lost and not request.init and request.pid == request.ipc == request.uts == "host":
        return None
    for given, _, sentence in losses:
        if given:
            notice.warn(sentence)
    return request.but(pid="host", ipc="host", uts="host", init=False, **dict.fromkeys(lost))
