"""`login` and `logout`: passwords for registries, checked before they are stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import BadReference, UsageError, printable
from sampan.oci.reference import HUB, Reference
from sampan.registry import authfile
from sampan.registry.credentials import Credentials, normal_key
from sampan.runtime.remote import registry_client
from sampan.runtime.session import default_session
from sampan.values import frozen

if TYPE_CHECKING:
    from sampan.runtime.session import Session


@frozen
class LoggedIn:
    """Which registry (or part of one), where the password is, and whether it lasts; `asked`: the registry wanted one."""

    registry: str
    place: str
    asked: bool
    lasts: bool


def login(registry: str, user: str, password: str, *, session: Session | None = None, ask: bool = True) -> LoggedIn:
    """Store a password for a registry after asking it whether it is right; `registry` may have a path behind the host.

    Without `ask` it is stored as it is. Raises `UsageError`, `Unauthorized`, `Unreachable`, `HostError` if it cannot be written.
    """
    session = session or default_session()
    key = _key(registry)
    if not user or not password:
        raise UsageError(f"a login to {key} needs a user name and a password")
    if ":" in user:
        raise UsageError("a user name has no colon in it", "write the password into its own field")
    asked = False
    if ask:
        domain, _, path = key.partition("/")
        with registry_client(session, f"cannot log in to {key}") as client:
            asked = client.check_login(domain, path, user, password)
    place = authfile.place(os.environ, session.settings.text("authfile"))
    where = authfile.put(place, key, user, password, os.environ)
    return LoggedIn(key, where, asked, not authfile.is_lost_at_logout(where, os.environ))


def logout(registry: str, *, session: Session | None = None) -> str:
    """Forget the password of a registry; the registry as it is called in the file.

    What another program's file still has is said as a notice. Raises `UsageError` if there was nothing to forget.
    """
    session = session or default_session()
    key = _key(registry)
    setting = session.settings.text("authfile")
    place = authfile.place(os.environ, setting)
    removed = authfile.remove(place, key, os.environ)
    domain, _, path = key.partition("/")
    rest = Credentials(os.environ, setting if os.path.exists(setting) else "", session.notice).find(domain, path)
    if removed:
        if rest is not None:
            session.notice.warn(
                f"there is another password for {key}, of {printable(rest.user) or 'an identity token'}, in {rest.origin}",
                f"sampan logout --authfile {rest.origin} {key}" if rest.origin.startswith("/") else None,
            )
        return key
    if rest is not None:
        raise UsageError(
            f"the password for {key} is not in {place}, but in {rest.origin}",
            f"sampan logout --authfile {rest.origin} {key}" if rest.origin.startswith("/") else None,
        )
    raise UsageError(f"there is no password for {key}")


def stored_user(registry: str, *, session: Session) -> str:
    """Whose password there is for a registry, as a suggestion; empty for none."""
    domain, _, path = _key(registry).partition("/")
    setting = session.settings.text("authfile")
    found = Credentials(os.environ, setting if os.path.exists(setting) else "", session.notice).find(domain, path)
    return found.user if found is not None else ""


def _key(registry: str) -> str:
    """`host` or `host/path`, as it stands in the files. Raises `UsageError`."""
    key = normal_key(registry) if registry else HUB
    domain, slash, path = key.partition("/")
    try:
        Reference(domain, path if slash and (domain != HUB or "/" in path) else "a/b")
    except BadReference as error:
        raise UsageError(f"{printable(registry)!r} is not the name of a registry: {_reason(error)}") from error
    if not slash and domain not in (HUB, "localhost") and not set(".:") & set(domain):
        raise UsageError(
            f"{printable(registry)!r} is not the name of a registry, which has a dot or a port",
            f"for Docker Hub: sampan login -u {printable(registry)}",
        )
    return key


def _reason(error: BadReference) -> str:
    return error.sentence.partition(" is not a reference to an image: ")[2] or error.sentence
