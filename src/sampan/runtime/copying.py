"""What the worker of `cp` does in the root of a container (`inside.py`): pack what is there, put there what comes.

The root is the current directory, or for a container that runs a descriptor of its own root directory, so that what is mounted in it
is there as well. Paths are followed as the payload sees them and cannot leave the root.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

from sampan.errors import UsageError, printable
from sampan.layers import recorded
from sampan.layers.archive import ArchiveSink
from sampan.layers.beneath import openers
from sampan.layers.index import Index
from sampan.layers.landing import name_of, spot
from sampan.layers.mtree import read
from sampan.layers.ondisk import mode_on_disk
from sampan.layers.pack import pack
from sampan.layers.place import CHANGE, NOTE, Manner
from sampan.layers.receive import Goal, receive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.layers.entry import Entry
    from sampan.layers.index import Node
    from sampan.layers.landing import Look
    from sampan.layers.recorded import Owner

    Task = dict[str, object]

_PIECE = 1 << 20


def give(task: Task) -> Task:
    """Pack the path to standard output."""
    root, look = _root(task)
    text = os.fsencode(str(task["path"]))
    try:
        directory, name = spot(look, text, follow=bool(task["follow"]))
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"there is no {printable(text)} in it") from None
    sink = ArchiveSink(sys.stdout.buffer.write)
    packed = pack(sink, directory, name, name_of(text), _Seen(task, root, directory, name).facts)
    sink.finish()
    sys.stdout.buffer.flush()
    return {"sockets": packed.sockets, "changed": packed.changed}


def take(task: Task) -> Task:
    """Put the archive from standard input at the path."""
    _, look = _root(task)
    text = os.fsencode(str(task["path"]))
    goal = Goal(look, text, printable(text), is_directory=bool(task["is_directory"]))

    def owner_of(entry: Entry) -> Owner:
        return (entry.uid, entry.gid) if task["keep_owners"] else (0, 0)

    found = receive(_pieces(), goal, Manner(CHANGE if task["real_owners"] else NOTE, owner_of))
    for _ in _pieces():
        pass  # what stands behind the end of an archive
    return found


def _pieces() -> Iterator[bytes]:
    while piece := os.read(0, _PIECE):
        yield piece


def _root(task: Task) -> tuple[int, Look]:
    given = task["root"]
    root = given if isinstance(given, int) and given >= 0 else os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    opener, _ = openers()
    return root, lambda path, flags: opener(root, path, flags)


class _Seen:
    """Modes and owners as the container has them: those on disk, those noted, and those of the image's own files."""

    def __init__(self, task: Task, root: int, directory: int, name: bytes) -> None:
        self._real = bool(task["real_owners"])
        owner = task["new_owner"]
        self._new_owner: Owner = (int(owner[0]), int(owner[1])) if isinstance(owner, list) else (0, 0)
        self._top = _inner(root, directory, name)
        self._base = Index()
        if task["index"] and self._top is not None:
            with open(str(task["index"]), "rb") as stream:
                self._base = read(stream)

    def facts(self, path: bytes, kind: str, status: os.stat_result, attributes: dict[bytes, bytes]) -> tuple[int, int, int]:
        """For `pack`."""
        mode = stat.S_IMODE(status.st_mode)
        base = self._node(path, kind)
        if base is not None and not self._real and mode == mode_on_disk(base):
            mode = base.mode
        found = recorded.owner_of(attributes.get(recorded.OWNER, b""))
        if found is None and self._real:
            found = status.st_uid, status.st_gid
        if found is None:
            found = self._new_owner if base is None else (base.uid, base.gid)
        return mode, found[0], found[1]

    def _node(self, path: bytes, kind: str) -> Node | None:
        if self._top is None:
            return None
        node = self._base.lookup(b"/".join(part for part in (self._top, path) if part))
        return node if node is not None and node.kind == kind else None


def _inner(root: int, directory: int, name: bytes) -> bytes | None:
    """The path, without links, of an entry counted from the root; `None` if it does not lie there."""
    above, here = (os.readlink(f"/proc/self/fd/{number}").encode("utf-8", "surrogateescape") for number in (root, directory))
    above = above.rstrip(b"/")
    if here != above and not here.startswith(above + b"/"):
        return None
    inner = here[len(above) + 1 :]
    return inner if name == b"." else b"/".join(part for part in (inner, name) if part)
