"""What a container's root is now: its changes on disk read over the index of its image, as a new index.

Theory of operation. A container keeps its changes in the upper directory of an overlay, or has a private copy of all files.
Both are walked by descriptors, no link followed, and compared name by name with the index that they began as. What is unchanged
is the *same* `Node` as in that index, so that whoever compares the two (`diff.py`) sees it at once; the rest are new nodes.

- Of an upper directory what is not there is unchanged. A character device 0:0 hides a name, an attribute `overlay.opaque` all of
  a directory (Documentation/filesystems/overlayfs.rst). What sampan never asks for (redirects, metadata without data) is refused.
- Of a copy what is not there is removed, but for devices and sockets, which it never had.
- An index knows modes that the disk has not (`ondisk.mode_on_disk`). A file that was copied up, or still has its content, has the
  index's mode as long as it has the bits that a tree gives it; a file that replaced another has its own.
- Owners are those on disk (`real_owners`: the walk is done inside the map of several ids), else what was noted (`recorded.py`),
  else for what is in the index as well the index's, else `new_owner`.
- Names that a start made for its mounts are not there.
- Names of one inode become one node, whichever names the index joined.

Sources of what the kernel writes: overlayfs.rst "whiteouts and opaque directories", "userxattr"; capabilities(7) "File capability
extended attribute versioning".
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from hashlib import sha256

from sampan.errors import LayerError, StoreError, printable
from sampan.layers import recorded
from sampan.layers.beneath import beneath
from sampan.layers.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK, check_path
from sampan.layers.index import Index, Node
from sampan.layers.limits import MAX_ENTRIES
from sampan.layers.merge import join
from sampan.layers.ondisk import NOT_ON_DISK, mode_on_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.layers.recorded import Journal, Owner

    Attributes = dict[bytes, bytes]

_STEP = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS = {
    stat.S_IFREG: FILE, stat.S_IFDIR: DIRECTORY, stat.S_IFLNK: SYMLINK, stat.S_IFIFO: FIFO, stat.S_IFSOCK: SOCKET,
    stat.S_IFCHR: CHAR, stat.S_IFBLK: BLOCK,
}  # fmt: skip
_OVERLAY = (b"user.overlay.", b"trusted.overlay.")
_CAPABILITY = b"security.capability"
_GRAINS = (1, 100, 1000, 1_000_000_000)  # of the times that file systems keep, in nanoseconds
_PIECE = 1 << 20


class Rules:
    """How a container's files are to be read."""

    __slots__ = ("copied_at", "journal", "new_owner", "real_owners")

    def __init__(self, new_owner: Owner, journal: Journal, *, real_owners: bool = False, copied_at: int | None = None) -> None:
        """`copied_at`: it is a private copy, which was complete at this time (ctime, in nanoseconds); else an upper directory."""
        self.new_owner = new_owner
        self.journal = journal
        self.real_owners = real_owners
        self.copied_at = copied_at


class Scanned:
    """An index of now; the content of the files in `fresh` (ids of nodes) lies in what was walked, of others in the tree."""

    __slots__ = ("fresh", "index")

    def __init__(self, index: Index, fresh: frozenset[int]) -> None:
        self.index = index
        self.fresh = fresh


def scan(base: Index, root: int, rules: Rules) -> Scanned:
    """Read the directory `root` over `base`.

    Raises OSError, `LayerError` for what no layer can hold, `StoreError` for an upper directory that another program made.
    """
    return _Scan(base, root, rules).all()


class _Place:
    """Where an entry was found: its directory now, its name there, and what the index has at its path."""

    __slots__ = ("base", "children", "directory", "name", "path")

    def __init__(self, directory: int, path: bytes, name: bytes, base: Node | None, children: dict[bytes, Node]) -> None:
        self.directory = directory
        self.path = path
        self.name = name
        self.base = base
        self.children = children  # of the new node of the directory

    def base_of(self, kind: str) -> Node | None:
        """What the index has here, if it is of this kind."""
        return self.base if self.base is not None and self.base.kind == kind else None


