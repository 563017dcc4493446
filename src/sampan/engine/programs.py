"""Native programs for the engines, also where they have to be put somewhere first. On the start-up path.

Out of `sampan.pyz` a program goes into the store, named by its content, once. Where the store cannot be written (an image of
a site's store is run from a read-only home), or where its file system is mounted noexec, other places are tried: what counts
is whether the kernel would execute the copy (access(2) knows of noexec). An installed sampan on such a file system does the same.
"""

from __future__ import annotations

import os

from sampan.errors import ProgramMissing, SampanError
from sampan.host import native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.settings import Settings
    from sampan.store.layout import Store


def program(name: str, settings: Settings) -> str:
    """Path of a native program that can be executed. Raises `ProgramMissing` with every place that was tried."""
    stated = settings.text("programs")
    path = native.path_of(name, stated)
    if os.access(path, os.X_OK):
        return path
    digest = None if stated else native.digest(name)
    if digest is None:
        if stated or not os.path.exists(path):
            raise native.missing(name, stated)
        from hashlib import sha256

        digest = sha256(native.read(name)).hexdigest()
    from sampan.store import programs
    from sampan.store.layout import open_store

    store = open_store(settings.text("home"))
    found = programs.find(store, digest, name)
    if found is not None and os.access(found, os.X_OK):
        return found
    return _placed(name, digest, store, settings)


def _placed(name: str, digest: str, store: Store, settings: Settings) -> str:
    """A copy in the store, or in the first place that lets it be executed; one that is there already is taken first."""
    from sampan.store import programs

    for place in _places(store, settings, make=False):
        found = programs.find(place, digest, name)
        if found is not None and os.access(found, os.X_OK):
            return found
    data = native.read(name)
    reasons = []
    for place in _places(store, settings, make=True):
        try:
            path = programs.install_bytes(place, data, name)
        except SampanError as error:
            reasons.append(error.sentence)
        else:
            if os.access(path, os.X_OK):
                return path
            reasons.append(f"programs cannot be executed in {place.path} (mounted noexec)")
    raise ProgramMissing(
        f"there is no place for the program {name}: {'; '.join(reasons)}",
        "set SAMPAN_RUNTIME_DIR to a directory on a file system that lets programs be executed",
    )


def _places(store: Store, settings: Settings, *, make: bool) -> Iterator[Store]:
    """The store, then this node's directories of the user alone; with `make` they are made as they are come to."""
    from sampan.host.runtime_directory import runtime_directory
    from sampan.store.layout import Store

    yield store
    own = f"sampan-{os.getuid()}"
    first = settings.text("runtime_dir")
    for stated in (first, f"/tmp/{own}", f"/var/tmp/{own}", f"/dev/shm/{own}"):  # noqa: S108
        if make or stated == first or os.path.isdir(stated):
            try:
                yield Store(os.path.join(runtime_directory(stated), "store"))
            except SampanError:
                continue  # not possible on this node, or somebody else's
