"""`search`: what the command line and programs call to look for images at a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import BadReference, UsageError
from sampan.oci.reference import HUB, Reference
from sampan.registry.registries_conf import is_long
from sampan.runtime.remote import registry_client
from sampan.runtime.session import Session, default_session

if TYPE_CHECKING:
    from sampan.registry.search import Found

LIMIT = 25
MAX_LIMIT = 10_000


def search(term: str, *, session: Session | None = None, limit: int = LIMIT) -> list[Found]:
    """Images at a registry whose name or description has a term; `quay.io/samtools` looks at quay.io, `samtools` at Docker Hub.

    A registry alone (`registry.lab.example/`) lists its images. Raises `UsageError`, `Unreachable`, `RemoteError` for a
    registry that can neither be searched nor lists its images.
    """
    session = session or default_session()
    domain, wanted = HUB, term
    if is_long(term):
        domain, _, wanted = term.partition("/")
        try:
            domain = Reference(domain, "a/b").domain
        except BadReference as error:
            raise UsageError(f"{domain!r} is not the name of a registry") from error
    if domain == HUB and not wanted.strip():
        raise UsageError("Docker Hub is searched for a term", "sampan search TERM")
    with registry_client(session, f"cannot search {domain}") as client:
        return client.search(domain, wanted.strip(), limit)
