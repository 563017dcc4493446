"""`run cvmfs://NAME/PATH`: how a start gets at an image of a repository, and the image that it gets.

mounted  below a /cvmfs that is mounted, by the official client or whoever
fuse     by a mount of ours that all starts of this node and user share (`mounts.py`)
bundle   from the store, into which the image's files are fetched

`auto` takes the first that works here. A pull is what a bundle is: what was fetched once is an ordinary image.
"""

from __future__ import annotations

import os

from sampan.cvmfs.fuse import mounting
from sampan.errors import BadSetting, HostError, ImageNotFound, printable
from sampan.runtime.mounts import attach
from sampan.runtime.repositories import site_of, split_reference

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.runtime.mounts import Attached
    from sampan.runtime.session import Session

WAYS = ("auto", "mounted", "fuse", "bundle")
_held: list[Attached] = []
"""Mounts that must stay until the payload runs: exec closes their connections, and by then its root holds them."""


def way_of(session: Session) -> str:
    """The setting `cvmfs`. Raises `BadSetting`."""
    way = session.settings.text("cvmfs")
    if way not in WAYS:
        raise BadSetting(f"the setting cvmfs cannot be {way!r}", f"it is one of {', '.join(WAYS)}")
    return way


def find(text: str, session: Session) -> ContainerImage | None:
    """The image that a start takes; `None`: the one below a mounted /cvmfs.

    Raises `UsageError`, `HostError`, `ImageNotFound`, and what opening the repository raises.
    """
    name, path = split_reference(text)
    way = way_of(session)
    if way == "mounted" or (way == "auto" and os.path.isdir(os.path.join(session.settings.text("cvmfs_mounts"), name))):
        return None
    stopped = mounting.obstacle()
    if way == "fuse" and stopped is not None:
        raise HostError(f"{printable(name)} cannot be mounted: {stopped[0]}", stopped[1] + ", or use --cvmfs=bundle")
    if way == "bundle" or stopped is not None:
        from sampan.runtime.bundle import from_store_or_repository

        if stopped is not None:
            session.notice.debug(f"no mount: {stopped[0]}")
        return from_store_or_repository(text, session)
    return _mounted(text, name, path, session)


def _mounted(text: str, name: str, path: str, session: Session) -> ContainerImage:
    from sampan.runtime.in_place import image_in

    mount = attach(site_of(name, session), session)
    _held.append(mount)
    where = os.path.realpath(os.path.join(mount.directory, path))
    if not (where + "/").startswith(mount.directory + "/") or not os.path.isdir(where):
        raise ImageNotFound(
            f"there is no image {printable(text[:200])}: {printable(path)} is no directory of {name}",
            f"sampan images cvmfs://{name}",
        )
    mount.prefetch(where[len(mount.directory) :])
    return image_in(where, text)
