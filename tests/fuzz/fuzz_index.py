"""Invariant: whatever the bytes, the index of a tree is read into names that a tree can have, or is refused with ValueError."""

from __future__ import annotations

from sampan.layers import mtree
from sampan.layers.entry import check_path

_HEAD = mtree.FIRST_LINE + mtree.DEFAULTS + b". type=dir mode=0755 time=1.000000000\n"
_DIGEST = b"0123456789abcdef" * 4
SEEDS = [
    _HEAD,
    _HEAD + b"./a time=1.000000000 size=5 sha256digest=" + _DIGEST + b" nlink=2\n#inode 1\n"
    b"./b time=1.000000000 size=5 sha256digest=" + _DIGEST + b" nlink=2\n#inode 1\n#xattr user.x=AA==\n",
    _HEAD
    + b"./d type=dir mode=1777 uid=5 gid=7 time=-1.500000000\n./d/\\040\\012 type=link mode=0777 time=1.000000000 link=\\134\n",
    _HEAD + b"./dev type=char mode=0600 time=0.000000000 device=linux,1,3\n./p type=fifo time=0.000000000\n",
]


def test_one(data: bytes) -> None:
    try:
        index = mtree.read(data.splitlines(keepends=True))
    except ValueError:
        return
    for path, node in index.walk():
        if len(path) < 4096:
            check_path(path)
        assert node.kind in ("file", "dir", "link", "fifo", "char", "block", "socket")
    text = b"".join(mtree.write(index))
    again = mtree.read(text.splitlines(keepends=True), verified=True)
    assert b"".join(mtree.write(again)) == text
