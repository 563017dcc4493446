"""`udocker create` and `clone`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.compat.udocker import repository, shown_id
from sampan.compat.udocker.asked import PULLING, pulling_session
from sampan.compat.udocker.run import new_mode
from sampan.container.record import Record
from sampan.container.request import Request
from sampan.errors import NameInUse
from sampan.image.commit import Words
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime import run
from sampan.runtime.commit import commit
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.container.record import ContainerImage
    from sampan.runtime.session import Session

_NAMING = (
    Option("--name", VALUE, "give the container a name", "NAME"),
    Option("--force", FLAG, "go on without a name that another container has"),
)


def create(call: Call) -> int:
    """Print the id."""
    text = str(call.parsed.values["image"])
    session = pulling_session(call, text)
    name = free_name(call, session)
    platform = call.parsed.text("platform")
    image = repository.image(text, call, session, platform) or run.image_for(Request(text, platform=platform), session)
    return made(call, session, image, name)


def free_name(call: Call, session: Session) -> str:
    """The name that is asked for; with --force none if another container has it. Raises `NameInUse`, `UsageError`."""
    name = call.parsed.text("name") or ""
    try:
        if name:
            run.check_free(name, session)
    except NameInUse:
        if not call.parsed.values.get("force"):
            raise
        session.notice.warn(f"another container has the name {name}; the new one has none")
        return ""
    return name


def made(call: Call, session: Session, image: ContainerImage, name: str) -> int:
    """Make a container of an image, and print its id."""
    request = Request(image.reference, isolate=True, pid="host", ipc="host", uts="host", volumes=("/dev",))
    record = Record(run.new_id(), image, request, name=name, created=run.now(), mode=new_mode(call))
    return said(run.keep(record, session))


def said(record: Record) -> int:
    """Print the id of a container."""
    result(f"{shown_id(record.id)}\n")
    return 0


def clone(call: Call) -> int:
    """A container with all that another has changed; what neither changes from now on they share."""
    session = call.session()
    source = repository.container(str(call.parsed.values["container"]), call, session)
    name = free_name(call, session)
    changed = commit(source, None, Words("", f"clone of {source.shown}", ()), session)
    changed.reference = source.image.reference  # as lists show it
    record = Record(run.new_id(), changed, source.request, name=name, created=run.now(), mode=source.mode)
    return said(run.keep(record, session))


VERBS: Verbs = {
    "create": (
        Command(
            "create", "make a container of an image, which is pulled if it is missing", (*_NAMING, *PULLING),
            (Argument("IMAGE", "1", "an image, as debian:12"),),
        ),
        create,
    ),
    "clone": (
        Command(
            "clone", "make a container with what another one has changed", _NAMING, (Argument("CONTAINER", "1", "a name or an id"),),
        ),
        clone,
    ),
}  # fmt: skip
