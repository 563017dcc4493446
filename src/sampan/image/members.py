"""The members of an archive of images by their names, or the files of a directory that looks like one unpacked.

Theory of operation. The members of an archive come in any order (an index is often last), so one pass notes where the
content of each begins; then everything is read in place. Nothing is unpacked, and no name of a member ever becomes a path of
the host: symbolic and hard links lead to other members by the table alone. A name that leaves the archive by `..`, in
a member, in a link or in a document of the archive, is refused. Of two members with one name the last counts, as it would if
the archive were unpacked.

A directory is read through its descriptor; links in it are followed as if it were the root.

A root file system as one archive has a table too, but needs none: of what has too many names, only the top ones are kept.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Protocol

from sampan.errors import LayerError, StoreError, UsageError, printable
from sampan.layers import beneath
from sampan.layers.entry import DIRECTORY, FILE, HARD_LINK, SYMLINK, clean
from sampan.layers.limits import MAX_PATH, Allowance
from sampan.layers.read import TarReader
from sampan.oci.document import MAX_BYTES
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_MEMBERS = 100_000
MAX_LINKS = 40
MAX_DOCUMENTS = 64 << 20
"""Bytes of all the documents of one archive: they are held in memory until it is loaded."""
_PIECE = 32 << 10  # a header, and mostly what is left of a small member with the next header


@frozen
class Part:
    """Where the content of a member lies: `size` bytes from `offset` of the file that `open` gives a new descriptor of."""

    open: Callable[[], int]
    offset: int
    size: int

    def pieces(self, size: int = 1 << 20) -> Iterator[bytes]:
        """The content, in pieces of `size` bytes. Raises OSError, `StoreError` if it is cut meanwhile."""
        descriptor = self.open()
        try:
            at = 0
            while at < self.size:
                piece = read_at(descriptor, self, at, size)
                at += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    def head(self, size: int) -> bytes:
        """The first bytes, up to `size`."""
        return next(self.pieces(size), b"")


def read_at(descriptor: int, part: Part, at: int, size: int) -> bytes:
    """Up to `size` bytes of a part whose file is open, from its byte `at`; empty only at its end."""
    size = min(size, part.size - at)
    piece = os.pread(descriptor, size, part.offset + at)
    if size and not piece:
        raise StoreError("the archive became shorter while it was read")
    return piece


class Members(Protocol):
    """What archive and directory have in common. Names are texts; bytes that are no UTF-8 are surrogates."""

    def find(self, name: str) -> Part | None:
        """The content of the file of this name, links followed; `None` if there is none. Raises `LayerError`."""

    def names(self) -> list[str]:
        """The names of files and links; of a directory only those at its top."""

    @property
    def top(self) -> frozenset[str]:
        """The names at the top, directories included."""


class Documents:
    """The small files of an archive, each read once, however many images name it."""

    def __init__(self, members: Members) -> None:
        self.members = members
        self._known: dict[str, bytes | None] = {}
        self._left = MAX_DOCUMENTS

    def read(self, name: str) -> bytes | None:
        """The content of a file; `None` if there is none. Raises `LayerError` if it is too large for a document."""
        if name not in self._known:
            part = self.members.find(name)
            if part is not None:
                self._check(name, part.size)
            self._known[name] = None if part is None else b"".join(part.pieces())
        return self._known[name]

    def _check(self, name: str, size: int) -> None:
        if size > MAX_BYTES:
            raise LayerError(f"its member {printable(name[:200])} has {size} bytes; at most {MAX_BYTES} are accepted")
        self._left -= size
        if self._left < 0:
            raise LayerError(f"the documents of its images are larger than {MAX_DOCUMENTS} bytes in all")


class _FilePieces:
    """The bytes of a file in pieces, for a reader that jumps over what it does not need."""

    def __init__(self, descriptor: int, start: int, size: int) -> None:
        self._descriptor = descriptor
        self._at = start
        self._end = start + size

    def __iter__(self) -> Iterator[bytes]:
        while self._at < self._end:
            piece = os.pread(self._descriptor, min(_PIECE, self._end - self._at), self._at)
            if not piece:
                raise StoreError("the archive became shorter while it was read")
            self._at += len(piece)
            yield piece

    def jump(self, size: int) -> None:
        """Leave out the next `size` bytes."""
        if size > self._end - self._at:
            raise LayerError("the archive is cut inside an entry")
        self._at += size


class TarMembers:
    """The table of an archive in a file that can be read at any place. It keeps the descriptor, which is the caller's.

    `is_whole` says whether the archive has its end.
    """

    def __init__(self, descriptor: int) -> None:
        """Raises `LayerError` if the archive is damaged or hostile."""
        self._descriptor = descriptor
        self._parts: dict[bytes, tuple[int, int] | bytes | None] = {}  # file: offset and size; link: name; other: None
        self._top: set[bytes] = set()
        self.count = 0
        size = os.fstat(descriptor).st_size
        # What the members unpack to is counted when they are; an archive that is no compressed one cannot be a bomb.
        allowance = Allowance()
        allowance.add_layer(size)
        reader = TarReader(_FilePieces(descriptor, 0, size), allowance)
        for entry in reader:
            self.count += 1
            name = clean(entry.path)
            self._top.add(name.partition(b"/")[0])
            if self.count > MAX_MEMBERS:
                self._parts.clear()
                continue
            if entry.kind == FILE:
                # A file with holes does not lie in one piece; in an archive of images there is none.
                self._parts[name] = None if reader.is_sparse else (reader.position, entry.size)
            elif entry.kind in (SYMLINK, HARD_LINK):
                self._parts[name] = self._goal(name, entry.target, entry.kind)
            elif entry.kind != DIRECTORY or name in self._parts:
                self._parts[name] = None
        self.is_whole = reader.is_whole

    @staticmethod
    def _goal(name: bytes, target: bytes, kind: str) -> bytes | None:
        """The name that a link leads to; `None` if it leaves the archive, which is no failure until somebody follows it."""
        if kind == SYMLINK and not target.startswith(b"/"):
            target = name.rpartition(b"/")[0] + b"/" + target
        try:
            return clean(target)
        except LayerError:
            return None

    def find(self, name: str) -> Part | None:
        """The part of a member."""
        here = clean(os.fsencode(name))
        name = name[:200]  # for sentences
        for _ in range(MAX_LINKS):
            if len(here) > MAX_PATH:
                return None
            found = self._parts.get(here)
            if isinstance(found, tuple):
                return Part(lambda: os.dup(self._descriptor), *found)
            if here in self._parts and found is None:
                raise LayerError(f"its member {printable(name)} is neither a file nor a link to a file in the archive")
            step = found if found is not None else self._through_directory(here)
            if step is None:
                return None
            here = step
        raise LayerError(f"its member {printable(name)} is a link that leads in a circle")

    def _through_directory(self, name: bytes) -> bytes | None:
        """The name with its first directory that is a link replaced; `None` if none is one."""
        above, rest = name, b""
        while b"/" in above:
            above, _, last = above.rpartition(b"/")
            rest = b"/" + last + rest
            goal = self._parts.get(above)
            if isinstance(goal, bytes):
                return goal + rest
        return None

    def names(self) -> list[str]:
        """The names of files and links, in the order in which they were first met."""
        return [os.fsdecode(name) for name in self._parts]

    @property
    def top(self) -> frozenset[str]:
        """The names at the top."""
        return frozenset(os.fsdecode(name) for name in self._top)


class DirectoryMembers:
    """The files below a directory. It keeps the descriptor, which is the caller's."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._open, _ = beneath.openers()

    def find(self, name: str) -> Part | None:
        """The part that is a whole file."""
        path = clean(os.fsencode(name))
        name = name[:200]  # for sentences
        try:
            descriptor = self._opened(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                return None
            raise UsageError(f"cannot read {printable(name)} in it: {error.strerror}") from error
        try:
            status = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise LayerError(f"{printable(name)} in it is not a regular file")
        return Part(lambda: self._opened(path), 0, status.st_size)

    def _opened(self, path: bytes) -> int:
        return self._open(self._descriptor, path or b".", os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)

    def names(self) -> list[str]:
        """The names at the top."""
        return sorted(os.listdir(self._descriptor))

    @property
    def top(self) -> frozenset[str]:
        """The names at the top."""
        return frozenset(os.listdir(self._descriptor))
