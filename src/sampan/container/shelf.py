"""Where containers are kept: directories below `containers/`, their names, and who runs them. On the start-up path.

`containers/<id>` appears by one rename, complete; its name is a symbolic link below `containers/names`, made exclusively, so
one name never has two containers. Who runs a container is in its file `running`, linked exclusively by the starter
(`state` says how it is read).
"""

from __future__ import annotations

import os

from sampan.container import record as kept
from sampan.container.state import Process, borrower, runner, started_by
from sampan.errors import ContainerNotFound, ContainerRunning, CorruptRecord, NameInUse, UsageError
from sampan.host import kernel
from sampan.store import layout, records, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.store.layout import Store

_NAME_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
ID_LENGTH = 64
NAMES = "containers/names"


def check_name(name: str) -> None:
    """Podman's rule: letters, digits and `_.-`, not one of these first. (Docker wants two.) Raises `UsageError`."""
    if not name or len(name) > 128 or not _NAME_LETTERS.issuperset(name) or name[0] in "_.-":
        raise UsageError(f"{name!r} cannot be the name of a container", "letters, digits and _ . -, not one of these first")


def is_taken(store: Store, name: str) -> bool:
    """Whether a container has this name."""
    return os.path.exists(store.join(NAMES, name))


def refuse_taken(store: Store, name: str) -> None:
    """Raises `NameInUse`, before anything is pulled for the container."""
    if is_taken(store, name):
        raise _taken(name)


def _taken(name: str) -> NameInUse:
    return NameInUse(f"the name {name} is in use by another container", f"choose another name, or `sampan rm {name}`")


def find(store: Store, sites: tuple[Store, ...], text: str) -> Record:
    """The container of a name, an id or the unique beginning of one. Raises `ContainerNotFound`, `UsageError`, `CorruptRecord`."""
    return load(store, sites, id_of(store, text))


def id_of(store: Store, text: str) -> str:
    """The id for a name or the beginning of an id."""
    if text and _NAME_LETTERS.issuperset(text):
        try:
            return os.readlink(store.join(NAMES, text)).rpartition("/")[2]
        except OSError:
            pass
        matching = [id for id in ids(store) if id.startswith(text)]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise UsageError(f"{len(matching)} containers have ids that begin with {text}", "write more of the id")
    raise ContainerNotFound(f"there is no container {text!r}", "see `sampan ps -a`")


def ids(store: Store) -> list[str]:
    """The ids of all containers, damaged ones included."""
    try:
        return sorted(name for name in os.listdir(store.join("containers")) if len(name) == ID_LENGTH)
    except OSError:
        return []


def load(store: Store, sites: tuple[Store, ...], id: str) -> Record:
    """The record of an id; its tree from the first store that has it, empty if none. Raises `ContainerNotFound`, `CorruptRecord`."""
    directory = store.join("containers", id)
    document = records.read(f"{directory}/container.json")
    if document is None:
        if os.path.isdir(directory):
            raise CorruptRecord(f"the container {id[:12]} has no record", f"`sampan rm -f {id[:12]}` removes it")
        raise ContainerNotFound(f"there is no container {id[:12]}", "see `sampan ps -a`")
    image = document.get("image")
    chain = str(image.get("chain")) if isinstance(image, dict) else ""
    tree = None
    try:
        tree = next((found for place in (*sites, store) if (found := trees.find(place, chain)) is not None), None)
    except ValueError as error:
        raise CorruptRecord(
            f"the record of the container {id[:12]} is damaged: {error}", f"`sampan rm -f {id[:12]}` removes it"
        ) from error
    return kept.from_document(document, directory, tree.rootfs if tree else "", tree.used if tree else "")


def publish(store: Store, place: str, record: Record) -> None:
    """Give the directory `place`, which holds the container's files, its record, its name and its id.

    `place` is `under_way(store, id)`. The name comes before the id: whoever is killed in between leaves a name that leads nowhere,
    which is as good as none. Raises `NameInUse` (then nothing stays), `NoSpace`, `StoreError`.
    """
    try:
        records.write(f"{place}/container.json", f"{place}/container.json.new", record.document())
        if record.name:
            _take_name(store, record)
        os.rename(place, store.join("containers", record.id))
        records.flush_directory(store.join("containers"))
    except OSError as error:
        raise layout.failure(store, f"cannot keep the container {record.shown}", error) from error


def under_way(store: Store, id: str) -> str:
    """Where a container is made; others see there that its name is taken although it leads nowhere yet."""
    return store.temporary(f"container-{id[:12]}")


def _is_under_way(store: Store, id: str) -> bool:
    return any(
        name.endswith(f"-container-{id[:12]}") and not layout.is_left_over(name, 0) for name in os.listdir(store.join("tmp"))
    )


