"""`pull`: what the command line and programs call to fetch an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import NoSpace, SampanError
from sampan.image.pull import Puller
from sampan.image.resolve import wanted_platform
from sampan.oci.reference import Reference
from sampan.registry.client import Client
from sampan.runtime.images import container_image
from sampan.runtime.session import Session, default_session

if TYPE_CHECKING:
    from sampan.container.record import ContainerImage


def pull(image: str, *, session: Session | None = None, platform: str | None = None) -> ContainerImage:
    """Fetch an image into the user's store; a value with its digests and the place of its tree.

    Raises `BadReference`, `NotAtRegistry`, `Unauthorized`, `Unreachable`, `IntegrityError`, `NoSpace`, `StoreError`.
    """
    session = session or default_session()
    reference = Reference.parse(image)
    settings = session.settings
    client = Client(settings, session.notice)
    puller = Puller(
        client, session.store, session.notice, session.progress, settings.number("parallel"), settings.flag("keep_blobs")
    )
    try:
        pulled = puller.pull(reference, wanted_platform(platform or settings.text("platform")))
    except SampanError as error:
        if isinstance(error, NoSpace) and not error.hint:
            error.hint = "remove images with `sampan rmi`, or set SAMPAN_HOME to a directory with more room"
        raise error.about(f"cannot pull {reference.familiar}") from error.__cause__
    finally:
        client.close()
    return container_image(session.store, pulled)