class _Scan:
    def __init__(self, base: Index, root: int, rules: Rules) -> None:
        self._base = base
        self._root = root
        self._rules = rules
        self._index = Index()
        self._fresh: dict[int, Node] = {}
        self._groups: dict[tuple[int, int], list[_Place]] = {}  # the names of each inode that has several

    def all(self) -> Scanned:
        status = os.fstat(self._root)
        top = self._base.root
        self._index.made = self._base.made
        node = self._attributes(status, _attributes_of(self._root), top, keeps_mode=True)
        node.mtime = _time(top, node)
        node.children = self._children(self._root, b"", top)
        self._index.root = node
        for places in self._groups.values():
            self._join(places)
        return Scanned(self._index, frozenset(self._fresh))

    def _put(self, place: _Place, node: Node) -> None:
        self._index.made += node is not place.base
        if self._index.made > MAX_ENTRIES:
            raise LayerError(f"the container has more than {MAX_ENTRIES} names")
        if node is not place.base:
            self._fresh[id(node)] = node
        place.children[place.name] = node

    # Directories

    def _children(self, directory: int, path: bytes, base: Node | None) -> dict[bytes, Node]:
        """What is in a directory now; `base` is what the index has there and is not hidden."""
        before = base.children if base is not None else {}
        if self._rules.copied_at is None:
            children = dict(before)
        else:
            children = {name: node for name, node in before.items() if node.kind in NOT_ON_DISK}
        for name in sorted(os.fsencode(entry) for entry in os.listdir(directory)):
            self._entry(_Place(directory, join(path, name), name, before.get(name), children))
        return children

    def _entry(self, place: _Place) -> None:
        status = os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
        kind = _KINDS[stat.S_IFMT(status.st_mode)]
        check_path(place.path)
        if kind == CHAR and status.st_rdev == 0 and self._rules.copied_at is None:
            place.children.pop(place.name, None)
        elif kind == DIRECTORY:
            self._directory(place)
        elif kind == FILE and status.st_nlink > 1:
            self._groups.setdefault((status.st_dev, status.st_ino), []).append(place)
        elif kind == FILE:
            node = self._file(place)
            if node is None:
                place.children.pop(place.name, None)
            else:
                self._put(place, node)
        else:
            self._put(place, self._other(place, status, kind))

    def _directory(self, place: _Place) -> None:
        descriptor = os.open(place.name, _STEP, dir_fd=place.directory)
        try:
            attributes = _attributes_of(descriptor)
            _check_overlay(attributes, place.path)
            is_opaque = b"y" in (attributes.get(prefix + b"opaque") for prefix in _OVERLAY)
            base = None if is_opaque else place.base_of(DIRECTORY)
            node = self._attributes(os.fstat(descriptor), attributes, base, place, keeps_mode=True)
            node.children = self._children(descriptor, place.path, base)
            if recorded.MOUNT_POINT in attributes and place.base is None and not node.children:
                # Nothing, or only other such names, for a bind of several new directories.
                place.children.pop(place.name, None)
                return
        finally:
            os.close(descriptor)
        if base is not None:
            node.xattrs = _with_hidden(node.xattrs, base.xattrs)
            node.mtime = _time(base, node)
            if base.is_same(node) and base.children == node.children:
                node = base
        self._put(place, node)

    # Files

    def _file(self, place: _Place) -> Node | None:
        """The node of a file; `None` if it is no file of the container's but a mark."""
        descriptor = os.open(place.name, _READ, dir_fd=place.directory)
        try:
            status = os.fstat(descriptor)
            attributes = _attributes_of(descriptor)
            _check_overlay(attributes, place.path)
            if not status.st_size:
                if recorded.MOUNT_POINT in attributes and place.base is None:
                    return None
                if self._rules.copied_at is None and any(prefix + b"whiteout" in attributes for prefix in _OVERLAY):
                    return None
                device = recorded.device_of(attributes.get(recorded.DEVICE, b""))
                if device is not None:
                    node = self._attributes(status, attributes, None, place)
                    node.kind, node.device = CHAR if device[0] == b"c" else BLOCK, device[1:]
                    return node
            return self._file_node(place, status, descriptor, attributes)
        finally:
            os.close(descriptor)

    def _file_node(self, place: _Place, status: os.stat_result, descriptor: int, attributes: Attributes) -> Node:
        base = place.base_of(FILE)
        has_content = base is not None and self._has_content(base, status, descriptor)
        was_copied_up = any(prefix + b"origin" in attributes for prefix in _OVERLAY)
        node = self._attributes(status, attributes, base, place, keeps_mode=has_content or was_copied_up)
        node.size = status.st_size
        if base is not None and has_content:
            node.digest = base.digest
            node.xattrs = _with_hidden(node.xattrs, base.xattrs)
            node.mtime = _time(base, node)
            if base.is_same(node):
                return base
        return node

    def _has_content(self, base: Node, status: os.stat_result, descriptor: int) -> bool:
        if base.size != status.st_size:
            return False
        copied = self._rules.copied_at
        if copied is not None and status.st_ctime_ns < copied and _has_time(base, status.st_mtime_ns):
            return True  # nobody has touched it since it was copied
        content = sha256()
        while piece := os.read(descriptor, _PIECE):
            content.update(piece)
        return content.digest() == base.digest

    def _join(self, places: list[_Place]) -> None:
        """Give all names of an inode one node: that of the index if it had just these there, and all is as it was."""
        bases = [place.base_of(FILE) for place in places]
        known = next((place for place, base in zip(places, bases) if base is not None), places[0])
        descriptor = beneath(self._root, known.path, _READ)
        try:
            node = self._file_node(known, os.fstat(descriptor), descriptor, _attributes_of(descriptor))
        finally:
            os.close(descriptor)
        if node is known.base and (any(base is not node for base in bases) or node.links != len(places)):
            node = _copy(node)
        if node is not known.base:
            node.links = len(places)
        for place in places:
            self._put(place, node)

    # Others

    def _other(self, place: _Place, status: os.stat_result, kind: str) -> Node:
        base = place.base_of(kind)
        node = self._attributes(status, {}, base, place, keeps_mode=True)
        if kind == SYMLINK:
            node.target = os.readlink(place.name, dir_fd=place.directory)
            node.mode = 0o777
        elif kind in (CHAR, BLOCK):
            node.device = os.major(status.st_rdev), os.minor(status.st_rdev)
        if base is not None:
            node.xattrs = base.xattrs
            node.mtime = _time(base, node)
            if base.is_same(node):
                return base
        return node

    # Attributes

    def _attributes(
        self, status: os.stat_result, attributes: Attributes, base: Node | None, place: _Place | None = None, *, keeps_mode: bool = False
    ) -> Node:  # fmt: skip
        """A node of the kind and attributes on disk, which are seen through the index where `base` is what was there."""
        kind = _KINDS[stat.S_IFMT(status.st_mode)]
        mode = stat.S_IMODE(status.st_mode)
        noted = self._rules.journal.mode(status.st_ino)
        if noted is not None:
            mode = stat.S_IMODE(noted)
        elif base is not None and keeps_mode and not self._rules.real_owners and mode == mode_on_disk(base):
            mode = base.mode
        node = Node(kind, mode, *self._owner(status, attributes, base, place), status.st_mtime_ns)
        node.xattrs = _visible(attributes)
        return node

    def _owner(self, status: os.stat_result, attributes: Attributes, base: Node | None, place: _Place | None) -> Owner:
        found = recorded.owner_of(attributes.get(recorded.OWNER, b""))
        if found is None and place is not None:
            found = self._rules.journal.find(place.directory, place.name, status.st_ino)
        if found is not None:
            return found
        if self._rules.real_owners:
            return status.st_uid, status.st_gid
        return (base.uid, base.gid) if base is not None else self._rules.new_owner


