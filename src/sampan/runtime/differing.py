"""What the worker of `diff`, `commit` and `export` does in the directory of a container's changes (`inside.py`)."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sampan.layers.archive import ArchiveSink, add_entries, add_tree, contents_of
from sampan.layers.diff import changes, layer
from sampan.layers.mtree import read
from sampan.layers.recorded import Journal, table_of
from sampan.layers.scan import Rules, scan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.layers.index import Index, Node
    from sampan.layers.scan import Scanned

    Task = dict[str, object]

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class _Files:
    """The index of the image, the one of now, and the contents of both."""

    def __init__(self, task: Task) -> None:
        with open(str(task["index"]), "rb") as stream:
            self.base: Index = read(stream)
        self._own = os.open(".", _DIRECTORY)
        self._tree = os.open(str(task["tree"]), _DIRECTORY)
        self._now: Scanned = scan(self.base, self._own, _rules(task))
        self._contents = contents_of(self._own), contents_of(self._tree)
        self.changed = 0

    @property
    def now(self) -> Index:
        return self._now.index

    def content(self, path: bytes, node: Node) -> Iterator[bytes]:
        """The bytes of a file, just as many as its entry says: a payload that runs may write meanwhile."""
        left = node.size
        for piece in self._contents[id(node) not in self._now.fresh](path, node):
            if len(piece) > left:
                self.changed += 1
            if left:
                yield piece[:left]
            left -= min(left, len(piece))
        if left:
            self.changed += 1
        while left:
            yield bytes(min(left, 1 << 20))
            left -= min(left, 1 << 20)


def _rules(task: Task) -> Rules:
    table = table_of(_content(str(task["table"])))
    journal = Journal(_content(str(task["journal"])).splitlines(keepends=True), table)
    new_owner, copied = task["new_owner"], task["copied_at"]
    uid, gid = new_owner if isinstance(new_owner, list) else (0, 0)
    return Rules(
        (uid, gid), journal, real_owners=bool(task["real_owners"]), copied_at=copied if isinstance(copied, int) else None
    )


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        return b""


def list_changes(task: Task) -> Task:
    """`KIND PATH` and a NUL for each, on standard output."""
    files = _Files(task)
    for change in changes(files.base, files.now):
        sys.stdout.buffer.write(change.kind.encode() + b" /" + change.path + b"\0")
    sys.stdout.buffer.flush()
    return {}


def write_layer(task: Task) -> Task:
    """The changes as the archive of a layer, on standard output."""
    files = _Files(task)
    sink = ArchiveSink(sys.stdout.buffer.write)
    left_out = add_entries(sink, layer(files.base, files.now), files.content)
    return _finish(sink, files, left_out)


def write_root(task: Task) -> Task:
    """All of the root as an archive, on standard output."""
    files = _Files(task)
    sink = ArchiveSink(sys.stdout.buffer.write)
    return _finish(sink, files, add_tree(sink, files.now, files.content))


def _finish(sink: ArchiveSink, files: _Files, left_out: int) -> Task:
    sink.finish()
    sys.stdout.buffer.flush()
    return {"sockets": left_out, "changed": files.changed}
