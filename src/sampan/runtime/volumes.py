"""Volumes for compatible programs: directories below `volumes/` of the store that `-v NAME:/path` makes visible.

`volumes/<name>/data` is what a container sees, `volumes/<name>/volume.json` its labels and when it was made. A new one appears by one
rename, complete. When a container is the first to use a volume, the volume takes what the image has at the target, as Docker has it:
`volumes/<name>/new` says that it has not been asked yet.

Free of costly imports: it is on the way of `docker run -v NAME:/path`.
"""

from __future__ import annotations

import os

from sampan.errors import StoreError, UsageError
from sampan.store import layout, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import ContainerImage, Record
    from sampan.runtime.session import Session

VOLUMES = "volumes"
ANONYMOUS = 64  # digits: the length of a name that nobody has given
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


class Volume:
    """A volume: its name, the directory with its content, labels, and when it was made."""

    __slots__ = ("created", "directory", "labels", "name")

    def __init__(self, name: str, directory: str, labels: dict[str, str], created: str) -> None:
        self.name = name
        self.directory = directory
        self.labels = labels
        self.created = created


def create(name: str, session: Session, labels: dict[str, str] | None = None) -> Volume:
    """Make a volume; one of this name that is there already is that. Raises `UsageError`, `StoreError`, `NoSpace`."""
    _check_name(name)
    store = session.store
    layout.create(store)
    found = find(name, session)
    if found is not None:
        return found
    place = store.temporary("volume")
    try:
        os.makedirs(f"{place}/data", 0o755)
        for path in (f"{place}/new",):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        from sampan.runtime.run import now

        document = {"format": records.FORMAT, "created": now(), "labels": dict(labels or {})}
        records.write(f"{place}/volume.json", f"{place}/volume.json.new", document)
        os.makedirs(store.join(VOLUMES), 0o700, exist_ok=True)
        try:
            os.rename(place, store.join(VOLUMES, name))
        except OSError:
            if find(name, session) is None:
                raise
            _discard(place)  # another was quicker
    except OSError as error:
        raise layout.failure(store, f"cannot make the volume {name}", error) from error
    made = find(name, session)
    if made is None:
        raise StoreError(f"the volume {name} was removed just now")
    return made


def find(name: str, session: Session) -> Volume | None:
    """The volume of this name. Raises `CorruptRecord`."""
    if not name or not _LETTERS.issuperset(name) or name.startswith("."):
        return None
    place = session.store.join(VOLUMES, name)
    document = records.read(f"{place}/volume.json")
    if document is None:
        return None
    labels = document.get("labels")
    texts = {str(key): str(value) for key, value in labels.items()} if isinstance(labels, dict) else {}
    return Volume(name, f"{place}/data", texts, str(document.get("created", "")))


def one(name: str, session: Session) -> Volume:
    """The same; one that is missing is a `UsageError`."""
    found = find(name, session)
    if found is None:
        raise UsageError(f"no such volume: {name}", "see `sampan docker volume ls`")
    return found


def listed(session: Session) -> list[Volume]:
    """All volumes by name."""
    try:
        names = sorted(os.listdir(session.store.join(VOLUMES)))
    except FileNotFoundError:
        return []
    return [found for name in names if (found := find(name, session)) is not None]


def users(session: Session) -> dict[str, list[str]]:
    """The containers (ids) that use each volume."""
    from sampan.container import shelf
    from sampan.errors import SampanError

    found: dict[str, list[str]] = {}
    inside = f"{session.store.join(VOLUMES)}/"
    for id in shelf.ids(session.store):
        try:
            request = shelf.load(session.store, session.sites, id).request
        except SampanError:
            continue  # `ps` names what is damaged
        for text in (*request.volumes, *request.mounts):
            _, begins, rest = text.partition(inside)
            if begins:
                found.setdefault(rest.partition("/")[0], []).append(id)
    return found


def anonymous_of(record: Record, session: Session) -> list[str]:
    """Names of the volumes that were made for this container alone, as `-v /path` makes them."""
    inside = f"{session.store.join(VOLUMES)}/"
    names = [text[len(inside) :].partition("/")[0] for text in record.request.volumes if text.startswith(inside)]
    return [name for name in names if len(name) == ANONYMOUS and users(session).get(name, []) == [record.id]]


def remove(name: str, session: Session) -> None:
    """Remove a volume and what is in it. Raises `UsageError` if it is missing or a container uses it, `StoreError`."""
    one(name, session)
    holders = users(session).get(name, [])
    if holders:
        shown = ", ".join(id[:12] for id in holders)
        raise UsageError(f"the volume {name} is in use by {shown}", "remove the containers first")
    place = session.store.temporary("volume")
    try:
        os.rename(session.store.join(VOLUMES, name), place)
        _discard(place)
    except OSError as error:
        raise layout.failure(session.store, f"cannot remove the volume {name}", error) from error


def fill(volume: Volume, target: str, image: ContainerImage, session: Session) -> None:
    """Give a volume that nobody has used yet what the image has at `target`. Raises `StoreError`, `NoSpace`."""
    mark = f"{os.path.dirname(volume.directory)}/new"
    if not os.path.exists(mark):
        return
    try:
        os.unlink(mark)  # whoever does it fills it
    except FileNotFoundError:
        return
    from sampan.layers.beneath import in_root

    root = os.open(image.tree, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        descriptor = in_root(root, os.fsencode(target.lstrip("/")) or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return  # the image has nothing there, or no directory
    finally:
        os.close(root)
    try:
        from sampan.layers.copy import copy_tree

        content = f"{volume.directory}.new"
        copy_tree(f"/proc/self/fd/{descriptor}/.", content)
        os.rename(content, volume.directory)
    except OSError as error:
        raise layout.failure(session.store, f"cannot copy {target} of the image into the volume {volume.name}", error) from error
    finally:
        os.close(descriptor)


def _check_name(name: str) -> None:
    if len(name) < 2 or len(name) > 255 or not _LETTERS.issuperset(name) or name[0] in "_.-":
        raise UsageError(
            f"{name!r} cannot be the name of a volume",
            "two or more letters, digits and _ . -, not one of these first; a path begins with / or ./",
        )


def _discard(place: str) -> None:
    from sampan.container.shelf import discard

    discard(place)
