"""`verify`: read all of an image again, blobs and files, and compare with its digests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import CorruptRecord, SampanError
from sampan.oci.digest import Digest
from sampan.runtime import lookup
from sampan.store import blobs, gc, trees
from sampan.store.build import chain_of
from sampan.store.treecheck import TreeCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.events import Task
    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.names import Image


class Verified:
    """What was found: a sentence for each damage, the blobs that were read, and those that the store has not kept."""

    def __init__(self, reference: str) -> None:
        self.reference = reference
        self.damage: list[str] = []
        self.blobs = 0
        self.absent = 0
        self.has_tree = False


def verify(text: str, session: Session) -> Verified:
    """Hash every blob of an image and every file of its tree. Raises `ImageNotFound`.

    Blobs that were dropped after unpacking (`keep_blobs`) are no damage, a manifest or configuration that is missing is.
    """
    store, image = lookup.one(text, session)
    found = Verified(image.reference)
    task = session.progress.begin(f"verifying {text}", None)
    try:
        _check_blobs(session, store, image, found, task)
        found.damage += _tree_faults(session, image, found, task)
    finally:
        task.done()
    return found


def _check_blobs(session: Session, store: Store, image: Image, found: Verified, task: Task) -> None:
    try:
        layers = gc.mentioned(store, image.manifest)
    except SampanError as error:
        found.damage.append(error.sentence)
        layers = set()
    documents = {image.manifest, image.config}
    for digest in sorted({*documents, *layers, *({image.index} if image.index else ())}):
        try:
            size = _verify_somewhere(session, Digest.parse(digest))
        except SampanError as error:
            found.damage.append(error.sentence)
            continue
        if size is not None:
            found.blobs += 1
            task.advance(size)
        elif digest in documents:
            found.damage.append(f"the {'manifest' if digest == image.manifest else 'configuration'} {digest[:19]} is missing")
        else:
            found.absent += 1


def _verify_somewhere(session: Session, digest: Digest) -> int | None:
    """Read the blob in each store that has it; its size, `None` if none has it."""
    size = None
    for store in session.stores():
        there = blobs.size_of(store, digest)
        if there is not None:
            blobs.verify(store, digest)
            size = there
    return size


def _tree_faults(session: Session, image: Image, found: Verified, task: Task) -> Iterator[str]:
    for store in session.stores():
        tree = trees.find(store, image.chain)
        if tree is None:
            continue
        found.has_tree = True
        try:
            layers = [Digest.parse(layer) for layer in trees.facts(tree).layers]
            if str(chain_of(layers)) != image.chain:
                yield f"the record of the tree {tree.directory} names other layers than its chain id"
            yield from TreeCheck(True, task).faults(tree)
        except CorruptRecord as error:
            yield error.sentence
    if not found.has_tree:
        yield f"the tree {image.chain[:19]} of {image.reference} is missing"
