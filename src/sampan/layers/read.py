"""From the bytes of a tar archive to entries, hardened against hostile ones.

Theory of operation. `TarReader` is given pieces of bytes (as decompression yields them) and is iterated for entries.
While an entry is current, `body()` gives its data as views into those pieces, without a copy; what is not taken is
skipped. Memory is one piece, one header and the extended headers of one entry (1 MiB at most).

Rules, beyond those of `header.py` and `extended.py`:

- Only regular and sparse files have a body, whatever size another type's header states; as Go's archive/tar, which made
  nearly all layers there are. A disagreement then fails at the next checksum.
- Two zero blocks end the archive; the rest is drained, for the diff_id covers it. One zero block between entries is
  refused: readers disagree whether what follows counts. An archive that just stops between two entries is complete, also
  without the bytes that fill the last block (umoci 0.4 writes such layers, Go's reader takes them).
- An unknown type is refused, not taken for a file.

Pieces that can `jump` (those of a file) are not read where nobody takes a body: the table of an archive of images, with
layers of gigabytes in it, costs a read a member.

Errors are `LayerError`s that name the entry, or the byte where no entry can be named.
"""

from __future__ import annotations

from sampan.errors import LayerError, printable
from sampan.layers import entry as kinds
from sampan.layers import header
from sampan.layers.entry import Entry
from sampan.layers.extended import Extended, gnu_sparse, segments
from sampan.layers.header import BLOCK_SIZE, NO_BLOCK
from sampan.layers.limits import MAX_EXTENDED, MAX_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sampan.layers.limits import Allowance

_FILE_TYPES = b"0\x007"
_KINDS = {
    **dict.fromkeys(_FILE_TYPES, kinds.FILE),
    ord("S"): kinds.FILE,
    ord("1"): kinds.HARD_LINK,
    ord("2"): kinds.SYMLINK,
    ord("3"): kinds.CHAR,
    ord("4"): kinds.BLOCK,
    ord("5"): kinds.DIRECTORY,
    ord("6"): kinds.FIFO,
}
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL, _SPARSE = b"LKxgS"
_MAX_CACHED_OWNERS = 4096


