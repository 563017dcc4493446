"""One message of the kernel, one answer: the whole of a read-only file system, without the device.

`answer(message)` gives the buffers of the reply, or nothing where the kernel wants none. Whatever the bytes, it gives a
well-formed reply with the message's number or nothing, and raises nothing but `WouldWait`.

OPEN and OPENDIR are answered ENOSYS: the kernel then opens files by itself, keeps their pages over closes and asks no more
(Linux 3.15 and 5.1). An older one is told to keep the pages instead.
"""

from __future__ import annotations

import errno
import struct
import threading

from sampan.cvmfs.fuse import wire
from sampan.cvmfs.fuse.nodes import S_IFDIR, S_IFMT, Node, Nodes
from sampan.cvmfs.fuse.tree import WouldWait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Union

    from sampan.cvmfs.fuse.tree import Item, Tree

    Reply = Union[tuple[bytes, ...], None]
    Handler = Callable[["Answers", int, int, bytes, bool], Reply]

NAME_LIMIT = 255
OFFSET_LIMIT = 1 << 63
LISTINGS = 64
"""Listings that are kept between the parts in which the kernel reads a directory."""
_HEAD, _OUT = wire.HEAD, wire.OUT


class Answers:
    """What a tree answers; for many threads. `valid` and `absent`: seconds the kernel may believe what is there and what is not."""

    def __init__(self, tree: Tree, valid: int, absent: int, complain: Callable[[str], None]) -> None:
        self.tree = tree
        self.nodes = Nodes(tree.root(), valid)
        self.started = threading.Event()
        self.ended = threading.Event()
        self._absent = wire.ENTRY.pack(0, 0, absent, 0, 0, 0) + bytes(wire.ATTRIBUTES.size)
        self._complain = complain
        self._listings: dict[int, list[tuple[bytes, Item]]] = {}

    def answer(self, message: bytes, *, wait: bool) -> Reply:
        """The reply. Raises `WouldWait` unless `wait`."""
        if len(message) < _HEAD.size:
            return None
        length, operation, unique, node, *_ = _HEAD.unpack_from(message)
        handler = HANDLERS.get(operation)
        if handler is None:
            return failed(unique, errno.ENOSYS)
        if length != len(message):
            return failed(unique, errno.EIO) if operation not in SILENT else None
        try:
            return handler(self, unique, node, message, wait)
        except WouldWait:
            raise
        except OSError as error:
            return failed(unique, error.errno or errno.EIO) if operation not in SILENT else None
        except struct.error:
            return failed(unique, errno.EINVAL) if operation not in SILENT else None
        except Exception as error:  # noqa: BLE001 - a program's read must end, whatever is wrong here
            self._complain(f"a defect of sampan: {type(error).__name__} in operation {operation}: {error}")
            return failed(unique, errno.EIO) if operation not in SILENT else None

    def _node(self, number: int) -> Node:
        node = self.nodes.get(number)
        if node is None:
            raise OSError(errno.ESTALE, "unknown node")
        return node

    def drop_listings(self) -> None:
        """The tree has changed."""
        self._listings.clear()

    def init(self, unique: int, _node: int, message: bytes, _wait: bool) -> Reply:
        major, minor, readahead, flags = wire.INIT_IN.unpack_from(message, _HEAD.size)
        if major > wire.MAJOR:  # it asks again with ours
            return ok(unique, wire.INIT_OUT.pack(wire.MAJOR, wire.MINOR, *[0] * 10))
        if major < wire.MAJOR or minor < wire.OLDEST_MINOR:
            return failed(unique, errno.EPROTO)
        wanted = flags & wire.WANTED
        out = wire.INIT_OUT.pack(
            wire.MAJOR, min(minor, wire.MINOR), readahead, wanted, 64, 48, wire.MAX_WRITE, 1, wire.MAX_READ_PAGES, 0, 0, 0
        )
        self._opens_alone = bool(wanted & wire.NO_OPEN_SUPPORT)
        self._opens_directories_alone = bool(wanted & wire.NO_OPENDIR_SUPPORT)
        self.started.set()
        return ok(unique, out if minor >= wire.LONG_INIT_MINOR else out[: wire.SHORT_INIT])

    def lookup(self, unique: int, node: int, message: bytes, wait: bool) -> Reply:
        above = self._node(node)
        name = message[_HEAD.size : -1]
        if len(name) > NAME_LIMIT:
            return failed(unique, errno.ENAMETOOLONG)
        if not name or b"/" in name or b"\0" in name or name in (b".", b".."):
            return failed(unique, errno.EINVAL)
        item = self.tree.lookup(above.item, name, wait=wait)
        if item is None:
            return ok(unique, self._absent)
        return ok(unique, self.nodes.meet(item, above).entry)

    def forget(self, _unique: int, node: int, message: bytes, _wait: bool) -> Reply:
        self.nodes.forget(node, wire.FORGET_IN.unpack_from(message, _HEAD.size)[0])
        return None

    def forget_many(self, _unique: int, _node: int, message: bytes, _wait: bool) -> Reply:
        count, _ = wire.BATCH_FORGET_IN.unpack_from(message, _HEAD.size)
        start = _HEAD.size + wire.BATCH_FORGET_IN.size
        end = min(start + count * wire.FORGET_ONE.size, len(message) - wire.FORGET_ONE.size + 1)
        for at in range(start, end, wire.FORGET_ONE.size):
            self.nodes.forget(*wire.FORGET_ONE.unpack_from(message, at))
        return None

    def attributes(self, unique: int, node: int, _message: bytes, _wait: bool) -> Reply:
        return ok(unique, self.nodes.attributes(self._node(node)))

    def link(self, unique: int, node: int, _message: bytes, _wait: bool) -> Reply:
        return ok(unique, self.tree.link(self._node(node).item))

    def open(self, unique: int, _node: int, _message: bytes, _wait: bool) -> Reply:
        return failed(unique, errno.ENOSYS) if self._opens_alone else ok(unique, wire.OPEN_OUT.pack(0, wire.OPEN_KEEP_CACHE, 0))

    def open_directory(self, unique: int, _node: int, _message: bytes, _wait: bool) -> Reply:
        if self._opens_directories_alone:
            return failed(unique, errno.ENOSYS)
        return ok(unique, wire.OPEN_OUT.pack(0, wire.OPEN_KEEP_CACHE | wire.OPEN_CACHE_DIRECTORY, 0))

    def read(self, unique: int, node: int, message: bytes, wait: bool) -> Reply:
        _, offset, size, *_ = wire.READ_IN.unpack_from(message, _HEAD.size)
        if offset >= OFFSET_LIMIT:
            return failed(unique, errno.EINVAL)
        size = min(size, wire.MAX_READ_PAGES * 4096)
        return ok(unique, self.tree.read(self._node(node).item, offset, size, wait=wait))

    def space(self, unique: int, _node: int, _message: bytes, _wait: bool) -> Reply:
        size, files = self.tree.space()
        return ok(unique, wire.STATFS_OUT.pack((size + 4095) >> 12, 0, 0, files, 0, 4096, NAME_LIMIT, 4096, 0))

    def attribute(self, unique: int, node: int, message: bytes, wait: bool) -> Reply:
        room, _ = wire.XATTR_IN.unpack_from(message, _HEAD.size)
        name = message[_HEAD.size + wire.XATTR_IN.size : -1]
        value = self.tree.attribute(self._node(node).item, name, wait=wait)
        return failed(unique, errno.ENODATA) if value is None else _sized(unique, value, room)

    def list_attributes(self, unique: int, node: int, message: bytes, _wait: bool) -> Reply:
        room, _ = wire.XATTR_IN.unpack_from(message, _HEAD.size)
        return _sized(unique, b"".join(name + b"\0" for name in self.tree.attributes(self._node(node).item)), room)

    def nothing(self, unique: int, _node: int, _message: bytes, _wait: bool) -> Reply:
        return ok(unique)

    def destroy(self, unique: int, _node: int, _message: bytes, _wait: bool) -> Reply:
        self.ended.set()
        return ok(unique)

    def list_names(self, unique: int, node: int, message: bytes, wait: bool) -> Reply:
        return self._list(unique, node, message, wait, False)

    def list_entries(self, unique: int, node: int, message: bytes, wait: bool) -> Reply:
        return self._list(unique, node, message, wait, True)

    def _list(self, unique: int, number: int, message: bytes, wait: bool, plus: bool) -> Reply:
        node = self._node(number)
        _, offset, room, *_ = wire.READ_IN.unpack_from(message, _HEAD.size)
        listing = self._listing(node, wait)
        meet, pack, out, used = self.nodes.meet, wire.NAME.pack, [], 0
        head = wire.ENTRY.size + wire.ATTRIBUTES.size if plus else 0
        for at in range(min(offset, len(listing)), len(listing)):
            name, item = listing[at]
            length = head + ((wire.NAME.size + len(name) + 7) & ~7)
            if used + length > room:
                break
            used += length
            if plus:  # `.` and `..` are told without attributes, and are not counted
                out.append(meet(item, node).entry if at > 1 else self._absent)
            out.append(pack(item.inode, at + 1, len(name), (item.mode & S_IFMT) >> 12) + name + bytes(-len(name) % 8))
        else:
            if offset >= len(listing):
                self._listings.pop(number, None)
        return ok(unique, b"".join(out))

    def _listing(self, node: Node, wait: bool) -> list[tuple[bytes, Item]]:
        found = self._listings.get(node.number)
        if found is None:
            if node.item.mode & S_IFMT != S_IFDIR:
                raise OSError(errno.ENOTDIR, "not a directory")
            dots = [(b".", node.item), (b"..", node.item)]
            found = [*dots, *self.tree.entries(node.item, wait=wait)]
            while len(self._listings) >= LISTINGS:
                self._listings.pop(next(iter(self._listings), 0), None)
            self._listings[node.number] = found
        return found


