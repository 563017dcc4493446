"""Start the server of a mount, as the one of all starts that holds the lock, and wait until it is ready."""

from __future__ import annotations

import fcntl
import json
import os
import select
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sampan.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cvmfs.client.site import Site
    from sampan.runtime.session import Session

PATIENCE = 120.0
"""Seconds until a server has to be ready: it may have to try several servers and proxies of the network first."""


@contextmanager
def locked(place: str) -> Iterator[None]:
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


def start(site: Site, place: str, session: Session) -> None:
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
