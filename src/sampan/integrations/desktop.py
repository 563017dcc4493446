"""The user's display and ssh agent, on request."""

from __future__ import annotations

import os

from sampan.container.edits import Edits
from sampan.container.environment import Step
from sampan.container.mounts import Bind
from sampan.errors import HostError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

X11_SOCKETS = "/tmp/.X11-unix"  # noqa: S108 - where X11 has it


def edits(*, x11: bool, ssh_agent: bool, environ: Mapping[str, str]) -> Edits:
    """Mounts and variables for a display and an agent. Raises `HostError` where there is none."""
    mounts: list[Bind] = []
    steps: list[Step] = []
    if x11:
        _add_display(environ, mounts, steps)
    if ssh_agent:
        socket = environ.get("SSH_AUTH_SOCK", "")
        if not os.path.exists(socket):
            raise HostError("--ssh-agent: there is no ssh agent here", "start one: eval $(ssh-agent); ssh-add")
        mounts.append(Bind(socket, socket))
        steps.append(Step("set", f"SSH_AUTH_SOCK={socket}"))
    return Edits(tuple(mounts), tuple(steps))


def _add_display(environ: Mapping[str, str], mounts: list[Bind], steps: list[Step]) -> None:
    display = environ.get("DISPLAY", "")
    if not display:
        raise HostError("--x11: there is no display here (DISPLAY is not set)", "log in with `ssh -X`, or on a desktop")
    steps.append(Step("set", f"DISPLAY={display}"))
    if os.path.isdir(X11_SOCKETS):
        mounts.append(Bind(X11_SOCKETS, X11_SOCKETS))
    authority = environ.get("XAUTHORITY") or os.path.join(environ.get("HOME", "/"), ".Xauthority")
    if os.path.exists(authority):
        mounts.append(Bind(authority, authority))
        steps.append(Step("set", f"XAUTHORITY={authority}"))
