"""`--stage DIRECTORY`: the image on a local disk, so that the many files of its tree are not read over the network.

Theory of operation. The directory gets a store of its own, with only this user's staged images. The first job of a node that
wants an image unpacks it there from the compressed layers of the store it lies in, which are a few large files; without
them the tree is copied. Others wait for it, and later ones find it. Nothing is asked of a registry, and nothing else
changes: what a job writes goes where it would go without staging.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.container.record import ContainerImage
from sampan.errors import BadReference, ImageNotFound, StoreError, UsageError
from sampan.image.load import Loader
from sampan.image.members import Part
from sampan.image.packed import Document, PackedImage, PackedLayer
from sampan.image.resolve import wanted_platform
from sampan.oci.digest import Digest
from sampan.oci.manifest import Manifest, parse_manifest
from sampan.oci.reference import Reference
from sampan.runtime.images import config_of
from sampan.store import blobs, layout, names, trees
from sampan.store.build import Base, build
from sampan.store.leases import Lease
from sampan.store.locks import Lock
from sampan.store.names import Image

if TYPE_CHECKING:
    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.trees import Tree


def staged(image: ContainerImage, directory: str, session: Session) -> ContainerImage:
    """The same image with a tree below `directory`, brought there if need be.

    Raises `UsageError` if the directory is no place for it, `NoSpace`, `StoreError`, `DigestMismatch`.
    """
    store = _store_in(directory)
    tree = trees.find(store, image.chain)
    if tree is None:
        tree = _bring(image, store, session)
    trees.touch(tree)
    return ContainerImage(image.reference, image.manifest, image.config, image.chain, image.platform, tree.rootfs, tree.used)


def _store_in(directory: str) -> Store:
    """The store of this user in a directory that others may write to as well."""
    path = os.path.join(os.path.abspath(directory), f"sampan-stage-{os.getuid()}")
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise UsageError(
            f"cannot stage images in {directory}: {error.strerror}", "--stage names a directory on a disk of this node"
        ) from error
    status = os.lstat(path)
    if status.st_uid != os.getuid() or not os.path.isdir(path) or os.path.islink(path):
        raise UsageError(f"cannot stage images in {directory}: {path} is another user's, or no directory", "choose another one")
    store = layout.open_store(path)
    layout.create(store)
    return store


def _bring(image: ContainerImage, store: Store, session: Session) -> Tree:
    lock = Lock(store.join("tmp", f"stage-{image.chain.partition(':')[2]}.lock"), session.notice, f"stages {image.reference}")
    with lock:
        tree = trees.find(store, image.chain)
        if tree is not None:
            return tree
        packed = _packed(image, session)
        if packed is not None:
            loader = Loader(store, session.notice, session.progress, wanted_platform(image.platform), keep_blobs=False)
            loader.load([packed])
        else:
            _copy(image, store, session)
        tree = trees.find(store, image.chain)
    if tree is None:
        raise StoreError(f"{image.reference} was staged in {store.path} as another image", "pull it again")
    return tree


def _packed(image: ContainerImage, session: Session) -> PackedImage | None:
    """The image as the blobs of a store hold it; `None` if no store has them all."""
    manifest_digest, config_digest = Digest.parse(image.manifest), Digest.parse(image.config)
    for store in session.stores():
        try:
            content, config = blobs.read(store, manifest_digest), blobs.read(store, config_digest)
        except FileNotFoundError:
            continue
        manifest = parse_manifest(content, f"the manifest of {image.reference}")
        if not isinstance(manifest, Manifest):
            continue
        diff_ids = config_of(image, session).diff_ids
        if any(blobs.size_of(store, layer.digest) != layer.size for layer in manifest.layers):
            continue
        layers = tuple(
            PackedLayer(_part(store, blob.digest, blob.size), f"layer {blob.digest.short}", blob, diff_id)
            for blob, diff_id in zip(manifest.layers, diff_ids)
        )
        document = Document(content, manifest_digest, manifest.media_type)
        return PackedImage(_names(image), layers, config, None, document, config_digest, label=image.reference)
    return None


def _part(store: Store, digest: Digest, size: int) -> Part:
    path = blobs.path_of(store, digest)
    return Part(lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0, size)


def _names(image: ContainerImage) -> tuple[Reference, ...]:
    try:
        return (Reference.parse(image.reference),)
    except BadReference:
        return ()  # it has only its id


def _copy(image: ContainerImage, store: Store, session: Session) -> None:
    """The tree, file by file, and the record that makes it an image of the store."""
    diff_ids = config_of(image, session).diff_ids
    source = next((tree for tree in (trees.find(other, image.chain) for other in session.stores()) if tree is not None), None)
    if source is None:
        raise ImageNotFound(f"the image {image.reference} is not unpacked here", f"sampan pull {image.reference}")
    session.notice.say(f"the layers of {image.reference} were not kept, so its files are copied to {store.path}")
    with Lease(store) as lease:
        for digest in (image.manifest, image.config):
            for other in session.stores():
                if blobs.size_of(other, Digest.parse(digest)) is not None:
                    blobs.add(lease, [blobs.read(other, Digest.parse(digest))], Digest.parse(digest))
                    break
        build(lease, diff_ids, Base(source, len(diff_ids)), [], session.notice)
        fields = {name: getattr(image, name) for name in ("reference", "manifest", "config", "chain", "platform")}
        names.put(store, Image(**fields, unpacked=trees.facts(source).size))
