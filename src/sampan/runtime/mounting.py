"""`repo mount`: a repository on a directory that the user names, in the background or in the foreground."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sampan.cvmfs.client.client import open_client
from sampan.cvmfs.client.serving import Serving
from sampan.errors import HostError
from sampan.runtime import mount_server
from sampan.runtime.mount_start import wait_for
from sampan.runtime.mounts import base_directory
from sampan.runtime.repositories import site_of

if TYPE_CHECKING:
    from sampan.cvmfs.client.site import Site
    from sampan.runtime.repositories import Stated
    from sampan.runtime.session import Session


def mount_at(name: str, directory: str, session: Session, stated: Stated, *, foreground: bool) -> None:
    """Mount; returns when it answers, or with `foreground` when it is unmounted. Raises as `site_of`, `open_client`, `Serving`."""
    site = site_of(name, session, stated)
    offline = session.settings.flag("offline")
    if foreground:
        serving = Serving(open_client(site, offline=offline, notice=session.notice), directory, session.notice.say)
        session.notice.say(f"{site.fqrn} is mounted on {directory}; Ctrl-C takes it away")
        serving.until_signal()
        serving.close()
        return
    log = _log_file(site, session)
    read, write = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        mount_server.detached(write, log, lambda ready: _serve(site, directory, ready, offline=offline))
    os.close(write)
    wait_for(read, pid, f"the mount of {site.fqrn}", log)


def _serve(site: Site, directory: str, ready: int, *, offline: bool) -> None:
    serving = Serving(open_client(site, offline=offline, notice=mount_server.LogNotice()), directory, mount_server.say)
    mount_server.report(ready, {"state": "mounted"})
    serving.until_signal()
    serving.close()


def _log_file(site: Site, session: Session) -> str:
    base = base_directory(session)
    try:
        os.makedirs(base, 0o700, exist_ok=True)
    except OSError as error:
        raise HostError(f"cannot make {base}: {error.strerror}", "set SAMPAN_RUNTIME_DIR to another directory") from error
    return os.path.join(base, f"{site.fqrn}.log")
