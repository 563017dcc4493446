"""Mounts of repositories that starts share: one for a node, a user and a configuration; gone after its last user.

Theory of operation. A start connects to the socket of the mount's server; if none answers, it becomes the one that starts
it, under a lock, by forking: the child mounts, says that it is ready and stays. A connection keeps the server for the moment until the
payload runs. Then the kernel does: a container's root holds the file system, whether it is visible here or not.

A server that nobody is connected to, that was not asked anything for a while and whose mount no process has unmounts itself, and ends when the kernel
says that the last container has let go. Who comes in between starts another one. What was fetched is in the cache in any
case; a server is only memory.

A server that was killed (by a batch system, with the job that happened to start it) leaves a dead mount, which fusermount3
takes away, else the next start.

On the start-up path of a start from a repository, so without what the standard library costs (`mount_start` has the rest).
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_STREAM, socket  # the module `socket` makes enumerations, which cost a third of a start

from sampan.errors import HostError
from sampan.host.runtime_directory import runtime_directory
from sampan.oci.scan import scan
from sampan.values import as_dict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cvmfs.client.site import Site
    from sampan.runtime.session import Session

HOLD, LOOK_AT = "hold", "state"
"""First words to a server: to use its mount, or only to ask it something."""


class Attached:
    """A mount that is there as long as this is open: where it is, and how to ask its server."""

    def __init__(self, directory: str, connection: socket) -> None:
        self.directory = directory
        self._connection = connection

    def status(self) -> dict[str, object]:
        """What the server says of itself. Raises `HostError`."""
        return ask(self._connection, "status")

    def prefetch(self, path: str) -> None:
        """Let the server fetch what starts of the image in a directory of the repository are known to read, meanwhile."""
        ask(self._connection, f"prefetch {os.fsencode(path).hex()}")

    def look(self) -> dict[str, object]:
        """Let the server look for a new revision now."""
        return ask(self._connection, "look")

    def close(self) -> None:
        """Need it no longer."""
        self._connection.close()


def key_of(site: Site, *, offline: bool = False) -> str:
    """What tells mounts apart: everything that decides what they show and where it comes from."""
    text = repr((sorted({**as_dict(site), "sources": sorted(as_dict(site.sources).items())}.items()), offline))
    return _sha256(text.encode("utf-8", "surrogateescape"))[:12]


def _sha256(data: bytes) -> str:
    """By the interpreter's own code: `hashlib` loads OpenSSL."""
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]  # of 3.12 and later
    except ImportError:
        try:
            from _sha256 import sha256  # type: ignore[import-not-found,no-redef,unused-ignore]
        except ImportError:
            from hashlib import sha256
    return str(sha256(data).hexdigest())


def base_directory(session: Session) -> str:
    """Where this node's mounts are."""
    return os.path.join(runtime_directory(session.settings.text("runtime_dir")), "cvmfs")


def attach(site: Site, session: Session) -> Attached:
    """The mount of a repository, started if it is not there.

    Raises `HostError` where nothing can be mounted, and what opening the repository raises.
    """
    offline = session.settings.flag("offline")
    place = os.path.join(base_directory(session), f"{site.fqrn}-{key_of(site, offline=offline)}")
    try:
        os.makedirs(os.path.join(place), 0o700, exist_ok=True)
    except OSError as error:
        raise HostError(f"cannot make {place}: {error.strerror}", "set SAMPAN_RUNTIME_DIR to another directory") from error
    connection = connect(place)
    if connection is None:
        from sampan.runtime.mount_start import locked, start

        with locked(place):
            connection = connect(place)
            if connection is None:
                start(site, place, session)
                connection = connect(place)
    if connection is None:
        raise HostError(f"the mount of {site.fqrn} has ended at once", f"its log is {place}/log")
    return Attached(mount_point(place), connection)


def mount_point(place: str) -> str:
    """Where in its directory a mount is."""
    return os.path.join(place, "mnt")


def listing(session: Session) -> list[dict[str, object]]:
    """What each server of this node and user says of itself."""
    base = base_directory(session)
    found = []
    for name in sorted(os.listdir(base)) if os.path.isdir(base) else []:
        connection = connect(os.path.join(base, name), LOOK_AT)
        if connection is not None:
            try:
                found.append(ask(connection, "status"))
            except HostError:
                pass
            finally:
                connection.close()
    return found


class ShortName:
    """A name for the socket in a directory that is never too long for one, as long as this is open."""

    def __init__(self, place: str) -> None:
        self._descriptor = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> str:
        return f"/proc/self/fd/{self._descriptor}/socket"

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)


def connect(place: str, word: str = HOLD) -> socket | None:
    """A connection to a server that answers for its mount; with `hold` the mount stays as long as the connection."""
    connection = socket(AF_UNIX, SOCK_STREAM)
    connection.settimeout(10.0)
    try:
        with ShortName(place) as name:
            connection.connect(name)
        if ask(connection, word).get("state") == "mounted":
            return connection
    except (OSError, HostError):
        pass
    connection.close()
    return None


def ask(connection: socket, word: str) -> dict[str, object]:
    try:
        connection.sendall(word.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
        found = scan(answer.decode())
    except (OSError, ValueError) as error:
        raise HostError("the server of the mount does not answer") from error
    return found if isinstance(found, dict) else {}
