"""The nodes that the kernel knows: numbers, counts of references, ready replies.

A node is what the kernel holds a reference to. It has a number of its own, which is never given again, so that a file that
changed under its name becomes another node: programs that have the old one open go on reading the old bytes, and the kernel
keeps the pages of both apart. What programs see as the inode is the tree's and stays the same between mounts.

The bytes of a reply are made once per node: answering is then one dictionary access and one write, which makes plain Python
as cheap as a C library that fills structures for each request.
"""

from __future__ import annotations

import threading

from sampan.cvmfs.fuse import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cvmfs.fuse.tree import Item

S_IFMT, S_IFDIR = 0o170000, 0o040000


class Node:
    """One node: `entry` is the reply to a look-up, `known` how many references the kernel has, `parent` the inode above."""

    __slots__ = ("entry", "item", "known", "number", "parent")

    def __init__(self, number: int, item: Item, parent: int) -> None:
        self.number = number
        self.item = item
        self.parent = parent
        self.known = 0
        self.entry = b""


class Nodes:
    """All nodes, for many threads. `valid`: seconds for which the kernel may believe what it was told."""

    def __init__(self, root: Item, valid: int) -> None:
        self._valid = valid
        self._lock = threading.Lock()
        self._next = wire.ROOT + 1
        self._by_inode: dict[int, Node] = {}
        top = Node(wire.ROOT, root, root.inode)
        top.entry = self._entry(top)
        top.known = 1  # the kernel never gives it back
        self._by_number = {wire.ROOT: top}
        self._by_inode[root.inode] = top

    def __len__(self) -> int:
        return len(self._by_number)

    def get(self, number: int) -> Node | None:
        """The node of a number; the kernel asks for none that it has given back."""
        return self._by_number.get(number)

    def meet(self, item: Item, parent: Node) -> Node:
        """The node for an item that was looked up, with one reference more."""
        with self._lock:
            node = self._by_inode.get(item.inode)
            if node is not None and not _is_same(node.item, item):
                node = None
            if node is None:
                node = Node(self._next, item, parent.item.inode)
                self._next += 1
                node.entry = self._entry(node)
                self._by_number[node.number] = node
                self._by_inode[item.inode] = node
            elif node.item.version != item.version:
                node.item = item
                node.entry = self._entry(node)
            node.known += 1
            return node

    def forget(self, number: int, count: int) -> None:
        """The kernel gives references back."""
        with self._lock:
            node = self._by_number.get(number)
            if node is None or number == wire.ROOT:
                return
            node.known -= count
            if node.known <= 0:
                del self._by_number[number]
                if self._by_inode.get(node.item.inode) is node:
                    del self._by_inode[node.item.inode]

    def replace(self, node: Node, item: Item) -> None:
        """A directory has changed, and stays the node that it is."""
        with self._lock:
            node.item = item
            node.entry = self._entry(node)

    def directories(self) -> list[Node]:
        """Those of the kernel's nodes that are directories, the root first."""
        with self._lock:
            return [node for node in self._by_number.values() if node.item.mode & S_IFMT == S_IFDIR]

    def attributes(self, node: Node) -> bytes:
        """The reply to GETATTR."""
        return wire.ATTRIBUTES_VALID.pack(self._valid, 0, 0) + node.entry[wire.ENTRY.size :]

    def _entry(self, node: Node) -> bytes:
        item = node.item
        times = item.seconds, item.seconds, item.seconds, item.nanoseconds, item.nanoseconds, item.nanoseconds
        return wire.ENTRY.pack(node.number, 0, self._valid, self._valid, 0, 0) + wire.ATTRIBUTES.pack(
            item.inode, item.size, (item.size + 511) >> 9, *times,
            item.mode, item.links, item.uid, item.gid, item.device, 4096, 0,
        )  # fmt: skip


def _is_same(old: Item, new: Item) -> bool:
    """Whether a node can stay: a directory always, all else only unchanged."""
    if old.mode & S_IFMT == S_IFDIR and new.mode & S_IFMT == S_IFDIR:
        return True
    return old.version == new.version
