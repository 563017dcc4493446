"""`export`: the root file system of an image as a tar archive, with what only the index knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.container import shelf
from sampan.errors import ContainerNotFound, ImageNotFound, SampanError, UsageError
from sampan.layers.archive import ArchiveSink, add_tree
from sampan.runtime import lookup
from sampan.runtime.destination import destination
from sampan.store import trees
from sampan.store.build import read_index

if TYPE_CHECKING:
    from sampan.runtime.session import Session
    from sampan.store.trees import Tree


def export(text: str, path: str, session: Session) -> None:
    """Write the tree of an image to the file `path` (`-`: standard output).

    Owners, modes, devices, attributes and links are the image's, whatever the disk has. Raises `ImageNotFound`, `UsageError`,
    `NoSpace`, `HostError`, `StoreError`; the file is complete or not there.
    """
    tree = _tree(text, session)
    index = read_index(tree)
    root = os.open(tree.rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with destination(path) as write:
            sink = ArchiveSink(write)
            left_out = add_tree(sink, index, root)
            sink.finish()
    except SampanError as error:
        raise error.about(f"cannot export {text}") from error.__cause__
    finally:
        os.close(root)
    if left_out:
        session.notice.warn(f"{left_out} sockets of {text} were left out, which no archive can hold")


def _tree(text: str, session: Session) -> Tree:
    try:
        shelf.id_of(session.store, text)
    except ContainerNotFound:
        pass
    else:
        raise UsageError(
            f"{text} is a container, and only images are exported so far", f"`sampan inspect {text}` names its image"
        )
    image = lookup.one(text, session)[1]
    for store in session.stores():
        tree = trees.find(store, image.chain)
        if tree is not None:
            return tree
    raise ImageNotFound(f"the image {text} is not unpacked here", f"sampan pull {text}")
