"""Containers that are kept: make, show, remove. Free of costly imports: `create` is a thing of milliseconds."""

from __future__ import annotations

import os

from sampan.container import shelf
from sampan.container import state as states
from sampan.container.record import Record
from sampan.engine.choose import choose
from sampan.errors import ContainerNotFound, ContainerRunning, ImageNotFound, SampanError
from sampan.store import layout
from sampan.store.leases import Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.runtime.session import Session
    from sampan.store.trees import Tree


def create(record: Record, session: Session, *, throw_away: bool = False) -> Record:
    """Keep a container: a layer of its own over the image where an overlay works, else a private copy.

    With `throw_away` only its record is kept, so that it has a name and is listed; its changes vanish with its last
    process, and `sweep` takes the record away then.

    Raises `NameInUse`, `NoSpace`, `StoreError`, `NoEngine`.
    """
    keep = "memory" if throw_away else _how_to_keep(record, session)
    return _publish(record, session, keep)


def create_from(record: Record, session: Session, root: str) -> Record:
    """Keep a container whose files are a copy of the directory `root`, made from its image elsewhere. Raises as `create`."""
    return _publish(record, session, "copy", root)


def fill(record: Record, session: Session, image: ContainerImage | None = None) -> None:
    """Give a container a private copy of its image after all, or of another `image`. Raises `NoSpace`, `StoreError`."""
    place = shelf.under_way(session.store, record.id)
    try:
        os.mkdir(place, 0o700)
        if image is None:
            _say_copy(record, session)
        _copy(Record(record.id, image or record.image, record.request, record.ids), place, "", session)
        for name in os.listdir(place):
            os.rename(f"{place}/{name}", f"{record.directory}/{name}")
    except OSError as error:
        raise layout.failure(session.store, "cannot copy the image", error) from error
    finally:
        if os.path.lexists(place):
            _discard(place, record, session)


def _publish(record: Record, session: Session, keep: str, root: str = "") -> Record:
    store = session.store
    with Lease(store) as lease:
        _hold_tree(record.image, lease)
        place = shelf.under_way(store, record.id)
        made = record.but(keep=keep, directory=store.join("containers", record.id))
        try:
            os.mkdir(place, 0o700)
            if keep == "copy":
                if not root:
                    _say_copy(record, session)
                _copy(record, place, root, session)
                if not root:
                    with open(f"{place}/copied", "xb"):
                        pass  # its time tells what was changed since from what was copied
            elif keep == "overlay":
                # The root directory of an overlay has the attributes of its upper one.
                for name in ("upper", "work"):
                    os.mkdir(f"{place}/{name}", 0o700)
                found = os.stat(record.image.tree)
                os.chmod(f"{place}/upper", found.st_mode & 0o7777)
                os.utime(f"{place}/upper", ns=(found.st_atime_ns, found.st_mtime_ns))
            shelf.publish(store, place, made)
        except OSError as error:
            raise layout.failure(store, "cannot make the container", error) from error
        finally:
            if os.path.lexists(place):
                _discard(place, made, session)
    return made


def _discard(place: str, record: Record | None, session: Session) -> None:
    """Remove what was taken away or never finished, what belongs to several ids under these."""
    if record is not None and record.ids is not None:
        from sampan.runtime import owned

        owned.remove(record, f"{place}/rootfs", session)
    shelf.discard(place)


def _hold_tree(image: ContainerImage, lease: Lease) -> None:
    """Let gc and `rmi` leave the image's tree alone until the container's record holds it. Raises `ImageNotFound`."""
    lease.add(image.chain)
    if not os.path.isdir(image.tree):
        raise ImageNotFound(f"the image {image.reference} was removed just now", f"sampan pull {image.reference}")


def _how_to_keep(record: Record, session: Session) -> str:
    """`overlay` if the engine that would be taken can keep changes in the store's file system, else `copy`."""
    layout.create(session.store)  # the image may be one of the site, and this the first thing that is kept
    request = record.request
    probe = Record("", record.image, request, keep="copy")
    from sampan.container.asks import asks_of, check
    from sampan.runtime.start import engine_name

    asks = asks_of(probe)
    _, can = choose(asks, engine_name(record, session), session.settings, session.store.path)
    check(asks, can)  # before anything is made
    return "overlay" if not request.subids and "kept-overlay" in can.features else "copy"


def _tree(image: ContainerImage, session: Session) -> Tree | None:
    from sampan.store import trees

    return trees.find_in(session.stores(), image.chain)


