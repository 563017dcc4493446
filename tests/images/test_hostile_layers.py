"""Every attack of images.md by the real command: pulled, it is contained or refused by one sentence; run, the host stays the host's.

The sink alone meets every attack in every spelling (tests/unit/test_layers_hostile.py). Here each takes the whole way once, its
spelling (pax, GNU, ustar; one layer or the next) by turns; HOSTILE=all takes all six.
"""

from __future__ import annotations

import os
import struct

import pytest

from tests.images import tarbytes
from tests.images.build import Layer, digest_of
from tests.images.tarbytes import FORMS, archive, header, long, padded, pax
from tests.unit.test_layers_hostile import ATTACKS, Form

SPELLINGS = [(form, split) for split in (False, True) for form in FORMS]
CASES = [
    pytest.param(attack, *spelling, id=f"{attack}-{spelling[0]}-{'next layer' if spelling[1] else 'one layer'}")
    for number, attack in enumerate(ATTACKS)
    for spelling in (SPELLINGS if os.environ.get("HOSTILE") == "all" else [SPELLINGS[number % 6]])
]


@pytest.mark.parametrize(("attack", "spelling", "split"), CASES)
def test_an_attack(arena, tmp_path, attack, spelling, split):
    make, words = ATTACKS[attack]
    form = Form(spelling, str(tmp_path))
    form.up = "../../../../outside"
    members = make(form)
    arena.image([archive(*members[:-1]), archive(members[-1])] if split else [archive(*members)])
    pulled = arena.pull()
    if words is not None:
        pulled.is_refused(words)
        arena.is_empty()
        return
    assert pulled.status == 0, pulled.err
    arena.is_whole()
    arena.run("--isolate")
    inside = arena.run("--isolate", command=("/bin/busybox", "cat", f"{form.outside}/secret", "l/secret", "f", "/etc/passwd"))
    assert inside.status in (0, 1, 125)


def zstd_of_zeros(blocks: int) -> bytes:
    """A zstd frame of so many times 128 KiB of zeros, at 4 bytes each (RFC 8878: RLE blocks)."""
    frame = b"\x28\xb5\x2f\xfd" + b"\x00" + b"\x50"  # no content size; a window of 1 MiB
    for number in range(blocks):
        frame += struct.pack("<I", (number == blocks - 1) | 1 << 1 | (128 << 10) << 3)[:3] + b"\0"
    return frame


