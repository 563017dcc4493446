"""Make a directory begin as another tree: its files by hard links, its directories anew. Nothing is hashed."""

from __future__ import annotations

import os

from sampan.layers.entry import DIRECTORY
from sampan.layers.ondisk import NOT_ON_DISK, copy_node, finish_file, link_or_copy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.layers.directory import LinkEqual
    from sampan.layers.index import Index, Node

_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OWN_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC  # O_PATH could not be given a mode


class Ways:
    """How files may get from one tree to another.

    `may_link`: by a link; not where the source is somebody else's, who could change it. Then they are linked with an equal file
    (`link_equal`, as for `DirectorySink`), or copied. `everyone` is as for `mode_on_disk`.
    """

    __slots__ = ("everyone", "link_equal", "may_link")

    def __init__(self, *, everyone: bool = False, may_link: bool = True, link_equal: LinkEqual | None = None) -> None:
        self.everyone = everyone
        self.may_link = may_link
        self.link_equal = link_equal


def clone(source: int, target: int, index: Index, ways: Ways | None = None) -> int:
    """Fill the empty directory `target` with what `index` says of the directory `source`; how many names were made.

    Nothing has to be done with directories in which nothing is changed later; the others are for `DirectorySink.finish`. A file
    that cannot have one more link, or may not, is copied, and that is what the other names of its group become links of.
    Raises OSError, `StoreError` if the source differs from its index.
    """
    bringing = _Bringing(target, ways or Ways())
    made = 0
    # Depth first with the descriptors of one branch, which is at most limits.MAX_COMPONENTS deep.
    stack = [_Level(source, target, b"", index.root)]
    try:
        while stack:
            level = stack[-1]
            child = level.next_directory(bringing)
            if child is None:
                made += len(level.node.children)
                stack.pop().finish(source, everyone=bringing.ways.everyone)
            else:
                stack.append(child)
    finally:
        for level in stack:
            level.close(source)
    return made


class _Bringing:
    """Brings the files, and knows which could not be linked although they have more names: node -> path in the target."""

    __slots__ = ("_copies", "_root", "ways")

    def __init__(self, root: int, ways: Ways) -> None:
        self.ways = ways
        self._root = root
        self._copies: dict[int, bytes] = {}

    def bring(self, level: _Level, name: bytes, node: Node) -> None:
        """Make one file of the source a file of the target."""
        ways = self.ways
        copy = self._copies.get(id(node)) if node.links > 1 else None
        if copy is not None:
            link_or_copy(self._root, copy, level.target, name, node, everyone=ways.everyone)
            return
        if ways.may_link:
            linked = link_or_copy(level.source, name, level.target, name, node, everyone=ways.everyone)
        else:
            linked = False
            if ways.link_equal is None or not ways.link_equal(node, level.target, name):
                copy_node(level.source, name, level.target, name, node, everyone=ways.everyone)
        if not linked and node.links > 1:
            self._copies[id(node)] = level.path + name


class _Level:
    def __init__(self, source: int, target: int, path: bytes, node: Node) -> None:
        self.source = source
        self.target = target
        self.path = path
        self.node = node
        self._names = iter(node.children.items())

    def next_directory(self, bringing: _Bringing) -> _Level | None:
        """Link files up to the next directory, which is made and opened; `None` at the end."""
        for name, node in self._names:
            if node.kind == DIRECTORY:
                os.mkdir(name, 0o700, dir_fd=self.target)
                source = os.open(name, _STEP, dir_fd=self.source)
                try:
                    target = os.open(name, _OWN_STEP, dir_fd=self.target)
                except OSError:
                    os.close(source)
                    raise
                return _Level(source, target, self.path + name + b"/", node)
            if node.kind not in NOT_ON_DISK:
                bringing.bring(self, name, node)
        return None

    def finish(self, root: int, *, everyone: bool) -> None:
        """All names of it are there: give the directory its attributes, and close it."""
        if self.source != root:
            finish_file(self.target, self.node, everyone=everyone)
        self.close(root)

    def close(self, root: int) -> None:
        """Close the two descriptors, unless they are the caller's."""
        if self.source != root:
            os.close(self.source)
            os.close(self.target)
