"""Sparse files in the four spellings that GNU tar has had, and maps that lie."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.images.tarbytes import archive, file, header, padded, pax
from tests.unit.test_layers_read import read, refusal

pytestmark = pytest.mark.client
MIB = 1 << 20


def gnu(segments, size, data, extended=()):
    """An entry of type S: four segments in the header, more in blocks that follow."""
    block = bytearray(header(name="a", type=b"S", magic=b"ustar  \0", size=len(data), checksum=b" " * 8))
    for number, (offset, length) in enumerate(segments[:4]):
        block[386 + 24 * number : 410 + 24 * number] = b"%011o\0%011o\0" % (offset, length)
    block[483:495] = b"%011o\0" % size
    block[482] = 1 if extended else 0
    block[148:156] = b"%06o\0 " % sum(block)
    more = b"".join(padded(part) for part in extended)
    return bytes(block) + more + padded(data)


def extension(segments, goes_on=False):
    return b"".join(b"%011o\0%011o\0" % pair for pair in segments).ljust(504, b"\0") + bytes([goes_on])


def pax_1(numbers, size, data, **records):
    """Pax sparse 1.0: the map before the data."""
    text = padded(b"".join(b"%d\n" % number for number in numbers))
    given = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "a",
        "GNU.sparse.realsize": str(size),
        **records,
    }
    return pax(*given.items()) + file("GNUSparseFile.0/a", text + data)


EXPECTED = bytes(5) + b"abc" + bytes(2) + b"de" + bytes(8)


@pytest.mark.parametrize("piece", [1, 513, MIB])
@pytest.mark.parametrize(
    "entry",
    [
        gnu([(5, 3), (10, 2), (20, 0)], 20, b"abcde"),
        pax_1([2, 5, 3, 10, 2], 20, b"abcde"),
        pax(("GNU.sparse.map", "5,3,10,2"), ("GNU.sparse.size", "20"), ("GNU.sparse.name", "a")) + file("x", b"abcde"),
        pax(
            ("GNU.sparse.size", "20"), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.offset", "5"), ("GNU.sparse.numbytes", "3"),
            ("GNU.sparse.offset", "10"), ("GNU.sparse.numbytes", "2"),
        ) + file("a", b"abcde"),
    ],
    ids=["gnu", "1.0", "0.1", "0.0"],
)  # fmt: skip
def test_holes_are_holes(entry, piece):
    (sparse, content), (end, last) = read(archive(entry, file("end", b"z")), piece)
    assert (sparse.path, sparse.size, content) == (b"a", 20, EXPECTED)
    assert (end.path, last) == (b"end", b"z")


def test_gnu_maps_longer_than_the_header():
    segments = [(10 * number, 1) for number in range(50)]
    data = gnu(
        segments, 500, b"x" * 50, [extension(segments[4:25], True), extension(segments[25:46], True), extension(segments[46:])]
    )
    ((_, content),) = read(archive(data))
    assert content == (b"x" + bytes(9)) * 50


def test_a_long_map_of_format_1():
    numbers = [number for at in range(300) for number in (10 * at, 1)]
    ((_, content),) = read(archive(pax_1([300, *numbers], 3000, b"y" * 300)), 100)
    assert content == (b"y" + bytes(9)) * 300


def test_a_sparse_body_that_nobody_takes():
    from sampan.layers.limits import Allowance
    from sampan.layers.read import TarReader

    data = archive(gnu([(5, 3), (10, 2)], 20, b"abcde"), pax_1([1, 0, 5], 20, b"abcde"), file("end"))
    assert [entry.path for entry in TarReader([data], Allowance())] == [b"a", b"a", b"end"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (gnu([(5, 3), (4, 2)], 20, b"abcde"), "overlap"),
        (gnu([(5, 3), (18, 5)], 20, b"abcdefgh"), "behind its end"),
        (gnu([(5, 3)], 20, b"abcde"), "does not fit the data"),
        (gnu([(5, 30)], 40, b"abcde"), "does not fit the data"),
        (gnu([], 40, b"abcde"), "does not fit the data"),
        (gnu([(0, 0)] * 4, 40, b"", [extension([(0, 0)] * 21, True)] * 3000), "longer than the limit"),
        (header(name="a", type=b"S"), "not of the GNU format"),
        (pax_1([2, 5, 3, 10], 20, b"abcde"), "does not end"),
        (pax_1([10**9], 20, b"abcde"), "does not end"),
        (pax_1([1, 0, 5], 3, b"abcde"), "behind its end"),
        (pax_1([1, 0, 4], 20, b"abcde"), "does not fit the data"),
        (pax_1([1, 0, 5], 20, b"abcde", **{"GNU.sparse.realsize": "x"}), "is not a number"),
        (pax(("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0")) + file("a", padded(b"1\n0\n5\n") + b"abcde"), "without its true size"),
        (pax(("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "9")) + file("a", padded(b"1\nx\n5\n") + b"abcde"), "where a number should be"),
        (pax(("GNU.sparse.major", "1"), ("GNU.sparse.realsize", "9")) + file("a", padded(b"-1\n0\n5\n")), "where a number should be"),
        (pax(("GNU.sparse.map", "5,3,10"), ("GNU.sparse.size", "20")) + file("a", b"abcde"), "without a length"),
        (pax(("GNU.sparse.map", "5,-3"), ("GNU.sparse.size", "20")) + file("a", b"abcde"), "is not a number"),
        (pax(("GNU.sparse.offset", "5"), ("GNU.sparse.offset", "6"), ("GNU.sparse.size", "20")) + file("a", b"abcde"), "do not alternate"),
        (pax(("GNU.sparse.offset", "5"), ("GNU.sparse.size", "20")) + file("a", b"abcde"), "do not alternate"),
        (gnu([(0, 1)], 2**40, b"a"), "more than 1000 times"),
        (pax_1([1, 0, 1], 2**40, b"a"), "more than 1000 times"),
    ],
)  # fmt: skip
def test_maps_that_lie(entry, words):
    assert words in refusal(archive(entry, file("end")))


def test_a_map_that_is_cut():
    whole = gnu([(0, 1)] * 4, 40, b"a", [extension([], True)] * 4)
    for length in (512, 1024, 1500):
        assert "cut" in refusal(whole[:length])


@pytest.mark.skipif(shutil.which("tar") is None, reason="no GNU tar")
@pytest.mark.parametrize("form", ["gnu", "pax --sparse-version=0.0", "pax --sparse-version=0.1", "pax --sparse-version=1.0"])
def test_what_gnu_tar_writes(tmp_path, form):
    with open(tmp_path / "hole", "wb") as stream:
        for at in range(0, 40 * MIB, MIB):
            stream.seek(at)
            stream.write(b"%d" % at)
        stream.truncate(41 * MIB)
    command = ["tar", "-C", str(tmp_path), "-S", "-cf", "-", "--format=" + form.split()[0], *form.split()[1:], "hole"]
    data = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    assert len(data) < 2 * MIB
    ((entry, content),) = read(data)
    assert (entry.path, content) == (b"hole", (tmp_path / "hole").read_bytes())
