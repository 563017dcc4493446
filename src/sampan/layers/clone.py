"""Make a directory begin as another tree: its files by hard links, its directories anew. Nothing is hashed."""

from __future__ import annotations

import os

from sampan.layers.entry import DIRECTORY
from sampan.layers.ondisk import NOT_ON_DISK, link_or_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.layers.index import Index, Node

_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def clone(source: int, target: int, index: Index) -> int:
    """Fill the empty directory `target` with what `index` says of the directory `source`; how many names were made.

    Directories are left 0700, for `DirectorySink.finish`. A file that cannot have one more link is copied, and the copy is
    what the other names of its group become links of. Raises OSError, `StoreError` if the source differs from its index.
    """
    copies: dict[int, bytes] = {}
    made = 0
    # Depth first with the descriptors of one branch, which is at most limits.MAX_COMPONENTS deep.
    stack = [_Level(source, target, b"", index.root)]
    try:
        while stack:
            level = stack[-1]
            child = level.next_directory(copies, target)
            if child is None:
                made += len(level.node.children)
                stack.pop().close(source)
            else:
                stack.append(child)
    finally:
        for level in stack:
            level.close(source)
    return made


class _Level:
    def __init__(self, source: int, target: int, path: bytes, node: Node) -> None:
        self.source = source
        self.target = target
        self.path = path
        self.node = node
        self._names = iter(node.children.items())

    def next_directory(self, copies: dict[int, bytes], root: int) -> _Level | None:
        """Link files up to the next directory, which is made and opened; `None` at the end."""
        for name, node in self._names:
            if node.kind == DIRECTORY:
                os.mkdir(name, 0o700, dir_fd=self.target)
                source = os.open(name, _STEP, dir_fd=self.source)
                try:
                    target = os.open(name, _STEP, dir_fd=self.target)
                except OSError:
                    os.close(source)
                    raise
                return _Level(source, target, self.path + name + b"/", node)
            if node.kind in NOT_ON_DISK:
                continue
            copy = copies.get(id(node)) if node.links > 1 else None
            if copy is not None:
                link_or_copy(root, copy, self.target, name, node)
            elif not link_or_copy(self.source, name, self.target, name, node) and node.links > 1:
                copies[id(node)] = self.path + name
        return None

    def close(self, root: int) -> None:
        """Close the two descriptors, unless they are the caller's."""
        if self.source != root:
            os.close(self.source)
            os.close(self.target)
