"""What images an archive or directory holds, whatever made it: the place where the formats come together.

An archive of Docker 25 or later is two at once. The OCI side says more (manifests, so that digests stay), but what was saved without
a name is only in `manifest.json` where other images have names; and a build tool may name images only there. So images are taken
from the OCI side, and from `manifest.json` those whose configuration the OCI side has not, and names that it lacks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import LayerError, UsageError
from sampan.image import docker_archive, docker_legacy
from sampan.image.members import Documents
from sampan.image.oci_archive import LayoutReader, is_layout
from sampan.image.packed import check_distinct
from sampan.oci.digest import sha256_of
from sampan.values import changed

if TYPE_CHECKING:
    from sampan.events import Notice
    from sampan.image.members import Members, TarMembers
    from sampan.image.packed import PackedImage
    from sampan.oci.platform import Wanted

_ROOT = frozenset(("bin", "dev", "etc", "lib", "proc", "sbin", "sys", "usr", "var"))


def images_of(members: Members, wanted: Wanted, notice: Notice) -> list[PackedImage] | None:
    """The images, in the order in which the archive lists them; `None` if it is no archive of images.

    Raises `ProtocolError`, `DigestMismatch`, `LayerError`, `UnsupportedContent`, `NotAtRegistry`.
    """
    is_docker = docker_archive.is_docker_archive(members)
    documents = Documents(members)
    if is_layout(members):
        reader = LayoutReader(documents, wanted)
        images = reader.images()
        for error in reader.passed_over:
            notice.warn(f"passed over: {error.sentence}")
        if is_docker:
            images = _together(images, docker_archive.images_of(documents, all_there=False), reader)
    elif is_docker:
        images = docker_archive.images_of(documents, all_there=True)
    elif docker_legacy.is_legacy_archive(members):
        images = docker_legacy.images_of(documents)
    else:
        return None
    check_distinct(images)
    return images


def _together(images: list[PackedImage], others: list[PackedImage], reader: LayoutReader) -> list[PackedImage]:
    """The images of the OCI side, with what `manifest.json` adds."""
    named = {sha256_of(other.config): other.names for other in others}
    found = [image if image.names else changed(image, names=named.get(sha256_of(image.config), ())) for image in images]
    return [*found, *(other for other in others if sha256_of(other.config) not in reader.configs)]


def images_of_archive(members: TarMembers, wanted: Wanted, notice: Notice) -> list[PackedImage] | None:
    """As `images_of`; where the archive is cut, that is the reason for what is missing in it."""
    try:
        found = images_of(members, wanted, notice)
    except LayerError:
        check_whole(members)
        raise
    if found is None:
        check_whole(members)
    return found


def check_whole(members: TarMembers) -> None:
    """Raises `LayerError` if the archive has no end: no digest covers all of it, so that more may be missing."""
    if not members.is_whole:
        raise LayerError("the archive is cut: it has no end", "get it again; is the disk full where it was written?")


def check_root(members: Members, shown: str) -> None:
    """Raises `UsageError` unless what is neither kind of archive looks like a root file system."""
    if not members.top & _ROOT:
        raise UsageError(
            f"{shown} has neither images nor a root file system in it",
            "`sampan import` takes any tar archive as a root file system",
        )
