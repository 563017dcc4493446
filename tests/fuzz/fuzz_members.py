"""Invariant: whatever the bytes, the table of an archive gives parts that lie inside it and have the tar reader's content, or raises LayerError."""

from __future__ import annotations

import os

from sampan.errors import LayerError
from sampan.image.members import MAX_LINKS, TarMembers
from sampan.layers.entry import FILE, clean
from sampan.layers.limits import Allowance
from sampan.layers.read import TarReader
from tests.fuzz.fuzz_tar import SEEDS as TAR_SEEDS
from tests.fuzz.fuzz_tar import repaired
from tests.images.tarbytes import archive, directory, file, hardlink, long, pax, symlink

assert MAX_LINKS < 100
SEEDS = [
    *TAR_SEEDS,
    archive(file("a", b"x" * 700), symlink("b", "a"), symlink("d/c", "../b"), hardlink("h", "a"), symlink("up", "../../etc/passwd")),
    archive(symlink("x", "y"), symlink("y", "x"), symlink("dir", "real"), directory("real"), file("real/f", b"f"), file("x/./y", b"")),
    archive(file("big", b"y" * 40_000), file("./a", b"1"), file("/a", b"22"), pax(("size", "3")) + file("s", b"abc"), long("n" * 120, b"L") + file("x")),
]  # fmt: skip


def contents(data: bytes) -> dict[bytes, bytes]:
    """What the last member of each name holds, by the reader that takes everything."""
    found = {}
    reader = TarReader([data], Allowance())
    for entry in reader:
        if entry.kind == FILE and not reader.is_sparse:
            found[clean(entry.path)] = b"".join(bytes(view) for _, view in reader.body())
        else:
            found.pop(clean(entry.path), None)
    return found


def test_one(data: bytes) -> None:
    for variant in (data, repaired(data)):
        descriptor = os.memfd_create("archive")
        try:
            os.write(descriptor, variant)
            try:
                members = TarMembers(descriptor)
            except LayerError as error:
                assert error.sentence.isprintable()
                continue
            expected = contents(variant)
            for name in [*members.names(), "nothing", "x/../a", "dir/f"]:
                try:
                    part = members.find(name)
                except LayerError as error:
                    assert error.sentence.isprintable()
                    continue
                if part is not None:
                    assert 0 <= part.offset <= part.offset + part.size <= len(variant)
                    assert b"".join(part.pieces(333)) in expected.values()
        finally:
            os.close(descriptor)
