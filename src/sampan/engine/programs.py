"""Native programs for the engines, also out of `sampan.pyz`, which has to put them somewhere first. On the start-up path."""

from __future__ import annotations

import os

from sampan.errors import ProgramMissing, StoreError
from sampan.host import native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.settings import Settings


def program(name: str, settings: Settings) -> str:
    """Path of a native program that can be executed. Raises `ProgramMissing`.

    Out of a zip file it goes into the store, named by its content, once; where no store can be written (an image of a site's
    store is run from a read-only home) into the node's runtime directory.
    """
    try:
        return native.locate(name, settings.text("programs"))
    except ProgramMissing:
        inside = None if settings.text("programs") else native.embedded(name)
        if inside is None:
            raise
    from sampan.host.runtime_directory import runtime_directory
    from sampan.store import programs
    from sampan.store.layout import Store, open_store

    data, digest = inside
    store = open_store(settings.text("home"))
    found = programs.find(store, digest, name)
    if found is not None:
        return found
    try:
        return programs.install_bytes(store, data, name)
    except StoreError:
        place = os.path.join(runtime_directory(settings.text("runtime_dir")), "store")
        return programs.install_bytes(Store(place), data, name)
