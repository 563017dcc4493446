"""`load`: the images of an archive or a layout into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import SampanError, UsageError
from sampan.image import rootfs
from sampan.image.contents import check_root, images_of, images_of_archive
from sampan.image.load import Loader
from sampan.image.members import TarMembers
from sampan.image.packed import chosen
from sampan.image.resolve import wanted_platform
from sampan.image.spool import opened, shown
from sampan.oci.reference import Reference
from sampan.runtime.images import container_image
from sampan.values import changed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.container.record import ContainerImage
    from sampan.image.packed import PackedImage
    from sampan.image.spool import Opened
    from sampan.oci.platform import Wanted
    from sampan.runtime.session import Session


def load(
    path: str, wanted: Sequence[str] = (), *, name: str | None = None, platform: str | None = None, session: Session
) -> list[ContainerImage]:
    """Load the images in the file or directory `path` (`-`: standard input), or those of the names `wanted`.

    The kind is found by the content, whatever compressed it. `name` is for a single image. One value for each name, and for each
    image without one. Raises `UsageError`, `IntegrityError`, `ProtocolError`, `NoSpace`, `StoreError`.
    """
    selected = tuple(Reference.parse(text) for text in wanted)
    renamed = Reference.parse(name) if name is not None else None
    choice = wanted_platform(platform or session.settings.text("platform"))
    loader = Loader(session.store, session.notice, session.progress, choice, keep_blobs=session.settings.flag("keep_blobs"))
    try:
        with opened(path, session.store, session.progress) as source:
            packed = chosen(_packed(source, choice, session), selected, source.shown)
            if not packed:
                raise UsageError(f"{source.shown} lists no images", "save them again")
            if renamed is not None:
                packed = [_renamed(packed, renamed, source.shown)]
            return [container_image(session.store, image) for image in loader.load(packed)]
    except UsageError:
        raise
    except SampanError as error:
        raise error.about(f"cannot load {shown(path)}") from error.__cause__


def _packed(source: Opened, choice: Wanted, session: Session) -> list[PackedImage]:
    if source.is_directory:
        found = images_of(source.directory(), choice, session.notice)
        if found is None:
            raise UsageError(
                f"the directory {source.shown} has no images in it", "an OCI layout has the files oci-layout and index.json"
            )
        return found
    members = TarMembers(source.descriptor)
    found = images_of_archive(members, choice, session.notice)
    if found is None:
        check_root(members, source.shown)
        return [rootfs.packed(source, rootfs.configuration({}, choice.platform), ())]
    return found


def _renamed(packed: list[PackedImage], name: Reference, shown: str) -> PackedImage:
    if len(packed) != 1:
        names = ", ".join(image.shown for image in packed)
        raise UsageError(
            f"{shown} has {len(packed)} images, of which one name cannot stand for all: {names}", "choose one by its name"
        )
    return changed(packed[0], names=(name,))
