"""Private copies whose files belong to several ids: made and removed by a process under these ids (`inside.py`)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.container import root
from sampan.layers import recorded
from sampan.layers.copy import copy_tree
from sampan.layers.entry import DIRECTORY, SYMLINK
from sampan.layers.mtree import read
from sampan.layers.ondisk import NOT_ON_DISK
from sampan.layers.removal import remove as remove_below
from sampan.runtime import inside

if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.layers.index import Node
    from sampan.runtime.session import Session

    Task = dict[str, object]

_CAPABILITY = b"security.capability"


def copy(record: Record, place: str, session: Session) -> None:
    """Copy the image to the new directory `place` with its owners and modes. Raises `CannotHonour`, `HostError`, `NoSpace`."""
    index = os.path.join(os.path.dirname(record.image.tree), "index")
    found = inside.do(record, session, root.Tree(record.image.tree), {"name": "copy", "index": index, "place": place})
    if found.get("unowned"):
        session.notice.warn(
            f"{found['unowned']} files of {record.image.reference} have owners beyond the ids that you are given; they are noted",
            "an administrator can give more in /etc/subuid and /etc/subgid",
        )


def remove(record: Record, place: str, session: Session) -> None:
    """Empty the directory `place` of a container that is gone."""
    if os.path.isdir(place):
        inside.do(record, session, root.Copy(place), {"name": "remove"})


# What the worker does


def do_copy(task: Task) -> Task:
    """The tree is the current directory."""
    place = os.fsencode(str(task["place"]))
    copy_tree(".", str(task["place"]))
    with open(str(task["index"]), "rb") as stream:
        index = read(stream)
    unowned = 0
    seen: set[int] = set()
    found = [(b"", index.root), *index.walk()]
    for path, node in reversed(found):  # a directory gets its time when nothing in it changes any more
        if id(node) not in seen and node.kind not in NOT_ON_DISK:
            seen.add(id(node))
            unowned += not _give(os.path.join(place, path), node)
    return {"unowned": unowned}


def _give(path: bytes, node: Node) -> bool:
    """Owner first, since that takes setuid away; False if the ids are beyond the map, and noted."""
    is_owned = True
    if node.uid or node.gid:
        try:
            os.chown(path, node.uid, node.gid, follow_symlinks=False)
        except OSError:
            is_owned = False
    if node.kind == SYMLINK:
        return is_owned
    if not is_owned:
        recorded.note_owner(path, (node.uid, node.gid))
    os.chmod(path, node.mode)
    for name, value in node.xattrs:
        if name == _CAPABILITY:
            try:
                os.setxattr(path, name, value)
            except OSError:
                continue  # the index has it, and the program does without
    if node.kind == DIRECTORY:
        os.utime(path, ns=(node.mtime, node.mtime))
    return is_owned


def do_remove(_task: Task) -> Task:
    """All that is in the current directory: root under the map may."""
    here = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in os.listdir(here):
            remove_below(here, name)
    finally:
        os.close(here)
    return {}
