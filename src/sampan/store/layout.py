"""One store: where everything lies in it, how it is opened and made, and the names of what is under way. On the start-up path.

A `Store` is only a path and whether it may be written. It may not exist yet: then nothing is found in it, and `create` makes
it. Every name below `tmp/` begins with who made it, so that a later process can tell what a dead one left.
"""

from __future__ import annotations

import errno
import os

from sampan.errors import NewerStore, NoSpace, SampanError, StoreError, printable
from sampan.host.kernel import boot_id, node
from sampan.host.processes import start_time

FORMAT = 1
READABLE = 0o755
"""Mode of a directory of a shared store; in a private one its top, 0700, is what counts."""
OTHER_NODE_SECONDS = 24 * 3600
"""Age from which something below `tmp/` that another node made counts as left over."""
_MAGIC = "sampan-store "
DIRECTORIES = (
    "names",
    "blobs",
    "blobs/blobs",
    "blobs/blobs/sha256",
    "trees",
    "containers",
    "containers/names",
    "programs",
    "pins",
    "tmp",
)
_FILES = ("format", "shared", "shims", "volumes")
_FOR_EVERYONE = ("", "names", "blobs", "blobs/blobs", "blobs/blobs/sha256", "trees")
_OCI_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}\n'
_HINT_HOME = "set SAMPAN_HOME to a directory that you can write"


class Store:
    """A store at `path`; one of the site is not `writable` and is used as it is."""

    __slots__ = ("path", "writable")

    def __init__(self, path: str, writable: bool = True) -> None:
        self.path = path
        self.writable = writable

    def join(self, *parts: str) -> str:
        """A path in the store."""
        return "/".join((self.path, *parts))

    def is_shared(self) -> bool:
        """Whether everyone can read it (`sampan store init --shared`)."""
        return os.path.exists(self.join("shared"))

    def temporary(self, suffix: str) -> str:
        """A new name below `tmp/`, which says who uses it. `suffix` has no point."""
        return self.join("tmp", f"{owner()}.{os.urandom(6).hex()}-{suffix}")


def open_store(path: str, writable: bool = True) -> Store:
    """The store at `path`, which need not exist. Raises `NewerStore`, and `StoreError` if it is none or cannot be read."""
    path = path.rstrip("/") or "/"
    try:
        with open(f"{path}/format", "rb") as stream:
            text = stream.read(100).decode("ascii", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return Store(path, writable)
    except OSError as error:
        raise StoreError(f"cannot read the store {path}: {error.strerror}", _HINT_HOME) from error
    number = text[len(_MAGIC) :].strip()
    if not text.startswith(_MAGIC) or not number.isdigit():
        raise StoreError(f"{path} is not a store of sampan: its file `format` says {printable(text[:40].strip())!r}", _HINT_HOME)
    if int(number) > FORMAT:
        raise NewerStore(
            f"the store {path} was written by a newer sampan (format {number}, this one knows {FORMAT})",
            "upgrade sampan, or set SAMPAN_HOME to another directory",
        )
    return Store(path, writable)


def create(store: Store) -> None:
    """Make what is missing of the store. Raises `StoreError`, and `NoSpace`.

    The file `format` comes last, so a store is one or not; a directory that holds other things is left alone.
    """
    if os.path.exists(store.join("format")):
        return
    try:
        os.makedirs(os.path.dirname(store.path) or "/", exist_ok=True)
        _make_directory(store.path, 0o700)
        _refuse_other_things(store)
        os.chmod(store.path, 0o700)  # also one that its owner had made beforehand: images may hold secrets
        for name in DIRECTORIES:
            _make_directory(store.join(name), 0o755)
        for name, data in (("blobs/oci-layout", _OCI_LAYOUT), ("format", f"{_MAGIC}{FORMAT}\n".encode())):
            _put(store, name, data)
    except OSError as error:
        raise failure(store, f"cannot make the store {store.path}", error) from error


def create_shared(store: Store) -> None:
    """Make a store that everyone can read and nobody else can write, or make an empty one so. Raises `StoreError`, `NoSpace`."""
    create(store)
    if store.is_shared():
        return
    try:
        if os.listdir(store.join("trees")) or os.listdir(store.join("blobs/blobs/sha256")):
            raise StoreError(
                f"the store {store.path} has images already, which only its owner can read",
                "make a shared store in a new directory, and pull the images there",
            )
        _put(store, "shared", b"")  # first: what is stored from now on is for everyone
        for name in _FOR_EVERYONE:
            os.chmod(store.join(name), READABLE)
        for name in ("containers", "pins", "tmp"):
            os.chmod(store.join(name), 0o700)
    except OSError as error:
        raise failure(store, f"cannot share the store {store.path}", error) from error


def _put(store: Store, name: str, data: bytes) -> None:
    from sampan.store.records import put

    put(store.join(name), store.temporary(name.replace("/", "-")), data)


def _make_directory(path: str, mode: int) -> None:
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise


def _refuse_other_things(store: Store) -> None:
    other = holds_other_things(store)
    if other:
        raise StoreError(f"{store.path} holds other things ({printable(other)!r}), so no store is made there", _HINT_HOME)


def holds_other_things(store: Store) -> str:
    """Something in the store's directory that is none of the store's, empty if there is nothing. Raises OSError."""
    known = {name.partition("/")[0] for name in DIRECTORIES + _FILES}
    try:
        return min(set(os.listdir(store.path)) - known, default="")
    except FileNotFoundError:
        return ""


def failure(store: Store, what: str, error: OSError) -> SampanError:
    """The error to raise for an OSError while writing to the store: `what` is `cannot ...`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoSpace(
            f"{what}: no space left below {store.path} ({error.strerror})",
            "remove images with `sampan rmi`, or set SAMPAN_HOME to another directory",
        )
    hint = _HINT_HOME if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else None
    return StoreError(f"{what}: {error.strerror or error}", hint)


def owner() -> str:
    """Who this process is, across nodes, boots, pid namespaces and reused pids; what names below `tmp/` begin with."""
    pid = os.getpid()
    return f"{node()}.{boot_id()}.{_pid_namespace()}.{pid}.{start_time(pid) or 0}"


def _pid_namespace() -> str:
    # A container that has the store bound has a name of this node and this boot, but pids of its own.
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "0"


def is_left_over(name: str, age: float) -> bool:
    """Whether the maker of a name below `tmp/` is dead; by `age` (seconds) where its process cannot be seen from here."""
    parts = name.rsplit(".", 5)
    if len(parts) == 6:
        where, boot, namespace, pid, started = parts[:5]
        if where == node() and boot == boot_id():
            if namespace == _pid_namespace() and pid.isdigit() and started.isdigit() and started != "0":
                found = start_time(int(pid))
                return found is None or found != int(started)
        elif where == node():
            return True
    return age > OTHER_NODE_SECONDS
