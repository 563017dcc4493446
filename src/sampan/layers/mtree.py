"""The index on disk: mtree(5) in the full-path form, as docs/design/store.md says and bsdtar reads. Pure.

One line a name, parents before children, siblings in byte order. Only what differs from the `/set` line is written.
Link groups and extended attributes are comment lines behind the entry's: NetBSD's mtree stops at libarchive's keyword
`inode`, both stop at go-mtree's `xattr.`, and a reader without them still gets everything else.

Most of what a new tree takes over from the one below it is never looked at, so with `verified` the words of an entry are kept
as they are and understood when an attribute is first asked for; written again, they are copied.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64

from sampan.layers.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK
from sampan.layers.index import NO_CHILDREN, Index, Node
from sampan.layers.ondisk import mode_on_disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIRST_LINE = b"#mtree\n"
DEFAULTS = b"/set type=file uid=0 gid=0 mode=0644 nlink=1\n"

# Escaped besides blanks and what is not printable: comment, escape, glob and the sign between key and value.
_PLAIN = bytes(b for b in range(0x21, 0x7F) if b not in b'#\\*?[="')
_TYPES = frozenset((BLOCK, CHAR, DIRECTORY, FIFO, FILE, SOCKET, SYMLINK))
_TYPE = b" type="
_XATTR = b"#xattr "
_INODE = b"#inode "
_AFTER_SIZE = len(" sha256digest=") + 64


def write(index: Index) -> Iterator[bytes]:
    """The file in pieces of whole lines."""
    yield FIRST_LINE
    yield DEFAULTS
    for _, _, text in entries(index):
        yield text


def entries(index: Index) -> Iterator[tuple[Node, bytes, bytes]]:
    """Each name's node with its `attributes`, and its line with the comments that belong to it; the root first."""
    words = attributes(index.root)
    yield index.root, words, b"." + words + b"\n" + _xattrs(index.root)
    groups: dict[int, int] = {}
    for path, node in index.walk():
        words = attributes(node)
        text = b"./" + escaped(path) + words
        if node.links > 1:
            number = groups.setdefault(id(node), len(groups) + 1)
            text += b" nlink=%d\n%b%d\n" % (node.links, _INODE, number)
        else:
            text += b"\n"
        if node.xattrs:
            text += _xattrs(node)
        yield node, words, text


def _xattrs(node: Node) -> bytes:
    return b"".join(b"%b%b=%b" % (_XATTR, escaped(name), b2a_base64(value)) for name, value in node.xattrs)


def attributes(node: Node) -> bytes:
    """The words of an entry's line behind its name, each with a blank before it, `nlink` left out."""
    if isinstance(node, _Unread) and not node.is_new:
        return node.text
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
        words += b" link=" + escaped(node.target)
    elif node.kind in (BLOCK, CHAR):
        words += b" device=linux,%d,%d" % node.device
    return words


def size_in(words: bytes) -> int:
    """The size of a file by its `attributes`: quicker than to understand them all."""
    return int(words[words.index(b" size=") + 6 : -_AFTER_SIZE])


def read(lines: Iterable[bytes], *, verified: bool = False) -> Index:
    """The index in lines that `write` made. Raises ValueError with the reason for anything else.

    `verified`: these are known to be the bytes that `write` made, by their digest.
    """
    numbered = enumerate(lines, 1)
    for expected in (FIRST_LINE, DEFAULTS):
        if next(numbered, (0, b""))[1] != expected:
            raise ValueError(f"it does not begin with {FIRST_LINE.decode().strip()} and the known /set line")
    reader = _Reader(verified=verified)
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
            found.append((plain(words[0][2:]), uid, gid, mode))
    return found


class _Unread(Node):
    """A node whose attributes are the words of its line until one is asked for. Of the kinds only directories ever change."""

    __slots__ = ("text",)
    text: bytes

    def __getattr__(self, name: str) -> object:
        """Called for what is not set yet."""
        if name not in _FROM_WORDS:
            raise AttributeError(name)
        values = dict(word.split(b"=", 1) for word in self.text.split(b" ")[1:])
        found = _node(values)
        for one in _FROM_WORDS:
            setattr(self, one, getattr(found, one))
        return getattr(self, name)

    def change(self, mode: int, uid: int, gid: int, mtime: int, xattrs: tuple[tuple[bytes, bytes], ...]) -> None:
        """Give a directory other attributes, which are all that it has."""
        super().change(mode, uid, gid, mtime, xattrs)
        self.size, self.digest, self.target, self.device = 0, b"", b"", (0, 0)


_FROM_WORDS = ("mode", "uid", "gid", "mtime", "size", "digest", "target", "device")


class _Reader:
    """Builds the index line by line. An entry is placed when the next one begins, for its comments follow it."""

    def __init__(self, *, verified: bool) -> None:
        self.index = Index()
        self._verified = verified
        self._directories: dict[bytes, Node] = {}
        self._groups: dict[bytes, tuple[Node, int]] = {}
        self._place: tuple[Node, bytes] = (self.index.root, b"")
        self._node = self.index.root
        self._expected = 1

    def take(self, line: bytes) -> None:
        if line.startswith(b"#"):
            self._comment(line)
            return
        if self._expected > 1:
            self.check_links()
        shown, blank, words = line.partition(b" ")
        self._expected = 1
        if b" nlink=" in words:
            words, _, count = words.rpartition(b" nlink=")
            self._expected = int(count)
        self._node = node = _unread(blank + words)
        if not self._verified:
            node.mode  # noqa: B018 - understands the words
        path = plain(shown)
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
        if node.kind is DIRECTORY:
            self._directories[path] = node

    def _comment(self, line: bytes) -> None:
        if line.startswith(_XATTR):
            name, _, value = line[len(_XATTR) :].partition(b"=")
            attribute = (plain(name), a2b_base64(value))
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


def _unread(text: bytes) -> _Unread:
    node: _Unread = _Unread.__new__(_Unread)
    kind = FILE
    if text.startswith(_TYPE):
        word = text[len(_TYPE) :].partition(b" ")[0].decode("ascii")
        if word not in _TYPES:
            raise ValueError(f"the type {word} is unknown")
        kind = _INTERNED[word]
    node.kind = kind
    node.links = 1
    node.children = {} if kind is DIRECTORY else NO_CHILDREN
    node.xattrs = ()
    node.is_new = False
    node.text = text
    return node


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
        node.target = plain(values.pop(b"link"))
    elif kind in (BLOCK, CHAR):
        system, major, minor = values.pop(b"device").split(b",")
        if system != b"linux":
            raise ValueError("the device is not one of Linux")
        node.device = int(major), int(minor)
    if values:
        raise ValueError(f"the keyword {next(iter(values)).decode('ascii', 'replace')} is unknown")
    return node


_INTERNED = {kind: kind for kind in _TYPES}  # the constants of entry.py, so that `is` holds as well


def escaped(text: bytes) -> bytes:
    """A name as it stands in the file."""
    if not text.translate(None, _PLAIN):
        return text
    return b"".join(b"%c" % b if b in _PLAIN else b"\\%03o" % b for b in text)


def plain(text: bytes) -> bytes:
    """The name that `escaped` made this of."""
    if b"\\" not in text:
        return text
    head, *rest = text.split(b"\\")
    return head + b"".join(bytes([_octal(part[:3])]) + part[3:] for part in rest)


def _octal(digits: bytes) -> int:
    if len(digits) != 3 or not digits.isdigit():
        raise ValueError(f"the escape {digits!r} is not of three digits")
    return int(digits, 8)
