"""Bytes of launch files: headers, limits, what is refused. The round trip is in tests/property."""

from __future__ import annotations

import os

import pytest

from sampan.engine.encoding import MAX_BYTES, MAX_RECORDS, decode, encode, header
from sampan.errors import UsageError

pytestmark = pytest.mark.client


def test_the_bytes():
    data = encode([("unshare", "user,mount"), ("loopback",), ("exec", "a b", "")])
    assert data == b"sampan-launch 1\0unshare\x001\0user,mount\0loopback\x000\0exec\x002\0a b\0\0"
    assert encode([]) == b"sampan-launch 1\0"


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (None, b"sampan-launch 1"),
        ("/p/sampan-run", b"#!/p/sampan-run\nsampan-launch 1"),
        ("/" + "x" * 119, b"#!/" + b"x" * 119 + b"\nsampan-launch 1"),
        ("/" + "x" * 120, b"#!/bin/sh\nexec '/" + b"x" * 120 + b'\' "$0" "$@"\nsampan-launch 1'),
        ("/a b/c", b'#!/bin/sh\nexec \'/a b/c\' "$0" "$@"\nsampan-launch 1'),
        ("/a\tb", b'#!/bin/sh\nexec \'/a\tb\' "$0" "$@"\nsampan-launch 1'),
        ("/it's here", b"#!/bin/sh\nexec '/it'\\''s here' \"$0\" \"$@\"\nsampan-launch 1"),
        (os.fsdecode(b"/\xff"), b"#!/\xff\nsampan-launch 1"),
    ],
)
def test_headers(program, expected):
    assert header(program) == expected
    assert decode(encode([("exec", "x")], header(program))) == [("exec", "x")]


@pytest.mark.parametrize("program", ["/a\nb", "/a\0b"])
def test_a_program_that_no_header_can_name(program):
    with pytest.raises(UsageError, match="cannot name the program"):
        header(program)


def test_a_nul_is_refused_with_the_records_name():
    with pytest.raises(UsageError, match="in a field of 'env'"):
        encode([("exec", "x"), ("env", "A=\0")])


def test_limits():
    with pytest.raises(UsageError, match="8 MiB and 65536 records"):
        encode([("env", "A=" + "x" * MAX_BYTES)])
    with pytest.raises(UsageError, match="65537 records"):
        encode([("loopback",)] * (MAX_RECORDS + 1))
    assert len(decode(encode([("loopback",)] * MAX_RECORDS))) == MAX_RECORDS
    with pytest.raises(UsageError, match="more than 65536 records"):
        decode(encode([("loopback",)] * MAX_RECORDS) + b"x\x000\0")
    with pytest.raises(UsageError, match="longer than 8 MiB"):
        decode(encode([]) + b"\0" * MAX_BYTES)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a launch file"),
        (b"sampan-launch 1", "not a launch file"),
        (b"#!/bin/sh\n\0", "not a launch file"),
        (b"sampan-launch 1\n\0", "not a launch file"),
        (b"sampan-launch 2\0", "of format 2, and this sampan reads format 1"),
        (b"sampan-launch 1\0exec\x001\0a", "cut off"),
        (b"sampan-launch 1\0exec\0", "damaged in record 1, exec"),
        (b"sampan-launch 1\0exec\0x\0a\0", "damaged in record 1"),
        (b"sampan-launch 1\0exec\0-1\0a\0", "damaged in record 1"),
        (b"sampan-launch 1\0exec\0+1\0a\0", "damaged in record 1"),
        ("sampan-launch 1\0exec\0٣\0a\0".encode(), "damaged in record 1"),
        (b"sampan-launch 1\0exec\x002\0a\0", "damaged in record 1"),
        (b"sampan-launch 1\0loopback\x000\0exec\x0012345678\0a\0", "damaged in record 2"),
    ],
)
def test_damaged(data, words):
    with pytest.raises(UsageError) as caught:
        decode(data)
    assert words in caught.value.sentence.replace("'", "")