def ok(unique: int, body: bytes = b"") -> tuple[bytes, ...]:
    """A reply that says yes."""
    return (_OUT.pack(_OUT.size + len(body), 0, unique), body)


def failed(unique: int, number: int) -> tuple[bytes, ...]:
    """A reply that says no, by an errno."""
    return (_OUT.pack(_OUT.size, -number, unique),)


def _sized(unique: int, value: bytes, room: int) -> tuple[bytes, ...]:
    """An extended attribute: its length if no room is given."""
    if room == 0:
        return ok(unique, wire.XATTR_OUT.pack(len(value), 0))
    return failed(unique, errno.ERANGE) if len(value) > room else ok(unique, value)


HANDLERS: dict[int, Handler] = {
    wire.LOOKUP: Answers.lookup,
    wire.FORGET: Answers.forget,
    wire.BATCH_FORGET: Answers.forget_many,
    wire.GETATTR: Answers.attributes,
    wire.READLINK: Answers.link,
    wire.OPEN: Answers.open,
    wire.OPENDIR: Answers.open_directory,
    wire.READ: Answers.read,
    wire.STATFS: Answers.space,
    wire.RELEASE: Answers.nothing,
    wire.RELEASEDIR: Answers.nothing,
    # Not FLUSH: refused once, the kernel asks at no close again, which spares a start some hundred ways here and back.
    wire.GETXATTR: Answers.attribute,
    wire.LISTXATTR: Answers.list_attributes,
    wire.INIT: Answers.init,
    wire.READDIR: Answers.list_names,
    wire.READDIRPLUS: Answers.list_entries,
    wire.DESTROY: Answers.destroy,
}
SILENT = (wire.FORGET, wire.BATCH_FORGET)
"""The kernel wants no reply to these, not even to a bad one."""
