"""Invariant: whatever a blob of extended attributes holds, it comes back the same when it is packed again, or is refused."""

from __future__ import annotations

from sampan.cvmfs.entry import expand_target, pack_xattrs, unpack_xattrs
from sampan.errors import RepositoryError

SEEDS = [
    bytes.fromhex("01010803") + b"user.foobar",
    bytes.fromhex("0102") + b"\x01\x00a\x01\x02bcd",
    bytes.fromhex("01011314") + b"security.capability" + bytes(20),
    b"$(A)/$(B:-c)/$(",
]


def test_one(data: bytes) -> None:
    assert isinstance(expand_target(data, {"A": "x"}), bytes)
    try:
        found = unpack_xattrs(data)
    except RepositoryError as error:
        assert error.sentence.isprintable()
    else:
        assert all(0 < len(name) < 256 and len(value) < 256 for name, value in found)
        assert not found or sorted(unpack_xattrs(pack_xattrs(found))) == sorted(found)
        assert not found or len(pack_xattrs(found)) == len(data)
