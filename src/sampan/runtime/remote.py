"""Registries as the flows use them: a client for a session, and the errors of what was tried with it."""

from __future__ import annotations

from contextlib import contextmanager

from sampan.errors import NoSpace, SampanError, UsageError
from sampan.registry.client import Client

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.runtime.session import Session


@contextmanager
def registry_client(session: Session, doing: str) -> Iterator[Client]:
    """A client, closed afterwards; an error gets what was being done in front, as `cannot pull debian:12`."""
    if session.settings.flag("offline"):
        raise UsageError(
            f"{doing}: the setting offline forbids to ask registries", f"it comes from {session.settings.origin('offline')}"
        )
    client = Client(session.settings, session.notice)
    try:
        yield client
    except SampanError as error:
        if isinstance(error, NoSpace) and not error.hint:
            error.hint = "remove images with `sampan rmi`, or set SAMPAN_HOME to a directory with more room"
        raise error.about(doing) from error.__cause__
    finally:
        client.close()
