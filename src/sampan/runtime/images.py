"""Find an image in the stores, and what it wants to run. On the start-up path."""

from __future__ import annotations

from sampan.container.record import ContainerImage
from sampan.errors import BadReference, ImageNotFound
from sampan.oci.config import ImageConfig
from sampan.oci.reference import Reference
from sampan.store import documents, names, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.names import Image

_HEX = frozenset("0123456789abcdef")


def find(text: str, session: Session, platform: str | None = None) -> ContainerImage | None:
    """The image of a reference in the first store that has it, with its tree; `None` if it has to be pulled.

    What is no reference there may be an id or the beginning of one (`lookup.py`), or a directory that is used in place. Raises `BadReference`, `ImageNotFound` for an
    id that no image has.
    """
    if text.startswith(("/", "cvmfs://")):
        from sampan.runtime import in_place

        return in_place.find(text, session)
    try:
        reference = str(Reference.parse(text))
    except BadReference:
        if not may_be_id(text):
            raise
        reference = ""
    for store in session.stores():
        image = names.find(store, reference) if reference else None
        if image is not None and (platform is None or _is_platform(image.platform, platform)):
            found = container_image(store, image, session.sites)
            if found.tree:
                return found
    return _find_otherwise(text, session, platform) if "@" in text or may_be_id(text) else None


def _find_otherwise(text: str, session: Session, platform: str | None) -> ContainerImage | None:
    from sampan.runtime.lookup import is_certainly_id, matching

    for store, image in matching(text, session):
        if platform is None or _is_platform(image.platform, platform):
            found = container_image(store, image, session.sites)
            if found.tree:
                return found
    if is_certainly_id(text):
        raise ImageNotFound(f"no image in the store has the id {text}", "see `sampan images`")
    return None


def may_be_id(text: str) -> bool:
    """Whether a text can be the beginning of an image's id, four digits or more; `sha256:` may stand in front."""
    digits = text.removeprefix("sha256:")
    return 4 <= len(digits) <= 64 and _HEX.issuperset(digits)


def _is_platform(has: str, wanted: str) -> bool:
    from sampan.image.resolve import this_host
    from sampan.oci.platform import Platform

    return str(Platform.parse(wanted, this_host())) == has


def container_image(store: Store, image: Image, sites: tuple[Store, ...] = ()) -> ContainerImage:
    """What a container has to know of an image in a store; `tree` is empty if it is unpacked neither there nor at the `sites`."""
    tree = trees.find_in((store, *sites), image.chain)
    place = (tree.rootfs, tree.used) if tree is not None else ("", "")
    return ContainerImage(image.reference, image.manifest, image.config, image.chain, image.platform, *place)


def config_of(image: ContainerImage, session: Session) -> ImageConfig:
    """The configuration of an image, from whichever store has it. Raises `CorruptRecord`, `ImageNotFound`."""
    return ImageConfig.from_document(config_document(image, session), f"the configuration of {image.reference}")


def config_document(image: ContainerImage, session: Session) -> dict[str, object]:
    """The configuration as JSON has it."""
    if image.is_in_place:
        from sampan.runtime import in_place

        return in_place.document(image.tree)
    for store in session.stores():
        found = documents.read(store, image.config)
        if found is not None:
            return found
    raise ImageNotFound(f"the configuration of {image.reference} is not in the store", f"sampan pull {image.reference}")
