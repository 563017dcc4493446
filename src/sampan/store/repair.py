"""Mend what `fsck` found, as far as nothing is lost by it that cannot be made or fetched again.

A tree is made anew from its layers where they are there; else it is removed, for a pull brings it back, unless a container, a
launch file or a running program needs it: a damaged tree is better than none then. Blobs and records that are wrong are of no
use and go. What a user put into a container is never touched.
"""

from __future__ import annotations

import os

from sampan.errors import CorruptRecord, SampanError
from sampan.layers.follow import GrowingFile
from sampan.layers.removal import remove
from sampan.layers.unpack import Layer
from sampan.oci.config import ImageConfig
from sampan.oci.digest import Digest
from sampan.oci.manifest import Manifest, parse_manifest
from sampan.store import blobs, build, documents, gc, layout, names, ocilayout, trees
from sampan.store.leases import Lease

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.store.fsck import Damage
    from sampan.store.layout import Store
    from sampan.store.names import Image


class Repairs:
    """Mends damage after damage of one store; what was mended with one of them is not mended again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._done: dict[str, str] = {}

    def repair(self, damage: Damage) -> str:
        """What was done, in words such as `removed it`; empty if nothing could be. Raises `StoreError`, `NoSpace`."""
        key = damage.removable or damage.path
        if key not in self._done:
            try:
                self._done[key] = self._repair(damage)
            except OSError as error:
                raise layout.failure(self._store, f"cannot repair {key}", error) from error
        return self._done[key]

    def _repair(self, damage: Damage) -> str:
        store = self._store
        if damage.removable.startswith(store.join("trees/")):
            return self._tree(damage.removable)
        if damage.removable:
            _remove(store, damage.removable)
            if damage.removable.startswith(store.join("names/")):
                ocilayout.write_index(store)
                return "removed it; pull the image again"
            return "removed it"
        if damage.path == store.path:
            os.chmod(store.path, os.stat(store.path).st_mode & 0o755)
            return "took the permission away"
        if not os.path.lexists(damage.path) and os.path.dirname(damage.path) in (store.path, store.join("blobs")):
            os.mkdir(damage.path, layout.READABLE)
            return "made it"
        return ""

    def _tree(self, directory: str) -> str:
        store = self._store
        name = os.path.basename(directory)
        image = _image_of(store, name)
        if image is not None:
            try:
                _rebuild(store, image, directory)
            except (SampanError, FileNotFoundError):
                pass
            else:
                return "unpacked it again from its layers"
        try:
            if gc.roots(store, with_names=False).trees.get(name):
                return ""
        except CorruptRecord:
            return ""  # the damaged record may be of a container that needs it
        _remove(store, directory)
        return f"removed it; `sampan pull {image.reference}` brings it back" if image is not None else "removed it"


def _image_of(store: Store, name: str) -> Image | None:
    """An image whose tree has this directory name, by the names that can be read."""
    for path in names.paths(store):
        try:
            image = names.read(path)
        except SampanError:
            continue
        if image is not None and image.chain.partition(":")[2] == name:
            return image
    return None


def _rebuild(store: Store, image: Image, directory: str) -> None:
    """Raises FileNotFoundError where a layer is missing, and what `build.rebuild` raises."""
    what = image.reference
    manifest = parse_manifest(blobs.read(store, Digest.parse(image.manifest)), what)
    document = documents.read(store, image.config)
    if not isinstance(manifest, Manifest) or document is None:
        raise FileNotFoundError(what)
    diff_ids = ImageConfig.from_document(document, what).diff_ids
    with Lease(store) as lease:
        layers = []
        try:
            for descriptor, diff_id in zip(manifest.layers, diff_ids):
                lease.add(str(descriptor.digest))
                blob = os.open(blobs.path_of(store, descriptor.digest), os.O_RDONLY | os.O_CLOEXEC)
                layers.append(Layer(GrowingFile.complete(blob), diff_id, descriptor.size))
                os.close(blob)
        except BaseException:
            for layer in layers:
                layer.source.close()
            raise
        build.rebuild(lease, trees.Tree(image.chain, directory, ""), diff_ids, layers)


def _remove(store: Store, path: str) -> None:
    if not os.path.lexists(path):
        return
    place = store.temporary("dead")
    os.rename(path, place)
    parent = os.open(store.join("tmp"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove(parent, os.path.basename(place))
    finally:
        os.close(parent)
