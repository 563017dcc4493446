"""`import`: a root file system as an image of one layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sampan.errors import SampanError, UsageError
from sampan.image import change, rootfs
from sampan.image.contents import check_whole
from sampan.image.docker_archive import is_docker_archive
from sampan.image.load import Loader
from sampan.image.members import TarMembers
from sampan.image.oci_archive import is_layout
from sampan.image.resolve import wanted_platform
from sampan.image.spool import STDIN, opened, shown
from sampan.oci.reference import Reference
from sampan.runtime.images import container_image
from sampan.runtime.run import now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.container.record import ContainerImage
    from sampan.runtime.session import Session


def import_root(
    path: str,
    name: str | None = None,
    *,
    changes: Sequence[str] | Mapping[str, object] = (),
    message: str = "",
    platform: str | None = None,
    session: Session,
) -> ContainerImage:
    """Make an image of the tar archive `path` (`-`: standard input), whatever compressed it.

    `changes` are instructions as in a Dockerfile (`image.change`), or what stands under `config` in a configuration, `message` a comment for its history. Raises `UsageError`,
    `LayerError`, `NoSpace`, `StoreError`.
    """
    if "://" in path:
        raise UsageError(f"{path} is an address, and only files are imported", f"curl -fL {path} | sampan import - NAME")
    names = (Reference.parse(name),) if name is not None else ()
    if names and names[0].digest is not None:
        raise UsageError(f"{name} names an image by its digest, which is not known before", "give it a tag")
    run: dict[str, object] = dict(changes) if isinstance(changes, Mapping) else {}
    for text in () if isinstance(changes, Mapping) else changes:
        run = change.apply(run, text)
    wanted = wanted_platform(platform)
    loader = Loader(session.store, session.notice, session.progress, wanted, keep_blobs=session.settings.flag("keep_blobs"))
    try:
        with opened(path, session.store, session.progress) as source:
            if source.is_directory:
                raise UsageError(f"{source.shown} is a directory", f"tar -C {source.shown} -c . | sampan import - NAME")
            _check(TarMembers(source.descriptor), source.shown)
            comment = message or f"Imported from {'-' if path == STDIN else source.shown}"
            configuration = rootfs.configuration(run, wanted.platform, now(), comment)
            (image,) = loader.load([rootfs.packed(source, configuration, names)])
    except UsageError:
        raise
    except SampanError as error:
        raise error.about(f"cannot import {shown(path)}") from error.__cause__
    return container_image(session.store, image)


def _check(members: TarMembers, name: str) -> None:
    """Raises `LayerError` for a cut archive, whose missing part nothing else would notice, `UsageError` for one of images."""
    check_whole(members)
    if is_docker_archive(members) or is_layout(members):
        raise UsageError(f"{name} holds images, not a root file system", "`sampan load` takes it")
