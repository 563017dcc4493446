"""The index on disk: mtree(5) in the full-path form, as docs/design/store.md says and bsdtar reads. Pure.

One line a name, parents before children, siblings in byte order. Only what differs from the `/set` line is written.
Link groups and extended attributes are comment lines behind the entry's: NetBSD's mtree stops at libarchive's keyword
`inode`, both stop at go-mtree's `xattr.`, and a reader without them still gets everything else.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from sampan.layers.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK
from sampan.layers.index import Index, Node
from sampan.layers.ondisk import mode_on_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIRST_LINE = b"#mtree\n"
DEFAULTS = b"/set type=file uid=0 gid=0 mode=0644 nlink=1\n"

# Escaped besides blanks and what is not printable: comment, escape, glob and the sign between key and value.
_PLAIN = bytes(b for b in range(0x21, 0x7F) if b not in b'#\\*?[="')
_TYPES = frozenset((BLOCK, CHAR, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK))
_XATTR = b"#xattr "
_INODE = b"#inode "


def write(index: Index) -> Iterator[bytes]:
    """The lines of the file, ends included."""
    yield FIRST_LINE
    yield DEFAULTS
    yield b"." + _attributes(index.root) + b"\n"
    yield from _xattrs(index.root)
    groups: dict[int, int] = {}
    for path, node in index.walk():
        line = b"./" + _escaped(path) + _attributes(node)
        if node.links > 1:
            yield line + b" nlink=%d\n" % node.links
            yield b"%b%d\n" % (_INODE, groups.setdefault(id(node), len(groups) + 1))
        else:
            yield line + b"\n"
        if node.xattrs:
            yield from _xattrs(node)


def _xattrs(node: Node) -> Iterator[bytes]:
    for name, value in node.xattrs:
        yield b"%b%b=%b" % (_XATTR, _escaped(name), b2a_base64(value))


def _attributes(node: Node) -> bytes:
    seconds, nanoseconds = divmod(node.mtime, 1_000_000_000)
    words = b"" if node.kind == FILE else b" type=" + node.kind.encode()
    if node.mode != 0o644:
        words += b" mode=%04o" % node.mode
    if node.uid or node.gid:
        words += b" uid=%d gid=%d" % (node.uid, node.gid)
    words += b" time=%d.%09d" % (seconds, nanoseconds)
    if node.kind == FILE:
        words += b" size=%d sha256digest=%b" % (node.size, node.digest.hex().encode())
    elif node.kind == SYMLINK:
        words += b" link=" + _escaped(node.target)
    elif node.kind in (BLOCK, CHAR):
        words += b" device=linux,%d,%d" % node.device
    return words


def read(lines: Iterable[bytes]) -> Index:
    """The index in lines that `write` made. Raises ValueError with the reason for anything else."""
    numbered = enumerate(lines, 1)
    for expected in (FIRST_LINE, DEFAULTS):
        if next(numbered, (0, b""))[1] != expected:
            raise ValueError(f"it does not begin with {FIRST_LINE.decode().strip()} and the known /set line")
    reader = _Reader()
    number = 2
    for number, line in numbered:
        if not line.endswith(b"\n"):
            raise ValueError(f"it is cut in line {number}")
        try:
            reader.take(line[:-1])
        except (ValueError, KeyError, IndexError) as error:
            raise ValueError(f"line {number} cannot be understood: {error}") from error
    if number == 2:
        raise ValueError("it has no entry for the root")
    reader.check_groups()
    return reader.index


def otherwise(lines: Iterable[bytes]) -> list[tuple[bytes, int, int, int]]:
    """(path below the root, uid, gid, mode) of what a tree on disk has otherwise than the image.

    Without reading the rest. Raises ValueError for what is no index.
    """
    found = []
    for line in lines:
        if not line.startswith(b"./"):
            continue
        words = line.rstrip(b"\n").split(b" ")
        values = dict(word.split(b"=", 1) for word in words[1:])
        uid, gid, mode = int(values.get(b"uid", b"0")), int(values.get(b"gid", b"0")), int(values.get(b"mode", b"644"), 8)
        node = Node(values.get(b"type", b"file").decode("ascii"), mode, uid, gid, 0)
        if uid or gid or (node.kind in (FILE, DIRECTORY) and mode_on_disk(node) != mode):
            found.append((_plain(words[0][2:]), uid, gid, mode))
    return found


class _Reader:
    """Builds the index line by line. An entry is placed when the next one begins, for its comments follow it."""

    def __init__(self) -> None:
        self.index = Index()
        self._directories: dict[bytes, Node] = {}
        self._groups: dict[bytes, tuple[Node, int]] = {}
        self._place: tuple[Node, bytes] = (self.index.root, b"")
        self._node = self.index.root
        self._expected = 1

    def take(self, line: bytes) -> None:
        if line.startswith(b"#"):
            self._comment(line)
            return
        self.check_links()
        words = line.split(b" ")
        values = dict(word.split(b"=", 1) for word in words[1:])
        path = _plain(words[0])
        self._expected = int(values.pop(b"nlink", b"1"))
        self._node = node = _node(values)
        if not self._directories:
            if path != b"." or node.kind != DIRECTORY:
                raise ValueError("the root does not come first")
            self.index.root = node
        else:
            above, _, name = path.rpartition(b"/")
            parent = self._directories[above]
            if not name or name in (b".", b"..") or name in parent.children:
                raise ValueError(f"the name {path!r} is wrong or stands twice")
            self._place = parent, name
            self.index.add(parent, name, node)
        if node.kind == DIRECTORY:
            self._directories[path] = node

    def _comment(self, line: bytes) -> None:
        if line.startswith(_XATTR):
            name, _, value = line[len(_XATTR) :].partition(b"=")
            attribute = (_plain(name), a2b_base64(value))
            if attribute not in self._node.xattrs:  # each name of a group repeats them
                self._node.xattrs = (*self._node.xattrs, attribute)
        elif line.startswith(_INODE) and self._expected > 1 and self._node.kind != DIRECTORY:
            first, expected = self._groups.setdefault(line[len(_INODE) :], (self._node, self._expected))
            if expected != self._expected:
                raise ValueError("names of one group differ in nlink")
            if first is not self._node:
                parent, name = self._place
                parent.children[name] = self._node = first
                first.links += 1
            self._expected = 0  # the group counts its names
        else:
            raise ValueError("the comment is unknown")

    def check_links(self) -> None:
        """Raises ValueError if the last name belongs to a group that it did not say."""
        if self._expected > 1:
            raise ValueError("a name with more links does not say which")

    def check_groups(self) -> None:
        self.check_links()
        for node, expected in self._groups.values():
            if node.links != expected:
                raise ValueError(f"a group of hard links has {node.links} names instead of {expected}")


def _node(values: dict[bytes, bytes]) -> Node:
    kind = values.pop(b"type", b"file").decode("ascii")
    if kind not in _TYPES:
        raise ValueError(f"the type {kind} is unknown")
    seconds, _, nanoseconds = values.pop(b"time").partition(b".")
    if len(nanoseconds) != 9 or not nanoseconds.isdigit():
        raise ValueError("the time is not in nanoseconds")
    node = Node(
        _INTERNED[kind],
        int(values.pop(b"mode", b"0644"), 8),
        int(values.pop(b"uid", b"0")),
        int(values.pop(b"gid", b"0")),
        int(seconds) * 1_000_000_000 + int(nanoseconds),
    )
    if kind == FILE:
        node.size = int(values.pop(b"size"))
        node.digest = bytes.fromhex(values.pop(b"sha256digest").decode("ascii"))
    elif kind == SYMLINK:
        node.target = _plain(values.pop(b"link"))
    elif kind in (BLOCK, CHAR):
        system, major, minor = values.pop(b"device").split(b",")
        if system != b"linux":
            raise ValueError("the device is not one of Linux")
        node.device = int(major), int(minor)
    if values:
        raise ValueError(f"the keyword {next(iter(values)).decode('ascii', 'replace')} is unknown")
    return node


_INTERNED = {kind: kind for kind in _TYPES}  # the constants of entry.py, so that `is` holds as well


def _escaped(text: bytes) -> bytes:
    if not text.translate(None, _PLAIN):
        return text
    return b"".join(b"%c" % b if b in _PLAIN else b"\\%03o" % b for b in text)


def _plain(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    head, *rest = text.split(b"\\")
    return head + b"".join(b"%c%b" % (int(part[:3], 8), part[3:]) for part in rest)
