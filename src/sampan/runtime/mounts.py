"""Mounts of repositories that starts share: one for a node, a user and a configuration; gone after its last user.

Theory of operation. A start connects to the socket of the mount's server; if none answers, it becomes the one that starts
it, under a lock, by forking: the child mounts, says that it is ready and stays. A connection keeps the server for the moment until the
payload runs. Then the kernel does: a container's root holds the file system, whether it is visible here or not.

A server that nobody is connected to, that was not asked anything for a while and whose mount no process has unmounts itself, and ends when the kernel
says that the last container has let go. Who comes in between starts another one. What was fetched is in the cache in any
case; a server is only memory.

A server that was killed (by a batch system, with the job that happened to start it) leaves a dead mount, which fusermount3
takes away, else the next start.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import select
import socket
import sys
import time
from contextlib import contextmanager, suppress

from sampan.errors import HostError
from sampan.host.runtime_directory import runtime_directory
from sampan.values import as_dict

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cvmfs.client.site import Site
    from sampan.runtime.session import Session

HOLD, LOOK_AT = "hold", "state"
"""First words to a server: to use its mount, or only to ask it something."""
PATIENCE = 120.0
"""Seconds until a server has to be ready: it may have to try several servers and proxies of the network first."""


class Attached:
    """A mount that is there as long as this is open: where it is, and how to ask its server."""

    def __init__(self, directory: str, connection: socket.socket) -> None:
        self.directory = directory
        self._connection = connection

    def status(self) -> dict[str, object]:
        """What the server says of itself. Raises `HostError`."""
        return _ask(self._connection, "status")

    def prefetch(self, path: str) -> None:
        """Let the server fetch what starts of the image in a directory of the repository are known to read, meanwhile."""
        _ask(self._connection, f"prefetch {os.fsencode(path).hex()}")

    def look(self) -> dict[str, object]:
        """Let the server look for a new revision now."""
        return _ask(self._connection, "look")

    def close(self) -> None:
        """Need it no longer."""
        self._connection.close()


def key_of(site: Site, *, offline: bool = False) -> str:
    """What tells mounts apart: everything that decides what they show and where it comes from."""
    text = json.dumps([{**as_dict(site), "sources": as_dict(site.sources)}, offline], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:12]


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
    connection = _connect(place)
    if connection is None:
        with _locked(place):
            connection = _connect(place)
            if connection is None:
                _start(site, place, session)
                connection = _connect(place)
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
        connection = _connect(os.path.join(base, name), LOOK_AT)
        if connection is not None:
            with connection, suppress(HostError):
                found.append(_ask(connection, "status"))
    return found


@contextmanager
def _locked(place: str) -> Iterator[None]:
    descriptor = os.open(os.path.join(place, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    raise HostError(f"another start of the mount in {place} does not end", f"its log is {place}/log") from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def short_name(place: str) -> Iterator[str]:
    """A name for the socket that is never too long for one."""
    descriptor = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/socket"
    finally:
        os.close(descriptor)


def _connect(place: str, word: str = HOLD) -> socket.socket | None:
    """A connection to a server that answers for its mount; with `hold` the mount stays as long as the connection."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(10.0)
    try:
        with short_name(place) as name:
            connection.connect(name)
        if _ask(connection, word).get("state") == "mounted":
            return connection
    except (OSError, HostError):
        pass
    connection.close()
    return None


def _ask(connection: socket.socket, word: str) -> dict[str, object]:
    try:
        connection.sendall(word.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
        found = json.loads(answer)
    except (OSError, ValueError) as error:
        raise HostError("the server of the mount does not answer") from error
    return found if isinstance(found, dict) else {}


def _start(site: Site, place: str, session: Session) -> None:
    """Fork a server and wait until it is ready. Raises what it met."""
    from sampan.cvmfs.fuse import mounting

    stopped = mounting.obstacle()
    if stopped is not None:
        raise HostError(f"the repository {site.fqrn} cannot be mounted: {stopped[0]}", stopped[1])
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        from sampan.runtime.mount_server import become_server

        become_server(site, place, write, (session.settings.number("cvmfs_linger"), session.settings.flag("offline")))
    os.close(write)
    wait_for(read, pid, f"the mount of {site.fqrn}", f"{place}/log")


def wait_for(read: int, pid: int, what: str, log: str) -> None:
    """Until a forked server reports on a pipe; `pid` is the process between, which ends at once. Raises what it met."""
    os.waitpid(pid, 0)
    with os.fdopen(read, "rb") as stream:
        said = _read_all(stream.fileno())
    try:
        document = json.loads(said)
    except ValueError:
        raise HostError(f"{what} ended before it was ready", f"its log is {log}") from None
    if document.get("error"):
        from sampan import errors

        kind = getattr(errors, str(document["error"]), HostError)
        raise kind(str(document["sentence"]), document.get("hint"))


def _read_all(descriptor: int) -> bytes:
    found, end = b"", time.monotonic() + PATIENCE
    while True:
        left = end - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return found
        piece = os.read(descriptor, 65536)
        if not piece:
            return found
        found += piece
