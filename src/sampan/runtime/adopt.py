"""`store adopt`: images and containers of udocker into the store, without a download, each verified as a loaded one is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.container import shelf
from sampan.container.record import Record
from sampan.container.request import Request
from sampan.errors import ImageNotFound, NameInUse, SampanError, UsageError, printable
from sampan.image.load import Loader
from sampan.image.resolve import wanted_platform
from sampan.image.udocker import Repository, is_patched
from sampan.runtime import containers, images
from sampan.runtime.run import new_id, now

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.image.udocker import Container
    from sampan.runtime.session import Session
    from sampan.store.names import Image


def default_directory() -> str:
    """Where udocker keeps its repository: UDOCKER_DIR, else ~/.udocker."""
    return os.environ.get("UDOCKER_DIR") or os.path.expanduser("~/.udocker")


def adopt(session: Session, directory: str, *, with_containers: bool = False) -> Iterator[tuple[str, SampanError | None]]:
    """Take over every image, and every container if that is asked for: its name, and the error if it could not be.

    One that cannot be taken over does not hold up the others. Nothing is changed in `directory`. Raises `UsageError` if it is
    not udocker's.
    """
    try:
        repository = Repository(directory)
    except OSError as error:
        raise UsageError(
            f"cannot read {directory}: {error.strerror}", "name the directory of udocker, mostly ~/.udocker"
        ) from error
    try:
        if not repository.is_one():
            raise UsageError(f"{directory} is not a repository of udocker: it has no repos and layers")
        for name, place in repository.tags():
            try:
                yield image(session, repository, name, place).reference, None
            except SampanError as error:
                yield name, error.about(f"cannot adopt {printable(name)}")
        for container in repository.containers() if with_containers else ():
            shown = container.names[0] if container.names else container.id
            try:
                yield f"container {_shown(container_of(session, container))}", None
            except SampanError as error:
                yield shown, error.about(f"cannot adopt the container {printable(shown)}")
    finally:
        repository.close()


def image(session: Session, repository: Repository, name: str, place: str) -> Image:
    """One image, by its name and directory as `Repository.tags` has them. Raises `SampanError` for what is damaged or no name."""
    wanted = wanted_platform(session.settings.text("platform"))
    loader = Loader(session.store, session.notice, session.progress, wanted, keep_blobs=session.settings.flag("keep_blobs"))
    return loader.load([repository.image(name, place)])[0]


def container_of(session: Session, container: Container, *labels: str) -> Record:
    """Copy a container's files into one of ours, whose image is in the store.

    Raises `UsageError` if its files run only by udocker's mode, `ImageNotFound`, `NameInUse`.
    """
    if is_patched(container):
        raise UsageError(
            f"its files were changed for udocker's mode {container.mode}, and run nowhere else",
            f"`udocker setup --purge {container.id}` and `--execmode=P1` undo that",
        )
    found = images.find(container.image, session) if container.image else None
    if found is None:
        raise ImageNotFound(f"its image {printable(container.image) or 'without a name'} is not in the store")
    name = next((one for one in container.names if _is_name(one)), "")
    if name and os.path.exists(session.store.join(shelf.NAMES, name)):
        raise NameInUse(f"there is a container {name} already", f"it was adopted before, or choose: `sampan rm {name}`")
    protected = "yes" if container.protected else ""
    record = Record(new_id(), found, Request(found.reference, labels=labels), name=name, created=now(), protected=protected)
    return containers.create_from(record, session, container.root)


def _shown(record: Record) -> str:
    return record.name or record.id[:12]


def _is_name(name: str) -> bool:
    try:
        shelf.check_name(name)
    except UsageError:
        return False
    return True
