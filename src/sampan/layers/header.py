"""One 512-byte header block of a tar archive: its numbers, names and checksum. Pure.

Strict where readers of tar disagree, because a disagreement is how entries are smuggled past a check: a number that is
none is refused instead of read as 0, and the checksum must match. Sources: POSIX pax "ustar Interchange Format", GNU tar
manual "Basic Tar Format" and its extensions.
"""

from __future__ import annotations

from zlib import adler32

from sampan.errors import LayerError, printable
from sampan.layers.limits import MAX_TIME

BLOCK_SIZE = 512
NO_BLOCK = bytes(BLOCK_SIZE)
MAX_ID = 0xFFFFFFFF
_POSIX, _GNU = b"ustar\0", b"ustar "


def check_sum(block: bytes) -> None:
    """Raises `LayerError` unless the header's checksum is that of its bytes, unsigned or (old Sun tar) signed."""
    # adler32 adds the bytes at the speed of C, modulo 65521; the sum of 512 ASCII bytes stays below that.
    total = (adler32(block) & 0xFFFF) - 1 if block.isascii() else sum(block)
    field = block[148:156]
    blanked = total - sum(field) + 8 * 0x20
    stored = octal(field, "checksum")
    if stored != blanked and stored != blanked - 256 * sum(b > 0x7F for b in block):
        raise LayerError("a header's checksum does not match: the archive is damaged or no tar archive")


def octal(field: bytes, what: str) -> int:
    """The number in a field: octal digits with blanks and NULs around, or GNU's base-256. Not negative."""
    if field[0] & 0x80:
        value = base256(field)
    else:
        text = field.strip(b" \0")
        if not text:
            return 0
        if not text.isdigit():
            text = text.partition(b"\0")[0].rstrip(b" ")
        try:
            value = int(text, 8) if text.isdigit() else -1
        except ValueError:  # 8 or 9
            value = -1
    if value < 0:
        raise LayerError(f"the {what} {printable(field)!r} is not a number")
    return value


def base256(field: bytes) -> int:
    """GNU's binary number: the first bit marks it, the rest is two's complement, big end first."""
    bits = 8 * len(field) - 1
    value = int.from_bytes(field, "big") & ((1 << bits) - 1)
    return value - (1 << bits) if value >> (bits - 1) else value


def seconds(field: bytes) -> int:
    """The modification time of a header in nanoseconds; only here may a number be negative."""
    value = base256(field) if field[0] & 0x80 else octal(field, "time")
    return checked_time(value * 1_000_000_000)


def checked_time(value: int) -> int:
    """`value` nanoseconds; raises `LayerError` if no file system could mean it."""
    if abs(value) > MAX_TIME * 1_000_000_000:
        raise LayerError("a modification time is thousands of years away")
    return value


def owner(fields: bytes) -> tuple[int, int, int]:
    """Mode, uid and gid out of the 24 bytes that hold them."""
    return (
        octal(fields[:8], "mode") & 0o7777,
        checked_id(octal(fields[8:16], "user id")),
        checked_id(octal(fields[16:], "group id")),
    )


def checked_id(value: int) -> int:
    """A user or group id; raises `LayerError` if it does not fit the kernel's 32 bits."""
    if value > MAX_ID:
        raise LayerError(f"the user or group id {value} does not fit 32 bits")
    return value


def name(block: bytes) -> bytes:
    """The path in the header, with ustar's prefix in front."""
    path = until_nul(block[:100])
    if block[345] and block[257:263] == _POSIX:
        # star has its own times behind a shorter prefix.
        end = 476 if block[508:512] == b"tar\0" else 500
        return until_nul(block[345:end]) + b"/" + path
    return path


def link(block: bytes) -> bytes:
    """The link's target in the header."""
    return until_nul(block[157:257])


def device(block: bytes) -> tuple[int, int]:
    """Major and minor number of a device entry."""
    return octal(block[329:337], "device number"), octal(block[337:345], "device number")


def is_gnu(block: bytes) -> bool:
    """Whether the fields behind the names are GNU's, which its sparse entries need."""
    return block[257:263] == _GNU


def until_nul(field: bytes) -> bytes:
    """The text of a field, which a NUL ends."""
    return field.partition(b"\0")[0]
