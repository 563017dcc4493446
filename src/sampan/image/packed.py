"""An image as an archive holds it: the values between the readers of the formats and the loader. No I/O but that of parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import BadReference, ProtocolError, UsageError, printable
from sampan.oci.reference import Reference
from sampan.values import changed, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.image.members import Part
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest

MAX_IMAGES = 10_000
MAX_NAMES = 10_000


@frozen
class PackedLayer:
    """A layer: `part` is its blob, `None` if the archive lacks it; `blob` what a manifest says of it, if there is one.

    `diff_id` is `None` where the archive does not say it (Docker before 1.10, a root file system).
    """

    part: Part | None
    shown: str
    blob: Descriptor | None = None
    diff_id: Digest | None = None


@frozen
class Document:
    """A manifest or an index byte for byte, as it was verified."""

    content: bytes
    digest: Digest
    media_type: str


@frozen
class PackedImage:
    """An image with its names, which are empty where the archive gives none, and never invented.

    `label` is what the archive calls it for people, such as a tag without a name. `manifest` and `index` are `None` where the archive
    has none; then a manifest is made. `config` is the configuration byte for byte, `config_digest` what the manifest calls it; where
    an archive has none that lists the layers, `config_base` is what it says of the rest.
    """

    names: tuple[Reference, ...]
    layers: tuple[PackedLayer, ...]
    config: bytes = b""
    config_base: Mapping[str, object] | None = None
    manifest: Document | None = None
    config_digest: Digest | None = None
    index: Document | None = None
    label: str = ""

    @property
    def shown(self) -> str:
        """For sentences."""
        return self.names[0].familiar if self.names else self.label or "an image without a name"


def parse_name(text: str) -> Reference:
    """The name that an archive gives an image. Raises `ProtocolError`, for it is not the user who wrote it."""
    try:
        return Reference.parse(text)
    except BadReference as error:
        raise ProtocolError(f"the archive names an image {printable(text[:100])!r}, which is no reference") from error


def check_distinct(images: Sequence[PackedImage]) -> None:
    """Raises `ProtocolError` if two different images of an archive have the same name, or if there are too many names."""
    seen: dict[Reference, PackedImage] = {}
    count = sum(len(image.names) for image in images)
    if count > MAX_NAMES:
        raise ProtocolError(f"the archive has {count} names of images; at most {MAX_NAMES} are accepted")
    for image in images:
        for name in image.names:
            other = seen.setdefault(name, image)
            if other is not image and (other.config, other.manifest) != (image.config, image.manifest):
                raise ProtocolError(
                    f"the archive has two images of the name {name.familiar}",
                    "save the one that is meant in an archive of its own",
                )


def chosen(images: list[PackedImage], wanted: tuple[Reference, ...], shown: str) -> list[PackedImage]:
    """The images with one of these names, with no other names; all of them if none is wanted. Raises `UsageError`."""
    if not wanted:
        return images
    found = []
    for reference in wanted:
        matching = [image for image in images if reference in image.names]
        if not matching:
            known = ", ".join(name.familiar for image in images for name in image.names)
            raise UsageError(
                f"{shown} has no image {reference.familiar}", f"it has {known}" if known else "its images have no names: load all"
            )
        found.append(changed(matching[0], names=(reference,)))
    return found
