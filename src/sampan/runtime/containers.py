"""Containers that are kept: make, list, show, remove. Free of costly imports: `create` is a thing of milliseconds."""

from __future__ import annotations

import os

from sampan.container import shelf
from sampan.container.record import Record
from sampan.engine.choose import choose
from sampan.errors import ContainerNotFound, ContainerRunning, ImageNotFound, SampanError
from sampan.host import processes
from sampan.store import layout
from sampan.store.leases import Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.container.request import Request
    from sampan.runtime.session import Session


def create(record: Record, session: Session, *, throw_away: bool = False) -> Record:
    """Keep a container: a layer of its own over the image where an overlay works, else a private copy.

    With `throw_away` only its record is kept, so that it has a name and is listed; its changes vanish with its last
    process, and `sweep` takes the record away then.

    Raises `NameInUse`, `NoSpace`, `StoreError`, `NoEngine`.
    """
    keep = "memory" if throw_away else _how_to_keep(record.request, record.image, session)
    return _publish(record, session, keep)


def create_from(record: Record, session: Session, root: str) -> Record:
    """Keep a container whose files are a copy of the directory `root`, made from its image elsewhere. Raises as `create`."""
    return _publish(record, session, "copy", root)


def _publish(record: Record, session: Session, keep: str, root: str = "") -> Record:
    store = session.store
    with Lease(store) as lease:
        _hold_tree(record.image, lease)
        place = shelf.under_way(store, record.id)
        fields = {"name": record.name, "created": record.created, "keep": keep, "directory": store.join("containers", record.id)}
        made = Record(record.id, record.image, record.request, **fields)
        try:
            os.mkdir(place, 0o700)
            if keep == "copy":
                _copy(record, place, root, session)
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
            shelf.discard(place)
    return made


def _hold_tree(image: ContainerImage, lease: Lease) -> None:
    """Let gc and `rmi` leave the image's tree alone until the container's record holds it. Raises `ImageNotFound`."""
    lease.add(image.chain)
    if not os.path.isdir(image.tree):
        raise ImageNotFound(f"the image {image.reference} was removed just now", f"sampan pull {image.reference}")


def _how_to_keep(request: Request, image: ContainerImage, session: Session) -> str:
    """`overlay` if the engine that would be taken can keep changes in the store's file system, else `copy`."""
    layout.create(session.store)  # the image may be one of the site, and this the first thing that is kept
    probe = Record("", image, request, keep="copy")
    name = request.engine or session.settings.text("engine")
    from sampan.container.plan import asks

    _, can = choose(asks(probe), name, session.settings, session.store.path)
    return "overlay" if "kept-overlay" in can.features else "copy"


def _copy(record: Record, place: str, root: str, session: Session) -> None:
    """A copy of the directory `root`, else of the image; that for an imitated root with the image's owners and modes."""
    from sampan.layers.copy import copy_tree
    from sampan.store import trees

    if root:
        copy_tree(root, f"{place}/rootfs")
        return
    image = record.image
    found = next((tree for store in session.stores() if (tree := trees.find(store, image.chain))), None)
    size = f" ({trees.facts(found).size // 1000000} MB)" if found is not None else ""
    session.notice.say(f"no overlay can be kept here, so the container is a private copy of {image.reference}{size}")
    copy_tree(image.tree, f"{place}/rootfs")
    if record.request.root and found is not None:
        from sampan.engine import owners
        from sampan.store.build import read_index

        owners.write(read_index(found), f"{place}/rootfs", f"{place}/owners")


def sweep(session: Session) -> None:
    """Remove the records of containers that were to be thrown away and have ended."""
    store = session.store
    for id in shelf.ids(store):
        try:
            record = shelf.load(store, session.sites, id)
            if record.keep == "memory" and shelf.state(record.directory) == "exited":
                remove(id, session)
        except (SampanError, OSError):
            continue  # `ps` names what is damaged


class Entry:
    """A row of `sampan ps`."""

    __slots__ = ("command", "created", "id", "image", "name", "pid", "status")

    def __init__(self, id: str, status: str, **fields: object) -> None:
        self.id = id
        self.status = status
        self.image = str(fields.get("image", "-"))
        self.command: tuple[str, ...] = fields.get("command", ())  # type: ignore[assignment]
        self.created = str(fields.get("created", ""))
        self.name = str(fields.get("name", ""))
        self.pid: int | None = fields.get("pid")  # type: ignore[assignment]

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {name: getattr(self, name) for name in ("id", "name", "image", "command", "created", "status", "pid")}


def listed(session: Session, *, everything: bool = False) -> list[Entry]:
    """Containers, newest first: those that run, anonymous ones among them; with `everything` all that are kept."""
    sweep(session)
    kept = [_entry(id, session) for id in shelf.ids(session.store)]
    found = [entry for entry in kept if everything or entry.status.startswith("running")]
    known = {entry.id[:12] for entry in kept}
    return sorted([*found, *_anonymous(known)], key=lambda entry: entry.created, reverse=True)


def _entry(id: str, session: Session) -> Entry:
    directory = session.store.join("containers", id)
    try:
        record = shelf.load(session.store, session.sites, id)
        status, holder = shelf.state(directory), shelf.Holder.of(directory)
    except SampanError as error:
        return Entry(id, f"damaged: {error.sentence}")
    pid = holder.pid if holder is not None and status == "running" else None
    return Entry(
        id,
        status,
        image=record.image.reference,
        command=record.request.command,
        created=record.created,
        name=record.name,
        pid=pid,
    )


def _anonymous(known: set[str]) -> list[Entry]:
    """Runs that no record tells of: the first process of each has its container in its environment."""
    members: dict[str, list[int]] = {}
    for pid in processes.own_pids():
        id = processes.environment(pid).get("SAMPAN_CONTAINER", "")
        if id and id not in known:
            members.setdefault(id, []).append(pid)
    found = []
    for id, pids in members.items():
        first = next((pid for pid in pids if processes.parent(pid) not in pids), pids[0])
        variables = processes.environment(first)
        if variables.get("SAMPAN_CONTAINER") == id:
            started = processes.started_at(first)
            found.append(
                Entry(
                    id,
                    "running",
                    image=variables.get("SAMPAN_IMAGE", "-"),
                    command=processes.command(first),
                    created=started,
                    pid=first,
                )
            )
    return found


def inspect_container(name: str, session: Session, *, must: bool) -> dict[str, object] | None:
    """The record of a container and its state; `None` if there is none and it need not be."""
    try:
        record = shelf.find(session.store, session.sites, name)
    except ContainerNotFound:
        if must:
            raise
        return None
    holder = shelf.Holder.of(record.directory)
    status = shelf.state(record.directory)
    return {
        **record.document(),
        "directory": record.directory,
        "tree": record.image.tree or None,
        "state": status,
        "pid": holder.pid if holder is not None and status == "running" else None,
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
        status = shelf.state(directory)
        label = shelf.load(store, session.sites, id).name
    except SampanError:
        if not force:
            raise
        status, label = "damaged", ""
    if status.startswith("running"):
        raise ContainerRunning(f"the container {name} is {status} and is not removed", "end it first")
    try:
        place = shelf.take_away(store, directory)
        for link in [label] if label else os.listdir(store.join(shelf.NAMES)):
            path = store.join(shelf.NAMES, link)
            if os.path.lexists(path) and os.readlink(path) == f"../{id}":
                os.unlink(path)
        shelf.discard(place)
    except OSError as error:
        raise layout.failure(store, f"cannot remove the container {name}", error) from error
    return True