def _copy(node: Node) -> Node:
    made = Node(node.kind, node.mode, node.uid, node.gid, node.mtime)
    made.size, made.digest, made.xattrs = node.size, node.digest, node.xattrs
    return made


def _has_time(base: Node, found: int) -> bool:
    """Whether a file system that was told the node's time may say `found`: some keep coarser times."""
    return any(base.mtime // grain * grain == found for grain in _GRAINS)


def _time(base: Node, node: Node) -> int:
    return base.mtime if _has_time(base, node.mtime) else node.mtime


# Extended attributes


def _attributes_of(descriptor: int) -> Attributes:
    found: Attributes = {}
    try:
        names = os.listxattr(descriptor)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            return found
        raise
    for name in names:
        try:
            found[os.fsencode(name)] = os.getxattr(descriptor, name)
        except OSError:
            continue  # it went meanwhile, or is for others' eyes
    return found


def _check_overlay(attributes: Attributes, path: bytes) -> None:
    for prefix in _OVERLAY:
        for name in (b"redirect", b"metacopy"):
            if prefix + name in attributes:
                raise StoreError(
                    f"{printable(path)} in the changes of the container is only a reference ({name.decode()}): another program "
                    "has mounted them with other options",
                    "sampan mounts its overlays without redirect_dir and metacopy",
                )


def _visible(attributes: Attributes) -> tuple[tuple[bytes, bytes], ...]:
    """Those that belong into an image: the user's, and capabilities as the initial namespace has them."""
    found = [
        (name, value)
        for name, value in attributes.items()
        if name.startswith(b"user.") and not name.startswith((recorded.PREFIX, *_OVERLAY))
    ]
    if _CAPABILITY in attributes:
        found.append((_CAPABILITY, _without_root_id(attributes[_CAPABILITY])))
    return tuple(sorted(found))


def _without_root_id(value: bytes) -> bytes:
    """A capability of revision 3, which a user namespace writes with the id of its root, as revision 2."""
    if len(value) == 24 and struct.unpack_from("<I", value)[0] >> 24 == 3:
        (magic,) = struct.unpack_from("<I", value)
        return struct.pack("<I", magic & 0x00FFFFFF | 0x02000000) + value[4:20]
    return value


def _with_hidden(
    found: tuple[tuple[bytes, bytes], ...], base: tuple[tuple[bytes, bytes], ...]
) -> tuple[tuple[bytes, bytes], ...]:
    """What is on disk with what the index alone has: attributes other than the user's, which a tree does not hold."""
    names = {name for name, _ in found}
    hidden = [(name, value) for name, value in base if not name.startswith(b"user.") and name not in names]
    return tuple(sorted([*found, *hidden])) if hidden else found
