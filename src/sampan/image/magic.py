"""What a file is by its first bytes, for those that hold no archive of images: a name and a way on. Pure."""

from __future__ import annotations

from sampan.errors import LayerError
from sampan.layers import header

HEAD = 4096
_BLOCK = header.BLOCK_SIZE
_SINGULARITY = "running and converting such images comes with a later version of sampan"
_IMPORT = "unpack it and pack it again with tar, then `sampan import` takes it as a root file system"

# Offset, bytes, what it is, and what helps.
_MAGICS: tuple[tuple[int, bytes, str, str], ...] = (
    (32, b"SIF_MAGIC", "a SIF image of Singularity or Apptainer", _SINGULARITY),
    (0, b"#!/usr/bin/env run-singularity", "an image of Singularity 2", _SINGULARITY),
    (0, b"hsqs", "a squashfs file system", _IMPORT),
    (0, b"sqsh", "a squashfs file system", _IMPORT),
    (1024, b"\xe2\xe1\xf5\xe0", "an erofs file system", _IMPORT),
    (1080, b"\x53\xef", "an ext2, ext3 or ext4 file system", _IMPORT),
    (0, b"PK\x03\x04", "a zip archive", _IMPORT),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _IMPORT),
    (0, b"070701", "a cpio archive", _IMPORT),
    (0, b"!<arch>\n", "a Debian package or an ar archive", "an image is made of it by installing it into one"),
    (0, b"\xed\xab\xee\xdb", "an RPM package", "an image is made of it by installing it into one"),
    (0, b"\x7fELF", "a program", "an archive of images is made with `sampan save` or `docker save`"),
    (0, b"QFI\xfb", "a disk of a virtual machine", "export the machine's root file system as a tar archive"),
    (0, b"\x04\x22\x4d\x18", "compressed with lz4", "decompress it with `lz4 -d` first"),
    (0, b"\x1f\x9d", "compressed with compress", "decompress it with `uncompress` first"),
)
_TEXTS = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "an XML document"),
    (b"{", "a JSON document"),
    (b"[", "a JSON document"),
)
_SAVED = "an archive of images is made with `sampan save` or `docker save`"


def is_tar(head: bytes) -> bool:
    """Whether a tar archive begins like this: with a header, or with the blocks of zeros that end an empty one."""
    block = head[:_BLOCK]
    if len(block) < _BLOCK:
        return False
    if block[257:262] == b"ustar" or not head.strip(b"\0"):
        return True
    try:
        header.check_sum(block)
    except LayerError:
        return False
    return True


def wrong_kind(head: bytes) -> tuple[str, str]:
    """What a file that is no tar archive is, in words for `it is ...` (empty: unknown), and a hint."""
    for offset, magic, name, hint in _MAGICS:
        if head[offset : offset + len(magic)] == magic:
            return name, hint
    start = head.lstrip()[:20].lower()
    for text, name in _TEXTS:
        if start.startswith(text):
            page = name == "a web page"
            return name, "the download gave a page instead of the file: look at it in a browser" if page else _SAVED
    return "", _SAVED
