"""Tar archives byte by byte, for what a tar library would never write.

    archive(directory("etc"), file("etc/motd", b"hello"), symlink("x", "/etc"), form="gnu")

A member says its name and link in one of three *forms*: `ustar` (in the header, with a prefix), `gnu` (in an `L` or `K` member
before it) and `pax` (in records before it). Any field of the header can be given as raw bytes; the checksum fits unless `checksum` is given.
Names are text or bytes; nothing is checked.
"""

from __future__ import annotations

BLOCK = 512
MTIME = 1_700_000_000
FORMS = ("ustar", "gnu", "pax")
END = bytes(2 * BLOCK)
_POSIX, _GNU = b"ustar\x0000", b"ustar  \0"
_FIELDS = {
    "name": (0, 100), "mode": (100, 8), "uid": (108, 8), "gid": (116, 8), "size": (124, 12), "mtime": (136, 12), "checksum": (148, 8),
    "type": (156, 1), "link": (157, 100), "magic": (257, 8), "major": (329, 8), "minor": (337, 8), "prefix": (345, 155),
}  # fmt: skip


def header(**fields: bytes | int | str) -> bytes:
    """One header block; numbers become octal digits, the rest is taken as it is."""
    given = {
        "mode": 0o644, "uid": 0, "gid": 0, "size": 0, "mtime": MTIME, "type": b"0", "magic": _POSIX,
        "checksum": b" " * 8, **fields,
    }  # fmt: skip
    block = bytearray(BLOCK)
    for name, value in given.items():
        at, length = _FIELDS[name]
        raw = b"%0*o\0" % (length - 1, value) if isinstance(value, int) else raw_bytes(value)
        assert len(raw) <= length, f"{name} does not fit: {raw!r}"
        block[at : at + len(raw)] = raw
    if "checksum" not in fields:
        block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def raw_bytes(text: bytes | str) -> bytes:
    return text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text


def padded(body: bytes) -> bytes:
    """A body filled up to whole blocks."""
    return body + bytes(-len(body) % BLOCK)


def pax(*records: tuple[bytes | str, bytes | str], type: bytes = b"x") -> bytes:
    """An extended header of (key, value) records."""
    body = b"".join(pax_record(raw_bytes(key), raw_bytes(value)) for key, value in records)
    return header(name="pax", type=type, size=len(body)) + padded(body)


def pax_record(key: bytes, value: bytes) -> bytes:
    length = len(key) + len(value) + 3
    while len(str(length)) + len(key) + len(value) + 3 != length:
        length = len(str(length)) + len(key) + len(value) + 3
    return b"%d %b=%b\n" % (length, key, value)


def long(text: bytes | str, type: bytes) -> bytes:
    """GNU's member for a long name (`L`) or link (`K`)."""
    body = raw_bytes(text) + b"\0"
    return header(name="././@LongLink", type=type, size=len(body), magic=_GNU) + padded(body)


def member(
    name: bytes | str, type: bytes = b"0", content: bytes = b"", *, form: str = "ustar", link: bytes | str = b"", **fields
) -> bytes:
    """A header with its body, and what has to stand before it in this form."""
    name, link = raw_bytes(name), raw_bytes(link)
    fields = {"type": type, "size": len(content), **fields}
    before = b""
    if form == "gnu":
        before = long(name, b"L") + (long(link, b"K") if link else b"")
        return before + header(name=name[:100], link=link[:100], magic=_GNU, **fields) + padded(content)
    if form == "pax":
        before = pax(("path", name), *([("linkpath", link)] if link else []))
        name, link = b"pax-is-to-be-believed", link[:100]
    if len(name) > 100:
        cut = name.rindex(b"/", 0, 156)
        fields["prefix"], name = name[:cut], name[cut + 1 :]
    return before + header(name=name, link=link, **fields) + padded(content)


def file(name: bytes | str, content: bytes = b"", **more) -> bytes:
    return member(name, b"0", content, **more)


def directory(name: bytes | str, mode: int = 0o755, **more) -> bytes:
    return member(name, b"5", mode=mode, **more)


def symlink(name: bytes | str, target: bytes | str, **more) -> bytes:
    return member(name, b"2", link=target, **more)


def hardlink(name: bytes | str, target: bytes | str, **more) -> bytes:
    return member(name, b"1", link=target, **more)


def fifo(name: bytes | str, **more) -> bytes:
    return member(name, b"6", **more)


def device(name: bytes | str, major: int = 8, minor: int = 0, type: bytes = b"4", **more) -> bytes:
    return member(name, type, major=major, minor=minor, **more)


def whiteout(name: str, **more) -> bytes:
    above, slash, last = name.rpartition("/")
    return file(f"{above}{slash}.wh.{last}", **more)


def opaque(name: str, **more) -> bytes:
    return file(f"{name}/.wh..wh..opq" if name else ".wh..wh..opq", **more)


def archive(*members: bytes) -> bytes:
    """The members with the two blocks that end an archive."""
    return b"".join(members) + END
