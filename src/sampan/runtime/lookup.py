"""Find the records of images by what a person writes: a reference, NAME@digest, an id or the beginning of one.

As Docker has it, names come first: `cafe` is the image docker.io/library/cafe:latest if there is one, else the image whose id begins
with cafe. An image's id is the digest of its configuration; its manifest's and its index's digest lead to it as well.
"""

from __future__ import annotations

from sampan.errors import BadReference, ImageNotFound, UsageError
from sampan.oci.reference import Reference
from sampan.runtime.images import may_be_id
from sampan.store import names

TYPE_CHECKING = False  # `typing` costs 2 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.names import Image


def matching(text: str, session: Session) -> list[tuple[Store, Image]]:
    """All records that a text means, each with its store, the site's first; more than one only if they are of one image.

    Raises `BadReference` for what is neither a reference nor an id, `UsageError` if several images have ids that begin so.
    """
    try:
        reference = Reference.parse(text)
    except BadReference:
        if not may_be_id(text):
            raise
        return _by_id(text, session)
    found = [(store, image) for store in session.stores() if (image := names.find(store, str(reference))) is not None]
    if found:
        return found[:1]
    if reference.digest is not None:
        return _by_digest(reference, session)
    return _by_id(text, session) if may_be_id(text) else []


def one(text: str, session: Session) -> tuple[Store, Image]:
    """The image that a text means, by one of its names. Raises `ImageNotFound`, and as `matching`."""
    found = matching(text, session)
    if not found:
        raise ImageNotFound(f"there is no image {text} in the store", "see `sampan images`")
    return found[0]


def is_certainly_id(text: str) -> bool:
    """Whether a text is a whole id, so that no registry need be asked for a name of this form."""
    return len(text.removeprefix("sha256:")) == 64 and may_be_id(text)


def _by_digest(wanted: Reference, session: Session) -> list[tuple[Store, Image]]:
    """NAME@digest, for images that were pulled by a tag of NAME."""
    digest = str(wanted.digest)
    return [
        (store, image)
        for store in session.stores()
        for image in names.listing(store)
        if image.is_named
        and digest in (image.manifest, image.index, image.config)
        and Reference.parse(image.reference).name == wanted.name
        and (wanted.tag is None or Reference.parse(image.reference).tag == wanted.tag)
    ]


def _by_id(text: str, session: Session) -> list[tuple[Store, Image]]:
    start = f"sha256:{text.removeprefix('sha256:')}"
    found = [
        (store, image)
        for store in session.stores()
        for image in names.listing(store)
        if any(digest.startswith(start) for digest in (image.config, image.manifest, image.index))
    ]
    ids = {image.config for _, image in found}
    if len(ids) > 1:
        raise UsageError(f"{len(ids)} images have ids that begin with {text}", "write more of the id")
    return found