class TarReader:
    """Iterate for the entries of one archive; `body()` is the data of the entry that came last.

    `is_whole` says afterwards whether the archive had its end, which one that was cut between two entries has not.
    """

    def __init__(self, pieces: Iterable[bytes], allowance: Allowance) -> None:
        """`pieces` may have a method `jump(size)`, which leaves out that many bytes, or raises `LayerError` at the end."""
        self._jump: Callable[[int], None] | None = getattr(pieces, "jump", None)
        self._pieces = iter(pieces)
        self._allowance = allowance
        self._piece = b""
        self._view = memoryview(b"")
        self._at = 0
        self._passed = 0  # bytes of the pieces before this one
        self._left = 0  # of the current body
        self._padding = 0
        self._segments: tuple[tuple[int, int], ...] | None = None
        self._owners: dict[bytes, tuple[int, int, int]] = {}
        self.is_whole = False

    def __iter__(self) -> Iterator[Entry]:
        long_name: bytes | None = None
        long_link: bytes | None = None
        extended: Extended | None = None
        while (block := self._next_header()) is not None:
            kind = block[156]
            if kind == _PAX:
                extended = extended or Extended()
                extended.add(self._extension(block, MAX_EXTENDED))
            elif kind == _LONG_NAME:
                long_name = header.until_nul(self._extension(block, MAX_PATH + 1))
            elif kind == _LONG_LINK:
                long_link = header.until_nul(self._extension(block, MAX_PATH + 1))
            elif kind == _PAX_GLOBAL:
                self._extension(block, MAX_EXTENDED)
            else:
                yield self._entry(block, long_name, long_link, extended)
                long_name = long_link = extended = None
        if long_name is not None or long_link is not None or extended is not None:
            raise LayerError("the archive is cut: it ends after an extended header")

    def body(self) -> Iterable[tuple[int, memoryview]]:
        """The data of the current entry as (offset in the file, bytes); holes are left out. To be taken at most once."""
        if self._segments is not None:
            return self._sparse_body(self._segments)
        at, size = self._at, self._left
        if at + size <= len(self._piece):
            self._at = at + size
            self._left = 0
            return ((0, self._view[at : self._at]),) if size else ()
        return self._long_body(0, size)

    @property
    def position(self) -> int:
        """The byte of the archive where the data of the current entry begins, while none of it was taken."""
        return self._passed + self._at

    @property
    def is_sparse(self) -> bool:
        """Whether the current entry is a file with holes, so that its data does not lie in one piece."""
        return self._segments is not None

    # Entries

    def _entry(self, block: bytes, long_name: bytes | None, long_link: bytes | None, extended: Extended | None) -> Entry:
        path = header.name(block)
        target = header.link(block)
        if extended is not None:
            path = extended.values.get(b"path", path)
            path = extended.sparse_path() or path
            target = extended.values.get(b"linkpath", target)
        # No honest archive has both; then GNU's name wins, as in Go.
        if long_name is not None:
            path = long_name
        if long_link is not None:
            target = long_link
        try:
            return self._make(block, path, target, extended)
        except LayerError as error:
            raise error.about(f"entry {printable(path[:200])!r}") from None

    def _make(self, block: bytes, path: bytes, target: bytes, extended: Extended | None) -> Entry:
        kind = _KINDS.get(block[156])
        if kind is None:
            raise LayerError(f"its type {printable(block[156:157])!r} is unknown")
        mode, uid, gid = self._owner(block[100:124])
        mtime = None
        size = 0
        xattrs: tuple[tuple[bytes, bytes], ...] = ()
        if extended is not None:
            mtime = extended.time()
            uid = header.checked_id(_known(extended.number(b"uid"), uid))
            gid = header.checked_id(_known(extended.number(b"gid"), gid))
            xattrs = tuple(sorted(extended.xattrs.items()))
        if mtime is None:
            mtime = header.seconds(block[136:148])
        if kind is kinds.FILE:
            size = self._begin_body(block, extended)
            if path.endswith(b"/"):  # a directory of Unix version 7, whose tar knew no type for it
                if size or block[156] not in _FILE_TYPES:
                    raise LayerError("its name ends with a slash, but it is a file")
                kind = kinds.DIRECTORY
        device = header.device(block) if kind in (kinds.CHAR, kinds.BLOCK) else (0, 0)
        if kind not in (kinds.SYMLINK, kinds.HARD_LINK):
            target = b""
        self._allowance.add_entry(size)
        if target or xattrs:
            self._allowance.add_attributes(len(target) + sum(len(key) + len(value) for key, value in xattrs))
        return Entry(path, kind, mode=mode, uid=uid, gid=gid, size=size, mtime=mtime, target=target, device=device, xattrs=xattrs)

    def _owner(self, fields: bytes) -> tuple[int, int, int]:
        known = self._owners.get(fields)
        if known is None:
            known = header.owner(fields)
            if len(self._owners) < _MAX_CACHED_OWNERS:
                self._owners[fields] = known
        return known

    def _begin_body(self, block: bytes, extended: Extended | None) -> int:
        """Make the file's data current; the size of the file with its holes."""
        stored = extended.number(b"size") if extended is not None else None
        if stored is None:
            stored = header.octal(block[124:136], "size")
        self._left = stored
        self._padding = -stored % BLOCK_SIZE
        if block[156] == _SPARSE:
            return self._begin_gnu_sparse(block, stored)
        if extended is None:
            return stored
        numbers = self._sparse_1_map() if extended.is_sparse_1 else extended.sparse_map()
        if numbers is None:
            return stored
        size = extended.sparse_size()
        if size is None:
            raise LayerError("it is a sparse file without its true size")
        self._segments = segments(numbers, self._left, size)
        return size

    def _begin_gnu_sparse(self, block: bytes, stored: int) -> int:
        if not header.is_gnu(block):
            raise LayerError("it is a sparse file, but not of the GNU format that has them")
        size = header.octal(block[483:495], "true size")
        numbers = gnu_sparse(block, 386, 4)
        more = block[482]
        while more:
            block = self._take(BLOCK_SIZE)
            numbers += gnu_sparse(block, 0, 21)
            more = block[504]
            if len(numbers) * 12 > MAX_EXTENDED:
                raise LayerError(f"its map of holes is longer than the limit of {MAX_EXTENDED} bytes")
        self._segments = segments(numbers, stored, size)
        return size

    def _sparse_1_map(self) -> list[int]:
        """Pax sparse 1.0: decimal numbers, a line each, in blocks before the data; the first says how many pairs follow."""
        blocks: list[bytes] = []
        lines = 0
        wanted = 1
        while lines < wanted:
            if self._left < BLOCK_SIZE or len(blocks) * BLOCK_SIZE >= MAX_EXTENDED:
                raise LayerError("its map of holes does not end")
            blocks.append(self._take(BLOCK_SIZE))
            self._left -= BLOCK_SIZE
            if not lines:
                first, newline, _ = b"".join(blocks).partition(b"\n")
                if not newline:
                    continue
                wanted = 1 + 2 * self._map_number(first)
            lines += blocks[-1].count(b"\n")
        return [self._map_number(line) for line in b"".join(blocks).split(b"\n")[1:wanted]]

    def _map_number(self, line: bytes) -> int:
        if not line.isdigit() or len(line) > 20:
            raise LayerError(f"its map of holes has {printable(line[:40])!r} where a number should be")
        return int(line)

    # Bytes

    def _next_header(self) -> bytes | None:
        """The next header block with a right checksum; `None` at the end of the archive, when all is drained."""
        rest = self._left + self._padding
        if rest:
            if self._at + rest <= len(self._piece):
                self._at += rest
            else:
                self._skip(self._left)
                self._gather(self._padding)
            self._left = self._padding = 0
        self._segments = None
        end = self._at + BLOCK_SIZE
        if end <= len(self._piece):
            block = self._piece[self._at : end]
            self._at = end
        else:
            block = self._gather(BLOCK_SIZE)
            if len(block) < BLOCK_SIZE:
                if block.strip(b"\0"):
                    raise LayerError(f"the archive is cut: it ends with {len(block)} bytes of a header")
                return None
        if block[0] == 0 and block == NO_BLOCK:
            self._end()
            return None
        try:
            header.check_sum(block)
        except LayerError as error:
            raise error.about(f"byte {self._passed + self._at - BLOCK_SIZE} of the archive") from None
        return block

    def _end(self) -> None:
        """One zero block was read: check that it ends the archive, and drain what follows."""
        if self._gather(BLOCK_SIZE).strip(b"\0"):
            raise LayerError(f"a single zero block stands before byte {self._passed + self._at} of the archive, which goes on")
        self.is_whole = True
        while self._next_piece():
            pass

    def _extension(self, block: bytes, limit: int) -> bytes:
        """The whole body of a header that extends another."""
        size = header.octal(block[124:136], "size")
        if size > limit:
            raise LayerError(f"an extended header of {size} bytes is longer than the limit of {limit}")
        body = self._take(size)
        self._skip(-size % BLOCK_SIZE)
        return body

    def _sparse_body(self, found: tuple[tuple[int, int], ...]) -> Iterator[tuple[int, memoryview]]:
        for offset, length in found:
            yield from self._long_body(offset, length)

    def _long_body(self, offset: int, size: int) -> Iterator[tuple[int, memoryview]]:
        while size:
            if self._at == len(self._piece) and not self._next_piece():
                raise LayerError("the archive is cut inside a file")
            end = min(self._at + size, len(self._piece))
            view = self._view[self._at : end]
            self._left -= len(view)
            self._at = end
            yield offset, view
            offset += len(view)
            size -= len(view)

    def _take(self, size: int) -> bytes:
        taken = self._gather(size)
        if len(taken) < size:
            raise LayerError("the archive is cut inside an entry")
        return taken

    def _gather(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        parts = []
        while size:
            if self._at == len(self._piece) and not self._next_piece():
                break
            part = self._piece[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _skip(self, size: int) -> None:
        left = len(self._piece) - self._at
        if self._jump is not None and size > left:
            self._jump(size - left)
            self._passed += self._at + size
            self._piece = b""
            self._at = 0
            return
        while size:
            if self._at == len(self._piece) and not self._next_piece():
                raise LayerError("the archive is cut inside an entry")
            step = min(size, len(self._piece) - self._at)
            self._at += step
            size -= step

    def _next_piece(self) -> bool:
        """Go on to the next piece that is not empty; False at the end of the stream."""
        for piece in self._pieces:
            if piece:
                self._passed += len(self._piece)
                self._piece = piece
                self._view = memoryview(piece)
                self._at = 0
                return True
        self._passed += len(self._piece)
        self._piece = b""
        self._at = 0
        return False


def _known(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
