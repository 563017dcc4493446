"""`exec`: a program in a container that runs. On the start-up path of `sampan exec`."""

from __future__ import annotations

import os

from sampan.container import state
from sampan.errors import CannotHonour, UsageError
from sampan.host import processes
from sampan.runtime import life, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.container.request import Request
    from sampan.engine.base import Start
    from sampan.runtime.session import Session

NAMESPACES = {"user": "user", "mnt": "mount", "pid": "pid", "ipc": "ipc", "uts": "uts", "net": "net", "cgroup": "cgroup"}


def join(record: Record, request: Request, session: Session, *, detach: bool = False) -> Start:
    """How to start a program in a running container: what `request` asks (command, environment, directory), as its user.

    Raises `ContainerNotFound` if it does not run, `ContainerRunning` if it runs on another node, `CannotHonour`.
    """
    life.here(record)
    process = state.inside(record.directory)
    if process is None or not process.is_alive():
        raise UsageError(f"the container {record.name or record.id[:12]} has just ended")
    if record.ids is None and request.user not in (None, record.request.user):
        raise CannotHonour(
            "another user is not possible in a running container: it has one id, chosen when it was started",
            "start it with -u, or with --subids for several",
        )
    launcher = processes.launcher(process.pid)
    process = state.payload(record.directory) or process
    if launcher:
        request = request.but(engine="proot" if launcher == "proot" else "oci-runtime")
    elif processes.intercepted(process.pid):  # by whatever engine a new container would be started now
        request = request.but(engine="intercept")
    decided, engine = start.decide(record.with_request(request), session)
    names = tuple(name for kind, name in NAMESPACES.items() if _differs(process.pid, kind))
    if not names and engine.namespaces:
        raise CannotHonour(
            f"the container {record.shown} cannot be entered: its process cannot be looked into, as that of an agent for keys",
            "run the program when the container is started",
        )
    directory = request.workdir or decided.directory.path or os.getcwd()
    return engine.join(decided, (process.pid, process.start, names), directory, detach=detach)


def _differs(pid: int, kind: str) -> bool:
    theirs = processes.namespace(pid, kind)
    return bool(theirs) and theirs != processes.namespace(os.getpid(), kind)