def _say_copy(record: Record, session: Session) -> None:
    """Why a private copy is made, and how large it will be."""
    from sampan.store import trees

    found = _tree(record.image, session)
    size = f" ({trees.facts(found).size // 1000000} MB)" if found is not None else ""
    why = "--subids changes owners" if record.ids is not None else "no overlay can be kept here"
    session.notice.say(f"{why}, so the container is a private copy of {record.image.reference}{size}")


def _copy(record: Record, place: str, root: str, session: Session) -> None:
    """A copy of the directory `root`, else of the image; that for an imitated root with the image's owners and modes."""
    from sampan.layers.copy import copy_tree

    if root:
        copy_tree(root, f"{place}/rootfs")
        return
    image = record.image
    found = _tree(image, session)
    if record.ids is not None:
        from sampan.runtime import owned

        owned.copy(record, f"{place}/rootfs", session)
        return
    copy_tree(image.tree, f"{place}/rootfs")
    if record.request.root and found is not None:
        from sampan.engine import owners
        from sampan.store.build import read_index

        owners.write(read_index(found), f"{place}/rootfs", f"{place}/owners.table")


def flatten(record: Record, session: Session) -> Record:
    """Make a container that is a layer over its image a private copy, with what it has changed, for engines without overlays.

    Whoever is killed meanwhile leaves the layer in force. Raises `ContainerRunning`, `NoSpace`, `StoreError`, and as a commit.
    """
    from sampan.image.commit import Words
    from sampan.runtime.commit import commit
    from sampan.runtime.rmi import remove as remove_image

    if states.of(record.directory).runs:
        raise ContainerRunning(f"the container {record.shown} runs", "wait for its end")
    image = commit(record, None, Words("", "", ()), session)
    if os.path.isdir(f"{record.directory}/rootfs"):  # somebody was killed here
        shelf.discard(shelf.take_away(session.store, f"{record.directory}/rootfs"))
    fill(record, session, image)
    made = record.but(keep="copy")
    shelf.write_again(session.store, made)
    for layer in ("upper", "work"):
        shelf.discard(shelf.take_away(session.store, f"{record.directory}/{layer}"))
    remove_image(image.config, session)
    return made


def sweep(session: Session) -> None:
    """Remove the records of containers that were to be thrown away and have ended."""
    store = session.store
    for id in shelf.ids(store):
        try:
            record = shelf.load(store, session.sites, id)
            if record.keep == "memory" and states.of(record.directory).word == "exited":
                remove(id, session)
        except (SampanError, OSError):
            continue  # `ps` names what is damaged


def inspect_container(name: str, session: Session, *, must: bool) -> dict[str, object] | None:
    """The record of a container and its state; `None` if there is none and it need not be."""
    try:
        record = shelf.find(session.store, session.sites, name)
    except ContainerNotFound:
        if must:
            raise
        return None
    found = states.of(record.directory)
    process = found.process
    return {
        **record.document(),
        "directory": record.directory,
        "tree": record.image.tree or None,
        "state": found.word,
        "exit": found.exit,
        "health": found.health or None,
        "pid": process.pid if process is not None and not process.is_elsewhere() else None,
    }


def remove(name: str, session: Session, *, force: bool = False) -> bool:
    """Remove a container with its changes; False if `force` and there is none. Raises `ContainerNotFound`, `ContainerRunning`."""
    store = session.store
    try:
        id = shelf.id_of(store, name)
    except ContainerNotFound:
        if force:
            return False
        raise
    directory = store.join("containers", id)
    try:
        found = states.of(directory)
        status, runs = found.word, found.runs
        record = shelf.load(store, session.sites, id)
        label, several = record.name, record if record.ids is not None else None
    except SampanError:
        if not force:
            raise
        status, runs, label, several = "damaged", False, "", None
    if runs and not force:
        raise ContainerRunning(
            f"the container {name} is {status} and is not removed", f"`sampan stop {name}` ends it, `sampan rm -f {name}` too"
        )
    if not force:
        shelf.refuse_borrowed(store.join("containers", id), name)
    if runs:
        from sampan.runtime import life

        life.stop(shelf.load(store, session.sites, id), 0)
    try:
        try:
            place = shelf.take_away(store, directory)
        except FileNotFoundError:
            place = ""  # its watcher was quicker: it was to be thrown away
        for link in [label] if label else os.listdir(store.join(shelf.NAMES)):
            path = store.join(shelf.NAMES, link)
            if os.path.lexists(path) and os.readlink(path) == f"../{id}":
                os.unlink(path)
        if place:
            _discard(place, several, session)
    except OSError as error:
        raise layout.failure(store, f"cannot remove the container {name}", error) from error
    return True
