"""`export`: the root file system of an image or a container as a tar archive, with what only indexes know."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.container import shelf
from sampan.errors import ContainerNotFound, ImageNotFound, SampanError
from sampan.layers.archive import ArchiveSink, add_tree, contents_of
from sampan.runtime import files, inside, lookup
from sampan.runtime.destination import destination
from sampan.store import trees
from sampan.store.build import read_index

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.container.record import Record
    from sampan.runtime.session import Session
    from sampan.store.trees import Tree

    Write = Callable[[bytes], object]


def export(text: str, path: str, session: Session) -> None:
    """Write the root of the container or, if there is none of this name, of the image `text` to the file `path` (`-`: standard output).

    Owners, modes, devices, attributes and links are those inside, whatever the disk has. Raises `ImageNotFound`, `UsageError`,
    `ContainerRunning`, `NoSpace`, `HostError`, `StoreError`; the file is complete or not there.
    """
    try:
        record: Record | None = shelf.find(session.store, session.sites, text)
    except ContainerNotFound:
        record = None
    if record is not None:
        files.check_kept(record, f"an export of {text}")
    tree = None if record is not None else _tree(text, session)
    try:
        with destination(path) as write:
            found = _container(record, session, write) if record is not None else _image(tree, write) if tree is not None else {}
    except SampanError as error:
        raise error.about(f"cannot export {text}") from error.__cause__
    files.warn_of(found, text, session)


def _container(record: Record, session: Session, write: Write) -> dict[str, object]:
    with inside.job(record, session, files.changes(record), files.task("root", record, session)) as job:
        for piece in job.pieces():
            write(piece)
        return job.finish()


def _image(tree: Tree, write: Write) -> dict[str, object]:
    index = read_index(tree)
    root = os.open(tree.rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sink = ArchiveSink(write)
        left_out = add_tree(sink, index, contents_of(root))
        sink.finish()
    finally:
        os.close(root)
    return {"sockets": left_out}


def _tree(text: str, session: Session) -> Tree:
    image = lookup.one(text, session)[1]
    for store in session.stores():
        tree = trees.find(store, image.chain)
        if tree is not None:
            return tree
    raise ImageNotFound(f"the image {text} is not unpacked here", f"sampan pull {text}")
