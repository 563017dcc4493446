"""Invariant: whatever the bytes, the tar reader gives entries whose bodies have their size, or raises LayerError, in pieces of any size alike."""

from __future__ import annotations

from sampan.errors import LayerError
from sampan.layers.limits import Allowance
from sampan.layers.read import TarReader
from tests.images.tarbytes import (
    END,
    FORMS,
    archive,
    device,
    directory,
    fifo,
    file,
    hardlink,
    header,
    long,
    opaque,
    padded,
    pax,
    symlink,
    whiteout,
)  # fmt: skip


def _members(form: str) -> bytes:
    return archive(
        directory("d/", form=form), file("d/f", b"abc", form=form), symlink("l", "d/f", form=form), hardlink("h", "d/f", form=form),
        fifo("p", form=form), device("s", form=form), whiteout("x", form=form), opaque("d", form=form),
    )  # fmt: skip


def _sparse() -> bytes:
    block = bytearray(header(name="s", type=b"S", magic=b"ustar  \0", size=5, checksum=b" " * 8))
    block[386:434] = b"%011o\0%011o\0%011o\0%011o\0" % (5, 3, 10, 2)
    block[483:495] = b"%011o\0" % 20
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + padded(b"abcde")


_BINARY = header(name="n", size=b"\x80" + (5).to_bytes(11, "big"), mtime=b"\xff" * 12) + padded(b"abcde")
_MAP = pax(("GNU.sparse.map", "5,3,10,2"), ("GNU.sparse.size", "20"), ("GNU.sparse.name", "s")) + file("x", b"abcde")
_MAP_1 = pax(("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "20")) + file(
    "x", padded(b"1\n3\n5\n") + b"abcde"
)
_RECORDS = pax(
    ("path", "p"), ("size", "3"), ("mtime", "1.5"), ("uid", "5"), ("SCHILY.xattr.user.a", "b"), ("LIBARCHIVE.xattr.user.b", "Yg")
)
SEEDS = [
    *(_members(form) for form in FORMS),
    _sparse() + END,
    _MAP + END,
    _MAP_1 + END,
    _BINARY + END,
    _RECORDS + long("name", b"L") + long("target", b"K") + file("x", b"abc") + END,
    pax(("path", "g"), type=b"g") + file("x") + END,
]


def repaired(data: bytes) -> bytes:
    """The data with the checksums of its blocks made right where a block looks like a header, so that changes get past them."""
    blocks = bytearray(data)
    for at in range(0, len(blocks) - 511, 512):
        if blocks[at + 257 : at + 262] == b"ustar":
            blocks[at + 148 : at + 156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(blocks[at : at + 512])
    return bytes(blocks)


def read(data: bytes, piece: int):
    found = []
    try:
        reader = TarReader((data[at : at + piece] for at in range(0, len(data), piece)), Allowance())
        for entry in reader:
            end = 0
            content = b""
            for offset, view in reader.body():
                assert offset >= end
                end = offset + len(view)
                content += bytes(view)
            assert end <= entry.size
            assert 0 <= entry.mode <= 0o7777
            found.append((entry.path, entry.kind, entry.target, entry.size, content, entry.xattrs))
    except LayerError as error:
        assert error.sentence.isprintable()
        found.append(error.sentence)
    return found


def test_one(data: bytes) -> None:
    for variant in (data, repaired(data)):
        assert read(variant, 1 << 20) == read(variant, 100)
