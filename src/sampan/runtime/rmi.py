"""`rmi`: remove names of images, and what nothing needs any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import ImageNotFound, UsageError
from sampan.oci.reference import Reference
from sampan.runtime import lookup
from sampan.store import names

if TYPE_CHECKING:
    from sampan.runtime.session import Session
    from sampan.store.names import Image


def remove(text: str, session: Session, *, force: bool = False) -> list[str]:
    """Remove an image by a name, NAME@digest, an id or the beginning of one; the references removed.

    By a name only this name goes, and with the last name the tree and the blobs unless something needs them, which is said as
    a notice. What leads to several names goes only by `force`, as in Docker. Raises `ImageNotFound`, `UsageError`.
    """
    found = lookup.matching(text, session)
    here = [image for store, image in found if store.path == session.store.path]
    if found and not here:
        # The site's store comes first in a search; the user's own may have the same name.
        image = names.find(session.store, found[0][1].reference)
        if image is None:
            site = found[0][0].path
            raise ImageNotFound(
                f"{text} is in the site's store {site}, which is only read",
                f"whoever keeps that store: SAMPAN_HOME={site} sampan rmi",
            )
        here = [image]
    if not here:
        raise ImageNotFound(f"no image {text} in the store", "see `sampan images`")
    if len(here) > 1 and not force:
        shown = [_familiar(image) for image in here]
        raise UsageError(f"the image {text} has several names: {', '.join(shown)}", "remove them one by one, or all with --force")
    return [_remove_one(image, session) for image in here]


def _familiar(image: Image) -> str:
    return Reference.parse(image.reference).familiar if image.is_named else image.reference


def _remove_one(image: Image, session: Session) -> str:
    from sampan.host.filesystems import is_shared
    from sampan.store import gc

    mentioned = gc.mentioned(session.store, image.manifest)
    names.remove(session.store, image.reference)
    holders = gc.describe_holders(session.store, image.chain)
    if holders:
        session.notice.say(f"the unpacked tree of {_familiar(image)} stays: it is needed by {', '.join(holders)}")
    # Where other machines see the store, one of them may run from the tree, and only the grace time tells.
    grace = gc.GRACE if is_shared(session.store.path) else 0
    gone = frozenset({image.chain, image.manifest, image.index, image.config, *mentioned})
    gc.collect(session.store, grace=grace, blob_grace=0, only=gone)
    return image.reference
