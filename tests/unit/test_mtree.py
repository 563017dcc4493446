"""The index on disk: the lines of the design page, what bsdtar and mtree make of them, and damage."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from sampan.layers import mtree
from sampan.layers.entry import BLOCK, DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Entry
from sampan.layers.index import Index
from sampan.layers.merge import LayerMerge

pytestmark = pytest.mark.client
ZERO = "0" * 64
EXPECTED = rf"""#mtree
/set type=file uid=0 gid=0 mode=0644 nlink=1
. type=dir mode=0755 time=1700000000.000000001
./bin type=link mode=0777 time=0.000000000 link=usr/b\040in
./dev type=dir mode=0755 time=0.000000000
./dev/sda type=block mode=0660 time=0.000000000 device=linux,8,1
./p type=fifo time=-2.500000000
./su mode=4755 uid=7 gid=70000 time=0.000000000 size=3 sha256digest={ZERO} nlink=2
#inode 1
#xattr user.a\075=AA==
#xattr user.x=
./su2 mode=4755 uid=7 gid=70000 time=0.000000000 size=3 sha256digest={ZERO} nlink=2
#inode 1
#xattr user.a\075=AA==
#xattr user.x=
./usr type=dir mode=0755 time=0.000000000
./usr/a\040\043\075\052\134b time=0.000000000 size=0 sha256digest={ZERO}
./\303\274\012 time=0.000000000 size=0 sha256digest={ZERO}
"""


@pytest.fixture
def index():
    index = Index()
    merge = LayerMerge(index)
    for entry in (
        Entry(b"./", DIRECTORY, mode=0o755, mtime=1_700_000_000_000_000_001),
        Entry(b"bin", SYMLINK, target=b"usr/b in"),
        Entry(b"dev/sda", BLOCK, mode=0o660, device=(8, 1)),
        Entry(b"p", FIFO, mtime=-1_500_000_000),
        Entry(b"su", FILE, mode=0o4755, uid=7, gid=70000, size=3, xattrs=((b"user.a=", b"\0"), (b"user.x", b""))),
        Entry(b"su2", HARD_LINK, target=b"su"),
        Entry(b"usr/a #=*\\b", FILE),
        Entry("ü\n".encode(), FILE),
    ):
        for step in merge.apply(entry):
            if step.node.kind == FILE:
                step.node.digest = bytes(32)
    return index


def lines(text: str) -> list[bytes]:
    return text.encode().splitlines(keepends=True)


def test_the_lines(index):
    assert b"".join(mtree.write(index)).decode() == EXPECTED
    assert b"".join(mtree.write(mtree.read(lines(EXPECTED)))).decode() == EXPECTED


def test_names_of_a_group_are_one_node(index):
    again = mtree.read(lines(EXPECTED))
    assert again.lookup(b"su") is again.lookup(b"su2")
    assert (again.lookup(b"su").links, again.lookup(b"su").xattrs) == (2, ((b"user.a=", b"\0"), (b"user.x", b"")))


def test_counts(index):
    counts = index.counts()
    assert (counts.entries, counts.files, counts.directories, counts.size) == (9, 3, 2, 3)


@pytest.mark.skipif(shutil.which("bsdtar") is None, reason="no bsdtar")
def test_bsdtar_reads_it(index, tmp_path):
    (tmp_path / "index").write_text(EXPECTED)
    done = subprocess.run(["bsdtar", "-tf", "index"], cwd=tmp_path, capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.decode().splitlines() == [
        ".", "./bin", "./dev", "./dev/sda", "./p", "./su", "./su2", "./usr", r"./usr/a #=*\\b", r"./ü\n",
    ]  # fmt: skip
    packed = subprocess.run(["bsdtar", "-cf", "-", "@index"], cwd=tmp_path, capture_output=True, check=True)
    shown = subprocess.run(["tar", "-tvf", "-", "--numeric-owner"], input=packed.stdout, capture_output=True, check=True)
    assert "-rwsr-xr-x 7/70000" in shown.stdout.decode()
    assert "8,1" in shown.stdout.decode()


@pytest.mark.skipif(shutil.which("mtree") is None, reason="no mtree")
def test_mtree_reads_it(tmp_path):
    (tmp_path / "index").write_text(EXPECTED)
    done = subprocess.run(["mtree", "-C", "-f", "index"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 10


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("#mtree\n", "", "does not begin with"),
        ("mode=0644 nlink=1", "mode=0600 nlink=1", "does not begin with"),
        (EXPECTED[EXPECTED.index(". type") :], "", "no entry for the root"),
        (". type=dir", ". type=file", "line 3"),
        (". type=dir", "./x type=dir", "the root does not come first"),
        ("./dev type=dir mode=0755 time=0.000000000\n", "", "line 5"),
        ("./su2", "./su", "stands twice"),
        ("./su2", "./..", "is wrong"),
        ("nlink=2", "nlink=3", "has 2 names instead of 3"),
        ("#inode 1\n", "", "does not say which"),
        ("#xattr user.x", "#else user.x", "the comment is unknown"),
        ("AA==", "A", "line 10"),
        ("size=3 ", "", "line 8"),
        ("size=3", "size=x", "line 8"),
        ("link=usr", "link", "line 4"),
        ("linux,8,1", "linux,8", "line 6"),
        ("linux,8,1", "freebsd,8,1", "not one of Linux"),
        ("type=fifo", "type=door", "the type door is unknown"),
        ("time=-2.5", "time=-2.50", "not in nanoseconds"),
        ("uid=7 ", "uid=7 flags=none ", "the keyword flags is unknown"),
        (ZERO + "\n", ZERO, "cut in line 18"),
    ],
)
def test_damage_is_named(old, new, words):
    assert old in EXPECTED
    position = EXPECTED.rindex(old) if words.startswith("cut") else EXPECTED.index(old)
    text = (
        EXPECTED.replace(old, new) if words.startswith("has 2") else EXPECTED[:position] + new + EXPECTED[position + len(old) :]
    )
    with pytest.raises(ValueError, match=words):
        mtree.read(lines(text))
