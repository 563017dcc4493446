"""Images in the stores: find, list, show, remove. On the start-up path."""

from __future__ import annotations

from sampan.container.record import ContainerImage
from sampan.errors import ImageNotFound
from sampan.oci.config import ImageConfig
from sampan.oci.reference import Reference
from sampan.store import documents, names, trees

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.names import Image


def find(text: str, session: Session, platform: str | None = None) -> ContainerImage | None:
    """The image of a reference in the first store that has it, with its tree; `None` if it has to be pulled."""
    reference = str(Reference.parse(text))
    for store in session.stores():
        image = names.find(store, reference)
        if image is not None and (platform is None or _is_platform(image.platform, platform)):
            found = container_image(store, image)
            if found.tree:
                return found
    return None


def _is_platform(has: str, wanted: str) -> bool:
    from sampan.image.resolve import this_host
    from sampan.oci.platform import Platform

    return str(Platform.parse(wanted, this_host())) == has


def container_image(store: Store, image: Image) -> ContainerImage:
    """What a container has to know of an image in a store; `tree` is empty if it is not unpacked there."""
    tree = trees.find(store, image.chain)
    place = (tree.rootfs, tree.used) if tree is not None else ("", "")
    return ContainerImage(image.reference, image.manifest, image.config, image.chain, image.platform, *place)


def config_of(image: ContainerImage, session: Session) -> ImageConfig:
    """The configuration of an image, from whichever store has it. Raises `CorruptRecord`, `ImageNotFound`."""
    return ImageConfig.from_document(config_document(image, session), f"the configuration of {image.reference}")


def config_document(image: ContainerImage, session: Session) -> dict[str, object]:
    """The configuration as JSON has it."""
    for store in session.stores():
        found = documents.read(store, image.config)
        if found is not None:
            return found
    raise ImageNotFound(f"the configuration of {image.reference} is not in the store", f"sampan pull {image.reference}")


class Listed:
    """A row of `sampan images`."""

    __slots__ = ("config", "created", "digest", "name", "platform", "pulled", "reference", "size", "store", "tag", "unpacked")

    def __init__(self, image: Image, store: Store) -> None:
        reference = Reference.parse(image.reference)
        self.reference = image.reference
        self.name = reference.familiar_name
        self.tag = reference.tag or "-"
        self.config = image.config
        self.digest = image.index or image.manifest
        self.platform = image.platform
        self.size = image.size
        self.unpacked = image.unpacked
        self.created = image.created
        self.pulled = image.pulled
        self.store = store.path

    def document(self) -> dict[str, object]:
        """For JSON: times in ISO 8601, bytes as numbers."""
        return {
            name: getattr(self, name)
            for name in (
                "reference",
                "name",
                "tag",
                "config",
                "digest",
                "platform",
                "size",
                "unpacked",
                "created",
                "pulled",
                "store",
            )
        }


def listed(session: Session, name: str | None = None) -> list[Listed]:
    """The images of all stores, newest first; with `name` only those whose familiar or full name it is."""
    found = [Listed(image, store) for store in session.stores() for image in names.listing(store)]
    if name is not None:
        wanted = Reference.parse(name)
        exact = wanted.digest is not None or ":" in name.rpartition("/")[2]
        found = [
            entry
            for entry in found
            if (entry.reference == str(wanted) if exact else Reference.parse(entry.reference).name == wanted.name)
        ]
    return sorted(found, key=lambda entry: entry.pulled, reverse=True)


def images(session: Session | None = None) -> list[Listed]:
    """All images, newest first; for programs."""
    from sampan.runtime.session import default_session

    return listed(session or default_session())


def inspect(name: str, *, session: Session | None = None, kind: str | None = None) -> dict[str, object]:
    """What an image or a container is: for an image the reference, digests, sizes, tree and configuration.

    Raises `ImageNotFound`, `ContainerNotFound`.
    """
    from sampan.runtime.session import default_session

    session = session or default_session()
    if kind != "image":
        from sampan.runtime.containers import inspect_container

        found = inspect_container(name, session, must=kind == "container")
        if found is not None:
            return found
    reference = str(Reference.parse(name))
    for store in session.stores():
        image = names.find(store, reference)
        if image is not None:
            held = container_image(store, image)
            return {**Listed(image, store).document(), "manifest": image.manifest, "index": image.index or None, "chain": image.chain,
                    "tree": held.tree or None, "configuration": config_document(held, session)}  # fmt: skip
    raise ImageNotFound(
        f"there is no image or container {name!r}" if kind is None else f"there is no image {name!r}",
        "see `sampan images` and `sampan ps -a`",
    )


def remove(text: str, session: Session) -> str:
    """Remove the name of an image, and its tree and blobs unless something needs them; the reference removed.

    What needs them is said as a notice. Raises `ImageNotFound`.
    """
    from sampan.host.filesystems import is_shared
    from sampan.store import gc

    reference = str(Reference.parse(text))
    image = names.find(session.store, reference)
    if image is None:
        if any(names.find(site, reference) for site in session.sites):
            raise ImageNotFound(f"{text} is in a store of the site, which cannot be changed from here")
        raise ImageNotFound(f"no image {text} in the store", "see `sampan images`")
    mentioned = gc.mentioned(session.store, image.manifest)
    names.remove(session.store, reference)
    holders = gc.describe_holders(session.store, image.chain)
    if holders:
        session.notice.say(f"the unpacked tree of {text} stays: it is needed by {', '.join(holders)}")
    # Where other machines see the store, one of them may run from the tree, and only the grace time tells.
    grace = gc.GRACE if is_shared(session.store.path) else 0
    gone = frozenset({image.chain, image.manifest, image.index, image.config, *mentioned})
    gc.collect(session.store, grace=grace, blob_grace=0, only=gone)
    return reference
