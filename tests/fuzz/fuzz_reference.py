"""Invariant: whatever the text, `Reference.parse` gives a value that prints and parses back to itself, or raises BadReference."""

from __future__ import annotations

from sampan.errors import BadReference
from sampan.oci.reference import Reference

SEEDS = [
    b"debian:12",
    b"[2001:db8::1]:5000/a__b/c-d:t@sha256:" + b"0123456789abcdef" * 4,
    b"docker://index.docker.io/x",
    b"test.com:5000/repo:5050",
]


def test_one(data: bytes) -> None:
    try:
        reference = Reference.parse(data.decode("utf-8", "replace"))
    except BadReference as error:
        assert error.sentence.isprintable()
        return
    assert Reference.parse(str(reference)) == reference == Reference.parse(reference.familiar)
