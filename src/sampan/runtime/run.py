"""`run`, `create` and `start`: from a request to a record that can be started. On the start-up path."""

from __future__ import annotations

import os
import time

from sampan.container import shelf
from sampan.container.record import Record
from sampan.errors import ImageNotFound
from sampan.runtime import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.container.request import Request
    from sampan.runtime.session import Session


def image_for(request: Request, session: Session, when: str = "missing") -> ContainerImage:
    """The image a request names, pulled if `when` (`missing`, `always`, `never`) says so."""
    if when != "always":
        found = images.find(request.image, session, request.platform)
        if found is None:
            from sampan.runtime.short_names import find_unpacked

            found = find_unpacked(request.image, session, request.platform)
        if found is not None:
            return found
        if when == "never":
            raise ImageNotFound(
                f"no image {request.image} in the store, and --pull never forbids to fetch it", f"sampan pull {request.image}"
            )
    from sampan.runtime.pull import pull

    return pull(request.image, session=session, platform=request.platform)


def anonymous(request: Request, session: Session, when: str = "missing") -> Record:
    """A record that is written nowhere: its changes vanish with its last process."""
    return Record(new_id(), image_for(request, session, when), request, created=now())


def create(request: Request, session: Session, name: str = "", when: str = "missing", *, throw_away: bool = False) -> Record:
    """A container that is kept, or with `throw_away` one that only has a name while it runs. Raises `NameInUse`, and what a pull raises."""
    from sampan.runtime import containers

    if name:
        shelf.check_name(name)
        containers.sweep(session)
        shelf.refuse_taken(session.store, name)
    image = image_for(request, session, when)
    return containers.create(Record(new_id(), image, request, name=name, created=now()), session, throw_away=throw_away)


def named(name: str, session: Session) -> Record:
    """The container of this name or beginning of an id. Raises `ContainerNotFound`, `ImageNotFound` if its tree is gone."""
    record = shelf.find(session.store, session.sites, name)
    if not record.image.tree and record.keep != "copy":
        raise ImageNotFound(
            f"the image {record.image.reference} of the container {name} is not unpacked here",
            f"sampan pull {record.image.reference}",
        )
    return record


def new_id() -> str:
    """64 hex digits, as Docker's."""
    return os.urandom(32).hex()


def now() -> str:
    """The time in ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