def _take_name(store: Store, record: Record) -> None:
    link = store.join(NAMES, record.name)
    while True:
        try:
            os.symlink(f"../{record.id}", link)
            return
        except FileExistsError:
            pass
        try:
            text = os.readlink(link)
        except FileNotFoundError:
            continue
        id = text.rpartition("/")[2]
        if id == record.id:
            return  # a network file system did it and lost the answer
        # In this order: one that was under way just now has got its place since.
        if _is_under_way(store, id) or os.path.exists(link):
            raise _taken(record.name)
        # It leads nowhere. Only one who gets it out of the way can be sure that it still did.
        aside = store.temporary("name")
        try:
            os.rename(link, aside)
            if os.readlink(aside) != text:
                os.symlink(os.readlink(aside), link)
            os.unlink(aside)
        except (FileNotFoundError, FileExistsError):
            continue


def take_away(store: Store, directory: str) -> str:
    """Rename a container's directory to below `tmp/`, so that it is gone at once; its new place. Raises OSError."""
    place = store.temporary("container")
    os.rename(directory, place)
    return place


def discard(place: str) -> None:
    """Remove what was taken away, or was never finished. Raises OSError."""
    from sampan.layers.removal import remove

    parent = os.open(os.path.dirname(place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove(parent, os.path.basename(place))
    finally:
        os.close(parent)


def hold(store: Store, record: Record) -> None:
    """Note that this process runs the container. Raises `ContainerRunning`, `NoSpace`, `StoreError`.

    Of several starters one wins: the mark is made under its own name and linked. A dead one's is taken away first, under a
    lock on the record, so that nobody takes away the mark of a third starter that was quicker. A detached container's
    starter ends when its payload runs; from then on the watcher's own file `payload` says who runs it.
    """
    mark = f"{record.directory}/running"
    own = store.temporary("running")
    try:
        _write(own, records.dump(Process.here().document()))
        descriptor = os.open(f"{record.directory}/container.json", os.O_RDONLY | os.O_CLOEXEC)
        try:
            _lock(descriptor)
            found = runner(record.directory)
            if found is not None:
                raise runs(record, found)
            refuse_borrowed(record.directory, record.shown)
            for name in ("running", "payload", "exit", "health"):
                records.remove_if_there(f"{record.directory}/{name}")
            try:
                _give(own, mark)
            except FileExistsError:
                raise runs(record, started_by(record.directory)) from None
            try:
                refuse_borrowed(
                    record.directory, record.shown
                )  # again, where there are no locks: who borrows has marked that before
            except ContainerRunning:
                os.unlink(mark)
                raise
        finally:
            os.close(descriptor)
            os.unlink(own)
    except OSError as error:
        raise layout.failure(store, f"cannot start the container {record.shown}", error) from error


def _write(path: str, data: bytes) -> None:
    """Without fsync, which would cost more than the rest of the start: after a crash the boot id says that nobody runs it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
    finally:
        os.close(descriptor)


def _give(own: str, mark: str) -> None:
    """Let the mark `own` be `mark` too, which must not exist. Raises FileExistsError."""
    try:
        os.link(own, mark)
    except FileExistsError:
        if not os.path.samefile(own, mark):  # else a network file system did it and lost the answer
            raise
    except OSError as error:
        from sampan.layers.ondisk import NO_LINK

        if error.errno not in NO_LINK:
            raise
        # Without hard links the mark is made in two steps, between which a reader finds it empty, and says that it is damaged.
        with open(own, "rb") as stream:
            _write(mark, stream.read())


def _lock(descriptor: int) -> None:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        pass  # there are no locks on this file system: the link below still has one winner


def refuse_borrowed(directory: str, name: str) -> None:
    """Raises `ContainerRunning` while files are copied into or out of a container that does not run."""
    found = borrower(directory)
    if found is not None:
        raise ContainerRunning(
            f"the files of the container {name} are in use by `sampan cp` (pid {found.pid} on {found.node})",
            "wait for its end",
        )


def runs(record: Record, process: Process | None) -> ContainerRunning:
    """The error for a container that `process` runs already."""
    where = f" on {process.node}" if process is not None and process.node != kernel.node() else ""
    pid = f" (pid {process.pid})" if process is not None else ""
    return ContainerRunning(
        f"the container {record.shown} runs already{where}{pid}",
        "two at a time would destroy each other's changes; wait for it or end it",
    )


def rename(store: Store, record: Record, name: str) -> None:
    """Another name for a container, empty for none: the new link first, then the record, then the old link goes. Raises `NameInUse`."""
    link = store.join(NAMES, name)
    try:
        if name and os.path.lexists(link) and not os.path.exists(link):
            os.unlink(link)
        try:
            if name:
                os.symlink(f"../{record.id}", link)
        except FileExistsError:
            refuse_taken(store, name)
        write_again(store, record.but(name=name))
        if record.name and record.name != name:
            records.remove_if_there(store.join(NAMES, record.name))
    except OSError as error:
        raise layout.failure(store, f"cannot rename the container {record.shown}", error) from error


def write_again(store: Store, record: Record) -> None:
    """Replace the record of a container by another of the same id. Raises `NoSpace`, `StoreError`."""
    try:
        records.write(f"{record.directory}/container.json", store.temporary("record"), record.document())
    except OSError as error:
        raise layout.failure(store, f"cannot write the record of the container {record.shown}", error) from error
