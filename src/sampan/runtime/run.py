"""`run`, `create` and `start`: from a request to a record that can be started. On the start-up path."""

from __future__ import annotations

import os
import time

from sampan.container import shelf
from sampan.container.record import Record
from sampan.errors import ImageNotFound, UsageError
from sampan.runtime import images

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.ids import IdMaps
    from sampan.container.record import ContainerImage
    from sampan.container.request import Request
    from sampan.runtime.session import Session


def image_for(request: Request, session: Session, when: str = "missing") -> ContainerImage:
    """The image a request names, pulled if `when` (`missing`, `always`, `never`) says so."""
    if when == "always" and request.image.startswith(("/", "cvmfs://")):
        when = "missing"  # nothing is pulled of what is used in place
    if when == "always" and session.settings.flag("offline"):
        raise UsageError("--pull always asks the registry, and --offline forbids it", "leave one of them away")
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


def with_mounts_of_others(request: Request, session: Session) -> Request:
    """The request with what `--volumes-from` names written out, so that it stands on its own. Raises `ContainerNotFound`."""
    if not request.volumes_from:
        return request
    volumes, mounts, tmpfs = list(request.volumes), list(request.mounts), list(request.tmpfs)
    own = {parts[1] if len(parts := text.split(":")) > 1 else parts[0] for text in volumes}  # as in Docker, these count more
    for text in request.volumes_from:
        name, _, flag = text.partition(":")
        if flag not in ("", "ro", "rw"):
            raise UsageError(f"--volumes-from {text!r} is not CONTAINER[:ro]")
        theirs = shelf.find(session.store, session.sites, name).request
        for volume in theirs.volumes:
            source, _, rest = volume.partition(":")
            target, _, flags = rest.partition(":")
            if (target or source) in own:
                continue
            words = [word for word in flags.split(",") if word not in ("", "rw")] + (["ro"] if flag == "ro" else [])
            volumes.append(":".join([source, target or source, *([",".join(words)] if words else [])]))
        mounts += [f"{mount},readonly" if flag == "ro" and "type=bind" in mount else mount for mount in theirs.mounts]
        tmpfs += theirs.tmpfs
    return request.but(volumes=tuple(volumes), mounts=tuple(mounts), tmpfs=tuple(tmpfs), volumes_from=())


def anonymous(request: Request, session: Session, when: str = "missing") -> Record:
    """A record that is written nowhere: its changes vanish with its last process."""
    request = with_mounts_of_others(request, session)
    image, id = _staged(request, session, when), new_id()
    if request.subids:  # only to show the plan of: it would be a private copy
        return Record(
            id, image, request, _several_ids(), created=now(), keep="copy", directory=session.store.join("containers", id)
        )
    return Record(id, image, request, created=now())


def _several_ids() -> IdMaps:
    from sampan.container import ids
    from sampan.host import subids
    from sampan.host.accounts import caller

    account = caller(os.environ)
    return ids.several((account.uid, account.gid), *subids.ranges(account))


def create(
    request: Request, session: Session, name: str = "", when: str = "missing", *, throw_away: bool = False,
    image: ContainerImage | None = None,
) -> Record:  # fmt: skip
    """A container that is kept, or with `throw_away` one that only has a name while it runs.

    `image` is that of the request, if it is known already. Raises `NameInUse`, and what a pull raises.
    """
    if name:
        check_free(name, session)
    request = with_mounts_of_others(request, session)
    ids = _several_ids() if request.subids else None
    throw_away = throw_away and ids is None
    if image is None:
        image = _staged(request, session, when) if throw_away else image_for(request, session, when)
    return keep(Record(new_id(), image, request, ids, name=name, created=now()), session, throw_away=throw_away)


def check_free(name: str, session: Session) -> None:
    """Raises `UsageError` for what is no name of a container, `NameInUse`, before anything is pulled for it."""
    from sampan.runtime import containers

    shelf.check_name(name)
    if shelf.is_taken(session.store, name):
        containers.sweep(session)  # it may be that of one that has ended and was to be thrown away
        shelf.refuse_taken(session.store, name)


def keep(record: Record, session: Session, *, throw_away: bool = False) -> Record:
    """Make the container of a record; where and how it is kept is in the record that comes back. Raises as `create`."""
    from sampan.runtime import containers

    check_is_stored(record.image)
    return containers.create(record, session, throw_away=throw_away)


def made_up_name() -> str:
    """A name for a container that gets none from its user."""
    from sampan.container.naming import made_up

    return made_up()


def named(name: str, session: Session) -> Record:
    """The container of this name or beginning of an id. Raises `ContainerNotFound`, `ImageNotFound` if its tree is gone."""
    record = shelf.find(session.store, session.sites, name)
    if not record.image.tree and record.keep != "copy":
        raise ImageNotFound(
            f"the image {record.image.reference} of the container {name} is not unpacked here",
            f"sampan pull {record.image.reference}",
        )
    return record


def write_id(path: str | None, id: str) -> None:
    """What `--cidfile` asks for. Raises `UsageError` if the file is there."""
    if path is None:
        return
    try:
        with open(path, "x", encoding="ascii") as stream:
            stream.write(id)
    except OSError as error:
        raise UsageError(f"cannot write the container's id to {path}: {error.strerror}", "--cidfile names a new file") from error


def _staged(request: Request, session: Session, when: str) -> ContainerImage:
    """The image of a run that keeps nothing, from a local disk if that was asked for."""
    image = image_for(request, session, when)
    directory = session.settings.text("stage")
    if not directory or image.is_in_place:
        return image
    from sampan.runtime.stage import staged

    return staged(image, directory, session)


def check_is_stored(image: ContainerImage) -> None:
    """Raises `UsageError` for an image that lies somewhere else: nothing holds it there while a container is kept."""
    if image.is_in_place:
        raise UsageError(
            f"{image.reference} is run where it lies, and what is kept needs an image of the store",
            "leave --name, -d and --rm away, or `sampan import` it first",
        )


def new_id() -> str:
    """64 hex digits, as Docker's."""
    return os.urandom(32).hex()


def now() -> str:
    """The time in ISO 8601, UTC, with parts of seconds: what was made later sorts later."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:06d}Z"
