"""`pull`: what the command line and programs call to fetch an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import ImageNotFound, UsageError
from sampan.image.pull import Puller
from sampan.image.resolve import wanted_platform
from sampan.runtime import images
from sampan.runtime.images import container_image
from sampan.runtime.remote import registry_client
from sampan.runtime.session import Session, default_session
from sampan.runtime.short_names import find_unpacked, resolved

if TYPE_CHECKING:
    from sampan.container.record import ContainerImage


def pull(
    image: str,
    *,
    session: Session | None = None,
    platform: str | None = None,
    all_platforms: bool = False,
    offline: bool = False,
) -> ContainerImage:
    """Fetch an image into the user's store; a value with its digests and the place of its tree.

    `all_platforms`: bring what its index has for other platforms too, without unpacking it, to be pushed or saved. `offline`:
    no registry is asked (as with the setting of this name), so the image has to be in a store already. Raises `BadReference`, `NotAtRegistry`,
    `Unauthorized`, `Unreachable`, `IntegrityError`, `NoSpace`, `StoreError`, `ImageNotFound` if offline.
    """
    session = session or default_session()
    wanted = platform or session.settings.text("platform") or None
    if offline or session.settings.flag("offline"):
        return _from_store(image, session, wanted)
    reference = resolved(image, session)
    settings = session.settings
    with registry_client(session, f"cannot pull {reference.familiar}") as client:
        puller = Puller(
            client, session.store, session.notice, session.progress,
            settings.number("parallel"), settings.flag("keep_blobs"), session.sites,
        )  # fmt: skip
        pulled = puller.pull(reference, wanted_platform(wanted), all_platforms=all_platforms)
    return container_image(session.store, pulled, session.sites)


def tags_of(name: str, *, session: Session | None = None) -> list[str]:
    """The full references of all tags that an image's name has at its registry.

    Raises `UsageError` for a reference with a tag or digest, and as `pull`.
    """
    session = session or default_session()
    reference = resolved(name, session)
    if reference.digest is not None or ":" in name.rpartition("/")[2]:
        raise UsageError(f"{name} is one image, not the name of several", f"leave the tag away: {reference.familiar_name}")
    with registry_client(session, f"cannot list the tags of {reference.familiar_name}") as client:
        return [str(reference.with_tag(tag)) for tag in client.tags(reference)]


def _from_store(text: str, session: Session, platform: str | None) -> ContainerImage:
    found = images.find(text, session, platform) or find_unpacked(text, session, platform)
    if found is None:
        what = f"no image {text}{f' for {platform}' if platform else ''} in the store, and no registry may be asked"
        raise ImageNotFound(what, f"where registries can be asked: sampan pull {text}")
    return found
