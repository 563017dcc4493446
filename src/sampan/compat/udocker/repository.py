"""What udocker itself has left in a repository, beside what is in the store: found by name, and taken over when it is used.

An image is loaded from its layers, a container is copied; udocker's own files stay as they are. On the start-up path.
"""

from __future__ import annotations

import os

from sampan.compat.udocker import configuration, find
from sampan.container import shelf
from sampan.errors import BadReference, ContainerNotFound, ImageNotFound
from sampan.runtime import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.compat.program import Call
    from sampan.container.record import ContainerImage, Record
    from sampan.image.udocker import Container, Repository
    from sampan.runtime.session import Session

# Label of a container that was taken over: its id at udocker's.
LABEL = "udocker.id"


def container(text: str, call: Call, session: Session) -> Record:
    """The container of a name or an id; one of udocker's own is copied first. Raises `ContainerNotFound`, and what adopting raises."""
    try:
        return find(text, session)
    except ContainerNotFound:
        found = taken_over(text, call, session)
        if found is None:
            raise
        return found


def taken_over(text: str, call: Call, session: Session) -> Record | None:
    """The copy of udocker's own container of this name or id, made now if there is none. Raises what adopting raises."""
    repository = _opened(call)
    if repository is None:
        return None
    with repository:
        found = next((one for one in repository.containers() if text == one.id or text in one.names), None)
    if found is None:
        return None
    label = f"{LABEL}={found.id}"
    copy = next((record for record in _records(session) if label in record.request.labels), None)
    if copy is not None:
        return copy
    from sampan.runtime import adopt

    session.notice.say(f"{text} is a container of udocker's own, and is copied to the store {session.store.path}")
    image(found.image, call, session)
    return adopt.container_of(session, found, label)


def foreign_container(text: str, call: Call, session: Session) -> Container | None:
    """The container of udocker's own with this name or id, if it was not taken over before."""
    return next((one for one in foreign_containers(call, session) if text == one.id or text in one.names), None)


def foreign_containers(call: Call, session: Session) -> list[Container]:
    """Udocker's own containers that were not taken over."""
    repository = _opened(call)
    if repository is None:
        return []
    with repository:
        found = list(repository.containers())
    if not found:
        return []
    labels = {label for record in _records(session) for label in record.request.labels}
    return [one for one in found if f"{LABEL}={one.id}" not in labels]


def _records(session: Session) -> Iterator[Record]:
    from sampan.errors import SampanError

    for id in shelf.ids(session.store):
        try:
            yield shelf.load(session.store, session.sites, id)
        except SampanError:
            continue  # `ps` names what is damaged


def image(text: str, call: Call, session: Session, platform: str | None = None) -> ContainerImage | None:
    """The image of a name in the store; one of udocker's own is loaded first; `None` if there is neither. Raises `BadReference`."""
    found = images.find(text, session, platform)
    if found is not None:
        return found
    from sampan.runtime import adopt

    repository = _opened(call)
    if repository is None:
        return None
    with repository:
        for name, place in repository.tags():
            if same_image(name, text):
                session.notice.say(f"{text} is an image of udocker's own, and is unpacked in the store {session.store.path}")
                adopt.image(session, repository, name, place)
                return images.find(text, session, platform)
    return None


def named_image(text: str, call: Call, session: Session) -> ContainerImage:
    """The same. Raises `ImageNotFound`."""
    found = image(text, call, session)
    if found is None:
        raise ImageNotFound(f"there is no image {text}", f"sampan pull {text}")
    return found


def foreign_images(call: Call) -> list[tuple[str, bool]]:
    """Udocker's own images: name, and whether it is protected."""
    repository = _opened(call)
    if repository is None:
        return []
    with repository:
        return [(name, os.path.exists(f"{repository.path}/{place}/PROTECT")) for name, place in repository.tags()]


def same_image(one: str, other: str) -> bool:
    """Whether two texts name the same image."""
    from sampan.oci.reference import Reference

    try:
        return str(Reference.parse(one)) == str(Reference.parse(other))
    except BadReference:
        return False


def _opened(call: Call) -> Repository | None:
    path = configuration.directory(call)
    if not os.path.isdir(f"{path}/repos"):
        return None
    from sampan.image.udocker import Repository

    return Repository(path)
