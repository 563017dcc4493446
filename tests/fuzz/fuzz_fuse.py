"""Invariant: whatever the kernel's message, the server gives nothing or one well-formed reply with the message's number, and raises nothing but WouldWait."""

from __future__ import annotations

import struct

from sampan.cvmfs.fuse import wire
from sampan.cvmfs.fuse.answers import Answers
from sampan.cvmfs.fuse.tree import Item, WouldWait

_TOP, _FILE = Item(1, 0o40755, 4096, 0, b""), Item(7, 0o100644, 5, 0, b"file")


class _Tree:
    def root(self):
        return _TOP

    def lookup(self, directory, name, *, wait):
        if name == b"later" and not wait:
            raise WouldWait
        return _FILE if name == b"file" else None

    def entries(self, directory, *, wait):
        return [(b"file", _FILE), (b"x" * 255, _FILE)]

    def read(self, item, offset, size, *, wait):
        return b"bytes"[offset : offset + size]

    def link(self, item):
        raise OSError(22, "no link")

    def attribute(self, item, name, *, wait):
        return b"value" if name == b"user.x" else None

    def attributes(self, item):
        return [b"user.x"]

    def space(self):
        return 5, 1


def _head(operation: int, body: bytes, node: int = 1) -> bytes:
    return wire.HEAD.pack(wire.HEAD.size + len(body), operation, 99, node, 0, 0, 0, 0) + body


SEEDS = [
    _head(wire.INIT, struct.pack("=IIII", 7, 38, 131072, 0xFFFFFFFF)),
    _head(wire.LOOKUP, b"file\0"),
    _head(wire.LOOKUP, b"later\0"),
    _head(wire.READDIRPLUS, wire.READ_IN.pack(0, 0, 4096, 0, 0, 0, 0)),
    _head(wire.READ, wire.READ_IN.pack(0, 1, 4096, 0, 0, 0, 0)),
    _head(wire.GETXATTR, wire.XATTR_IN.pack(100, 0) + b"user.x\0"),
    _head(wire.LISTXATTR, wire.XATTR_IN.pack(0, 0)),
    _head(wire.BATCH_FORGET, wire.BATCH_FORGET_IN.pack(2, 0) + wire.FORGET_ONE.pack(2, 1) * 2, 0),
    _head(wire.FORGET, wire.FORGET_IN.pack(1), 2),
    _head(wire.STATFS, b""),
    _head(4242, b"?"),
]


def test_one(data: bytes) -> None:
    defects: list[str] = []
    answers = Answers(_Tree(), 1, 1, defects.append)
    answers.answer(SEEDS[0], wait=True)
    for message in (data, struct.pack("=I", len(data)) + data[4:]):
        for wait in (True, False):
            try:
                reply = answers.answer(message, wait=wait)
            except WouldWait:
                assert not wait
                continue
            if reply is not None:
                whole = b"".join(reply)
                length, error, unique = wire.OUT.unpack_from(whole)
                assert length == len(whole)
                assert -4096 < error <= 0
                assert unique == wire.HEAD.unpack_from(message)[2]
    assert defects == []
