"""Invariant: whatever archive is taken for a clone, what comes out is a whole tar archive with no more bytes of files than went in, or LayerError."""

from __future__ import annotations

import io
import tarfile

from sampan.compat.udocker.clones import Goal, pack, unpack
from sampan.errors import LayerError


def _root() -> io.BytesIO:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as out:
        for name, data in (("bin/sh", b"#!"), ("etc/long" + "x" * 200, b"y" * 600)):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
        link = tarfile.TarInfo("bin/bash")
        link.type, link.linkname = tarfile.LNKTYPE, "bin/sh"
        out.addfile(link)
    return io.BytesIO(found.getvalue())


def _clone() -> bytes:
    found = io.BytesIO()
    pack(_root(), {"config": {"Cmd": ["sh"]}}, "debian:12", Goal(found.write))
    return found.getvalue()


SEEDS = [_clone(), _clone().replace(b"ROOT/", b"./OT/"), _root().getvalue(), b""]


def test_one(data: bytes) -> None:
    goal = io.BytesIO()
    try:
        found = unpack(io.BytesIO(data), goal)
    except LayerError as error:
        assert "\n" not in error.sentence
        return
    assert found is None or isinstance(found[1], str)
    with tarfile.open(fileobj=io.BytesIO(goal.getvalue())) as archive:
        assert sum(member.size for member in archive if member.isfile()) <= len(data)
