"""What stands before an entry to extend its header: pax records and the maps of sparse files. Pure.

A pax size wins over the header's, always: readers that believe one in one place and the other elsewhere see different
entries (CVE-2025-62518). Records collect until the next file entry, across GNU's long names. Global records are left
out: no maker of layers writes one that matters, and one that sets a path would move every entry.
Sources: POSIX pax "pax Extended Header", GNU tar manual "Storing Sparse Files".
"""

from __future__ import annotations

import binascii

from sampan.errors import LayerError, printable
from sampan.layers import header
from sampan.layers.limits import MAX_EXTENDED, MAX_XATTR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHILY, _LIBARCHIVE = b"SCHILY.xattr.", b"LIBARCHIVE.xattr."
_SPARSE_PAIR = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
_WITH_TEXT = (b"path", b"linkpath", b"GNU.sparse.name")


class Extended:
    """The pax records before one entry."""

    __slots__ = ("_pairs", "_size", "values", "xattrs")

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.xattrs: dict[bytes, bytes] = {}
        self._pairs: list[tuple[bytes, bytes]] = []  # of pax sparse 0.0, whose keys repeat
        self._size = 0

    def add(self, body: bytes) -> None:
        """Take the records of one extended header."""
        self._size += len(body)
        if self._size > MAX_EXTENDED:
            raise LayerError(f"the extended headers of one entry are longer than the limit of {MAX_EXTENDED} bytes")
        for key, value in _records(body):
            if key in _SPARSE_PAIR:
                self._pairs.append((key, value))
            elif key.startswith((_SCHILY, _LIBARCHIVE)):
                self._add_xattr(key, value)
            elif not value:  # pax: an empty value takes back what was said before
                self.values.pop(key, None)
            elif key in _WITH_TEXT and b"\0" in value:
                raise LayerError(f"a {key.decode()} has a NUL in it: {printable(value[:80])!r}")
            else:
                self.values[key] = value

    def _add_xattr(self, key: bytes, value: bytes) -> None:
        if key.startswith(_SCHILY):
            attribute = key[len(_SCHILY) :]
        else:
            attribute = _unquoted(key[len(_LIBARCHIVE) :])
            try:
                value = binascii.a2b_base64(value + b"==")  # libarchive leaves the padding out
            except binascii.Error as error:
                raise LayerError(f"the extended attribute {printable(attribute)} is not base64") from error
        if not attribute or b"\0" in attribute or len(attribute) > 255:
            raise LayerError(f"an extended attribute has the impossible name {printable(attribute[:80])!r}")
        if len(value) > MAX_XATTR:
            raise LayerError(f"the extended attribute {printable(attribute)} is longer than the limit of {MAX_XATTR} bytes")
        # overlayfs' own marks (trusted.overlay.*, user.overlay.*) would act when the tree is a lower layer, and sampan's own
        # (user.sampan.*) are of containers.
        if attribute.split(b".")[1:2] not in ([b"overlay"], [b"sampan"]):
            self.xattrs[attribute] = value

    def number(self, key: bytes) -> int | None:
        """The decimal number of a record; `None` if there is none."""
        value = self.values.get(key)
        return None if value is None else _decimal(value, key)

    def time(self) -> int | None:
        """The modification time in nanoseconds, if a record gives one."""
        value = self.values.get(b"mtime")
        if value is None:
            return None
        whole, _, fraction = value.lstrip(b"-").partition(b".")
        if not (whole + fraction).isdigit() or len(whole) > 20 or value.startswith(b"--"):
            raise LayerError(f"the modification time {printable(value[:80])!r} is not a number")
        nanoseconds = int(whole or b"0") * 1_000_000_000 + int((fraction + b"000000000")[:9])
        return header.checked_time(-nanoseconds if value.startswith(b"-") else nanoseconds)

    @property
    def is_sparse_1(self) -> bool:
        """Whether the map of the sparse file stands before its data (pax sparse format 1.0)."""
        return self.values.get(b"GNU.sparse.major") == b"1" and self.values.get(b"GNU.sparse.minor", b"0") == b"0"

    def sparse_path(self) -> bytes | None:
        """The true name of a sparse file, whose header has one made up."""
        return self.values.get(b"GNU.sparse.name")

    def sparse_size(self) -> int | None:
        """The size of a sparse file with its holes."""
        size = self.number(b"GNU.sparse.realsize")
        return self.number(b"GNU.sparse.size") if size is None else size

    def sparse_map(self) -> list[int] | None:
        """Offsets and lengths by turns, as pax sparse 0.0 and 0.1 have them in records; `None` if it is no such file."""
        text = self.values.get(b"GNU.sparse.map")
        if text is not None:
            return [_decimal(part, b"GNU.sparse.map") for part in text.split(b",")]
        if not self._pairs:
            return None
        if [key for key, _ in self._pairs] != list(_SPARSE_PAIR) * (len(self._pairs) // 2):
            raise LayerError("a sparse file's offsets and lengths do not alternate")
        return [_decimal(value, key) for key, value in self._pairs]


def segments(numbers: list[int], stored: int, size: int) -> tuple[tuple[int, int], ...]:
    """The data segments of a sparse file of `size` bytes, of which the archive has `stored`. Raises `LayerError`."""
    if len(numbers) % 2:
        raise LayerError("the map of a sparse file has an offset without a length")
    found = tuple((numbers[i], numbers[i + 1]) for i in range(0, len(numbers), 2))
    end = 0
    for offset, length in found:
        if offset < end:
            raise LayerError("the segments of a sparse file overlap")
        end = offset + length
    if end > size:
        raise LayerError("a sparse file has data behind its end")
    if sum(length for _, length in found) != stored:
        raise LayerError("the map of a sparse file does not fit the data that follows")
    return tuple(pair for pair in found if pair[1])


def gnu_sparse(block: bytes, at: int, count: int) -> list[int]:
    """Up to `count` offsets and lengths of GNU's own sparse format, from byte `at` of a block; an empty one ends them."""
    numbers: list[int] = []
    for i in range(count):
        pair = block[at + 24 * i : at + 24 * i + 24]
        if not pair[12]:
            break
        numbers += (header.octal(pair[:12], "sparse offset"), header.octal(pair[12:], "sparse length"))
    return numbers


def _records(body: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(body):
        blank = body.find(b" ", at, at + 12)
        digits = body[at:blank]
        end = at + int(digits) if blank > at and digits.isdigit() else at
        if not at < blank < end <= len(body) or body[end - 1] != 0x0A:
            raise LayerError("an extended header has a record whose length is wrong")
        key, equals, value = body[blank + 1 : end - 1].partition(b"=")
        if not equals or not key:
            raise LayerError("an extended header has a record without a key")
        yield key, value
        at = end


def _decimal(value: bytes, key: bytes) -> int:
    if not value.isdigit() or len(value) > 20:
        raise LayerError(f"the {key.decode(errors='replace')} {printable(value[:80])!r} is not a number")
    return int(value)


def _unquoted(name: bytes) -> bytes:
    from urllib.parse import unquote_to_bytes

    return unquote_to_bytes(name)