NAMES = 30_000
LIMITS = {
    "a file of 8 GB": (lambda: archive(header(name="f", size=(8 << 30) - 1))[:-1024] + bytes(4096), "more than 1000 times"),
    "a file of 8 EB": (lambda: archive(pax(("size", str(1 << 63))), header(name="f")), "1000 times"),
    "holes of 1 TB": (lambda: archive(pax(("GNU.sparse.map", "0,1"), ("GNU.sparse.size", str(1 << 40)), ("GNU.sparse.name", "f")), tarbytes.file("x", b"a")), "more than 1000 times"),
    "a deep path": (lambda: archive(tarbytes.file("/".join("d" * 257), form="pax")), "256 components"),
    "a deep path by links": (lambda: archive(*[tarbytes.symlink(f"l{n}", f"l{n + 1}/" + "d/" * 20) for n in range(39)], tarbytes.directory("l39"), tarbytes.file("l0/f")), "components"),
    "a long path": (lambda: archive(tarbytes.file("/".join(["d" * 200] * 21), form="pax")), "longer than the limit"),
    "a long path in GNU's form": (lambda: archive(tarbytes.file("d/" * 2100 + "f", form="gnu")), "limit"),
    "a long name": (lambda: archive(tarbytes.file("n" * 256, form="pax")), "255 bytes"),
    "a long link": (lambda: archive(tarbytes.symlink("l", "x" * 4096, form="pax")), "4095"),
    "an extended header of 2 MiB": (lambda: archive(pax(("comment", "x" * (2 << 20))), tarbytes.file("f")), "limit of 1048576"),
    "extended headers without end": (lambda: archive(*[pax(("comment", "x" * 500_000))] * 3, tarbytes.file("f")), "limit"),
    "an attribute of 70 kB": (lambda: archive(pax(("SCHILY.xattr.user.a", "x" * 70_000)), tarbytes.file("f")), "extended attribute"),
    "attributes without end": (lambda: archive(*[pax(*[(f"SCHILY.xattr.user.{n}", "x" * 64_000) for n in range(16)]) + tarbytes.file(f"f{number}") for number in range(140)]), "link targets and extended attributes"),
    "a loop of links": (lambda: archive(tarbytes.symlink("a", "b"), tarbytes.symlink("b", "a"), tarbytes.file("a/f")), "40 symbolic links"),
    "a chain of links": (lambda: archive(*[tarbytes.symlink(f"l{n}", f"l{n + 1}") for n in range(50)], tarbytes.directory("l50"), tarbytes.file("l0/f")), "40 symbolic links"),
    "an unknown type": (lambda: archive(header(name="f", type=b"Z")), "unknown"),
    "a wrong checksum": (lambda: archive(header(name="f", checksum=b"000001\0 ")), "checksum"),
    "a name with NUL": (lambda: archive(pax(("path", "a\0b")), tarbytes.file("f")), "NUL"),
    "garbage": (lambda: b"garbage" * 1000, "checksum"),
    "cut in a file": (lambda: archive(tarbytes.file("f", b"x" * 5000))[:2000], "cut"),
    "cut in a header": (lambda: archive(tarbytes.file("f"))[:100], "cut"),
    "many names": (lambda: archive(*[tarbytes.file(f"d{n % 100}/{n}") for n in range(NAMES)]), None),
    "many names for one file": (lambda: archive(tarbytes.file("f", b"x"), *[tarbytes.hardlink(f"d/{n}", "f") for n in range(NAMES)]), None),
    "markers without end": (lambda: archive(*[tarbytes.file(f"d/{n}") for n in range(3000)], *[tarbytes.opaque("d"), tarbytes.whiteout("d/5")] * (NAMES // 2)), None),
    "one name again and again": (lambda: archive(*[tarbytes.file("d/f", b"%d" % n) for n in range(NAMES // 3)]), None),
    "a directory and a link by turns": (lambda: archive(*[tarbytes.directory("a/b/c"), tarbytes.symlink("a", "/")] * (NAMES // 6)), None),
    "paths through forty links": (lambda: archive(*[tarbytes.symlink(f"l{n}", f"./././l{n + 1}") for n in range(39)], tarbytes.directory("l39"), *[tarbytes.file(f"l0/{n}") for n in range(NAMES // 6)]), None),
}  # fmt: skip


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit(arena, name):
    make, words = LIMITS[name]
    arena.image([make()])
    pulled = arena.pull()
    if words is None:
        assert pulled.status == 0, pulled.err
        arena.is_whole()
        assert arena.run("--isolate").status == 0
    else:
        pulled.is_refused(words)
        arena.is_empty()


class TestCompression:
    """Bombs and damage around the archive; what comes out is counted wherever it is."""

    def serve(self, arena, blob: bytes, archive_digest: str = "sha256:" + "0" * 64) -> None:
        arena.layout.tag("1", arena.layout.image([Layer(blob, "gzip", archive_digest)]))
        arena.registry.add(arena.layout)

    def test_a_bomb_behind_the_end(self, arena):
        pytest.importorskip("backports.zstd" if not hasattr(__import__("sys"), "_zstd") else "compression.zstd")
        self.serve(arena, zstd_of_zeros(10_000))
        arena.pull().is_refused("more than 1000 times its compressed size")
        arena.is_empty()

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda data: data[:-9], "cut"),
            (lambda data: data[:-8] + b"\0\0\0\0" + data[-4:], "damaged"),
            (lambda data: data + b"junk", "other bytes behind"),
            (lambda data: data[:20] + b"\xff" * 10 + data[30:], "damaged"),
            (lambda _: b"\xfd7zXZ\0" + b"x" * 100, "xz"),
            (lambda _: b"BZh91AY" + b"x" * 100, "bzip2"),
            (lambda _: b"\x28\xb5\x2f\xfd\x00\xf8" + b"\0" * 50, "zstd"),
            (lambda _: b"", ""),
        ],
    )
    def test_damage(self, arena, change, words):
        import gzip

        data = archive(tarbytes.file("f", os.urandom(3000)))
        self.serve(arena, change(gzip.compress(data, mtime=0)), digest_of(data))
        arena.pull().is_refused(words)
        arena.is_empty()

    def test_padding_is_legal(self, arena):
        import gzip

        data = archive(tarbytes.file("f", b"x")) + bytes(10_000)
        self.serve(arena, gzip.compress(data[:600], mtime=0) + gzip.compress(data[600:], mtime=0) + bytes(700), digest_of(data))
        assert arena.pull().status == 0
        arena.is_whole()


def test_sizes_that_disagree_smuggle_nothing(arena):
    """CVE-2025-62518: the pax size counts, so what lies in the body is no entry."""
    inner = archive(tarbytes.file("smuggled", b"x"))
    arena.image(
        [archive(pax(("size", str(len(inner)))), header(name="f", size=0), padded(inner), long("g", b"L"), header(name="x"))]
    )
    assert arena.pull().status == 0
    assert arena.run("--isolate", command=("/bin/busybox", "ls", "/smuggled")).status == 1
    assert arena.run("--isolate", command=("/bin/busybox", "ls", "/f", "/g")).status == 0
