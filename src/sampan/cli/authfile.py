"""The option that names a file of passwords, shared by the commands that talk to registries."""

from __future__ import annotations

import os

from sampan.options.table import VALUE, Option

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

AUTHFILE = Option("--authfile", VALUE, "the file of passwords, instead of those of podman and docker", "FILE")


def session_for_registries(context: Context, parsed: Parsed) -> Session:
    """The session, with the option as its setting."""
    session = context.session()
    path = parsed.text("authfile")
    if path:
        session.settings = session.settings.override("authfile", os.path.abspath(os.path.expanduser(path)))
    return session
