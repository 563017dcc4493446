"""What differs between two indexes: as a list for people, and as the entries of a layer that makes one of the other. Pure.

`changes` has Docker's letters: `A` added, `C` changed, `D` deleted. Of a directory that is gone only itself is named, of one that
is new all that is in it; a directory is changed if its attributes are, or if a name in it came or went.

`layer` gives the entries of image-spec's "Layer Filesystem Changeset": a whiteout for each name that is gone, and every
directory above a change with its attributes, because some unpackers would make it anew with others. Names of one inode are
hard links of the first one, and a changed inode brings all its names along. The order is that of paths, so the same two
indexes give the same layer.
"""

from __future__ import annotations

from sampan.layers.entry import DIRECTORY, FILE, Entry
from sampan.layers.merge import join

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.layers.index import Index, Node

ADDED, CHANGED, DELETED = "A", "C", "D"
_WHITEOUT = b".wh."


class Change:
    """One path that differs; `node` is what is there now, `None` if nothing is."""

    __slots__ = ("kind", "node", "path")

    def __init__(self, kind: str, path: bytes, node: Node | None) -> None:
        self.kind = kind
        self.path = path
        self.node = node

    def __repr__(self) -> str:
        return f"Change({self.kind!r}, {self.path!r})"


def changes(base: Index, now: Index) -> list[Change]:
    """The changes in the order of their paths; the root itself is left out."""
    found: list[Change] = []
    pending = [(b"", base.root, now.root)]
    while pending:
        path, before, after = pending.pop()
        if before.children is after.children:
            continue
        for name in before.children.keys() | after.children.keys():
            here = join(path, name)
            old, new = before.children.get(name), after.children.get(name)
            if old is new:
                continue
            if new is None:
                found.append(Change(DELETED, here, None))
            elif old is None:
                found += _all_of(here, new)
            elif old.kind == DIRECTORY and new.kind == DIRECTORY:
                if not old.is_same(new) or old.children.keys() != new.children.keys():
                    found.append(Change(CHANGED, here, new))
                pending.append((here, old, new))
            elif not old.is_same(new):
                found.append(Change(CHANGED, here, new))
                found += (change for change in _all_of(here, new) if change.path != here)
    return sorted(found, key=lambda change: change.path)


def _all_of(path: bytes, node: Node) -> Iterator[Change]:
    pending = [(path, node)]
    while pending:
        path, node = pending.pop()
        yield Change(ADDED, path, node)
        pending.extend((join(path, name), child) for name, child in node.children.items())


def layer(base: Index, now: Index) -> Iterator[tuple[Entry, Node | None]]:
    """The entries that make `now` of `base`, each with its node; `None` for a whiteout. A FILE's content has to be added."""
    written: dict[bytes, Change] = {}
    if not base.root.is_same(now.root):
        written[b""] = Change(CHANGED, b"", now.root)
    found = changes(base, now)
    for change in [*found, *_other_names(found, now)]:
        written[change.path] = change
        above = change.path.rpartition(b"/")[0]
        while above and above not in written:
            written[above] = Change(CHANGED, above, now.lookup(above))
            above = above.rpartition(b"/")[0]
    first: dict[int, bytes] = {}
    for path in sorted(written):
        node = written[path].node
        if node is None:
            above, _, name = path.rpartition(b"/")
            yield Entry(join(above, _WHITEOUT + name), FILE, mode=0), None
        elif node.links > 1 and id(node) in first:
            yield node.entry(path, first[id(node)]), node
        else:
            first[id(node)] = path
            yield node.entry(path or b"."), node


def _other_names(found: list[Change], now: Index) -> list[Change]:
    """The unchanged names of inodes that have a changed one."""
    wanted = {id(change.node) for change in found if change.node is not None and change.node.links > 1}
    if not wanted:
        return []
    known = {change.path for change in found}
    return [Change(CHANGED, path, node) for path, node in now.walk() if id(node) in wanted and path not in known]
