"""`push` and `tag`: what the command line and programs call to send an image to a registry, and to give it another name."""

from __future__ import annotations

from sampan.errors import ImageNotFound, UsageError
from sampan.image.push import Pusher
from sampan.oci.reference import Reference
from sampan.runtime.remote import registry_client
from sampan.runtime.session import Session, default_session
from sampan.runtime.short_names import find_stored
from sampan.store import names
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.store.layout import Store
    from sampan.store.names import Image


@frozen
class Pushed:
    """Where an image lies now: its reference in full, and the digest of what was sent."""

    reference: str
    digest: str


def push(image: str, destination: str | None = None, *, session: Session | None = None, all_platforms: bool = False) -> Pushed:
    """Send an image of the store to the registry of its name, or to another place.

    `all_platforms`: with the index it was chosen from and all its platforms, which have to be in the store. Raises
    `BadReference`, `ImageNotFound`, `Unauthorized`, `Unreachable`, `RemoteError` for what the registry does not take.
    """
    session = session or default_session()
    store, found = _stored(image, session)
    if not destination and not found.is_named:
        raise UsageError(f"the image {image} has no name", f"say where it is to be pushed: sampan push {image} HOST/NAME:TAG")
    target = Reference.parse(destination or found.reference)
    if destination and target.digest is not None:
        raise UsageError(f"an image is pushed to a tag, not to a digest: {destination}", f"try {target.familiar_name}:TAG")
    stores = (store, *(other for other in session.stores() if other is not store))
    with registry_client(session, f"cannot push {target.familiar}") as client:
        pusher = Pusher(client, stores, session.notice, session.progress, session.settings.number("parallel"))
        digest = pusher.push(found, target, all_platforms=all_platforms)
    name = f"{target.name}:{target.tag}" if target.tag else target.name
    return Pushed(name, str(digest))


def tag(source: str, target: str, *, session: Session | None = None) -> str:
    """Let another reference stand for an image of the store; the reference in full.

    Raises `BadReference`, `ImageNotFound`, `UsageError` for a target with a digest, `StoreError`.
    """
    session = session or default_session()
    wanted = Reference.parse(target)
    if wanted.digest is not None:
        raise UsageError(f"an image is tagged by name and tag, without a digest: {target}", f"try {wanted.familiar_name}:TAG")
    store, _ = _stored(source, session)
    if store is not session.store:
        raise ImageNotFound(
            f"{source} is in a store of the site, which cannot be changed from here", f"sampan pull {source} puts it into yours"
        )
    from sampan.store import gc
    from sampan.store.leases import Lease

    with Lease(store) as lease:
        _, found = _stored(source, session)
        for digest in {found.manifest, found.config, found.index, found.chain, *gc.mentioned(store, found.manifest)} - {""}:
            lease.add(digest)
        _, found = _stored(source, session)  # it may have been removed before the lease held it
        names.put(store, found.called(str(wanted)))
    return str(wanted)


def _stored(text: str, session: Session) -> tuple[Store, Image]:
    found = find_stored(text, session)
    if found is None:
        raise ImageNotFound(f"no image {text} in the store", f"see `sampan images`, or sampan pull {text}")
    return found
