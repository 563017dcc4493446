"""Hostile layers against the directory sink, byte by byte: each ends in a contained tree or one clear error.

Every attack is spelled in three forms (ustar, GNU, pax), in one layer and with its last step in the next one. `Unpacked`
compares a canary beside the tree and looks for the host's secret in it, after every layer, refused or not.
"""

from __future__ import annotations

import os

import pytest

from sampan.errors import LayerError
from sampan.layers import beneath, openat2
from tests.images import tarbytes
from tests.images.tarbytes import FORMS, archive, header, long, pax
from tests.images.unpacked import Unpacked

pytestmark = pytest.mark.client


@pytest.fixture(params=["openat2", "by hand"], autouse=True)
def way(request, monkeypatch):
    """Both ways to open a parent."""
    if request.param == "by hand":
        monkeypatch.setattr(beneath, "openers", lambda: (beneath.in_root, beneath.beneath))
    elif not openat2.works():
        pytest.skip("this kernel has no openat2")


class Form:
    """The makers of members in one spelling."""

    def __init__(self, name: str, base: str) -> None:
        self.name = name
        self.outside = f"{base}/outside"
        self.up = "../../outside"

    def __getattr__(self, maker: str):
        return lambda *args, **more: getattr(tarbytes, maker)(*args, form=self.name, **more)


@pytest.fixture
def tree(tmp_path):
    return Unpacked(tmp_path)


@pytest.fixture(params=FORMS)
def form(request, tmp_path):
    return Form(request.param, str(tmp_path))


# What the steps of an attack are, and the words of the refusal; `None`: it is contained.
ATTACKS = {
    "absolute name": (lambda m: [m.file(f"{m.outside}/new", b"x")], None),
    "absolute name of a file that is there": (lambda m: [m.file(f"{m.outside}/secret", b"x")], None),
    "dots in a file": (lambda m: [m.file(f"{m.up}/new", b"x")], "leaves the root"),
    "dots behind a directory": (lambda m: [m.directory("a"), m.file(f"a/../{m.up}/new", b"x")], "leaves the root"),
    "dots in a directory": (lambda m: [m.directory("../../outside/directory", 0o777)], "leaves the root"),
    "dots in a symbolic link's name": (lambda m: [m.symlink("../../outside/link", "x")], "leaves the root"),
    "dots in a hard link's name": (lambda m: [m.file("f"), m.hardlink("../../outside/link", "f")], "leaves the root"),
    "dots in a FIFO": (lambda m: [m.fifo("../../outside/fifo")], "leaves the root"),
    "dots in a device": (lambda m: [m.device("../../outside/sda")], "leaves the root"),
    "many dots": (lambda m: [m.file("../" * 30 + "tmp/sampan-was-here")], "leaves the root"),
    "only dots": (lambda m: [m.directory("..", 0o777)], "leaves the root"),
    "a file through an absolute link": (lambda m: [m.symlink("l", m.outside), m.file("l/new", b"x")], None),
    "a file through a relative link": (lambda m: [m.symlink("l", m.up), m.file("l/new", b"x")], None),
    "a file through a link below": (lambda m: [m.directory("a"), m.symlink("a/l", "../../../outside"), m.file("a/l/new", b"x")], None),
    "a file through a chain": (lambda m: [m.symlink("1", m.outside), m.symlink("2", "1"), m.symlink("3", "2/."), m.file("3/new", b"x")], None),
    "a file through a link that goes back": (lambda m: [m.symlink("l", "."), m.symlink("l/l2", ".."), m.file("l/l2/../../outside/new")], None),
    "a file through the root of a process": (lambda m: [m.symlink("l", "/proc/self/root"), m.file(f"l{m.outside}/new", b"x")], None),
    "a file through the directory of a process": (lambda m: [m.symlink("l", "/proc/self/cwd"), m.file("l/new", b"x")], None),
    "a file through a loop": (lambda m: [m.symlink("l", "l"), m.file("l/new", b"x")], "more than 40 symbolic links"),
    "a directory through a link": (lambda m: [m.symlink("l", m.outside), m.directory("l/directory", 0o777)], None),
    "a directory over a link, then its mode": (lambda m: [m.symlink("l", f"{m.outside}/directory"), m.directory("l", 0o777)], None),
    "a symbolic link through a link": (lambda m: [m.symlink("l", m.outside), m.symlink("l/new", "secret")], None),
    "a hard link through a link": (lambda m: [m.symlink("l", m.outside), m.file("f"), m.hardlink("l/new", "f")], None),
    "a FIFO through a link": (lambda m: [m.symlink("l", m.outside), m.fifo("l/new")], None),
    "a file over an own link": (lambda m: [m.symlink("f", f"{m.outside}/secret"), m.file("f", b"x")], None),
    "a file over an own relative link": (lambda m: [m.symlink("f", f"{m.up}/secret"), m.file("f", b"x")], None),
    "a file over a dangling link": (lambda m: [m.symlink("f", f"{m.outside}/new"), m.file("f", b"x")], None),
    "a hard link to an absolute name": (lambda m: [m.hardlink("f", f"{m.outside}/secret"), m.file("f", b"x")], "does not exist"),
    "a hard link with dots": (lambda m: [m.hardlink("f", f"{m.up}/secret")], "leaves the root"),
    "a hard link with dots below": (lambda m: [m.directory("a"), m.hardlink("a/f", f"a/../{m.up}/secret")], "leaves the root"),
    "a hard link to what a link leads to": (lambda m: [m.symlink("l", m.outside), m.hardlink("f", "l/secret")], "does not exist"),
    "a hard link to a relative link's target": (lambda m: [m.symlink("l", m.up), m.hardlink("f", "l/secret")], "does not exist"),
    "a hard link to a link, then a file": (lambda m: [m.symlink("l", f"{m.outside}/secret"), m.hardlink("f", "l"), m.file("f", b"x")], None),
    "a hard link to a link, then its mode": (lambda m: [m.symlink("l", f"{m.outside}/secret"), m.hardlink("f", "l", mode=0o4777)], None),
    "a hard link to a directory": (lambda m: [m.directory("a"), m.hardlink("b", "a")], "is a directory"),
    "a whiteout with dots": (lambda m: [m.file("../../outside/.wh.secret")], "leaves the root"),
    "a whiteout through an absolute link": (lambda m: [m.symlink("l", m.outside), m.file("l/.wh.secret")], None),
    "a whiteout through a relative link": (lambda m: [m.symlink("l", m.up), m.file("l/.wh.secret"), m.file("l/.wh.directory")], None),
    "an opaque marker with dots": (lambda m: [m.file("../../outside/.wh..wh..opq")], "leaves the root"),
    "an opaque marker through a link": (lambda m: [m.symlink("l", m.outside), m.file("l/.wh..wh..opq")], None),
    "an opaque marker through a relative link": (lambda m: [m.symlink("l", f"{m.up}/directory"), m.file("l/.wh..wh..opq")], None),
    "a whiteout of the directory itself": (lambda m: [m.file("a/x"), m.file("a/.wh..")], "names nothing"),
    "a whiteout of the parent": (lambda m: [m.file("a/x"), m.file("a/.wh...")], "names nothing"),
    "a whiteout of nothing": (lambda m: [m.file("a/x"), m.file("a/.wh.")], "names nothing"),
    "a link as the root": (lambda m: [m.symlink(".", m.outside), m.file("new")], "would make the root"),
    "a link as the root with a slash": (lambda m: [m.symlink("./", m.outside), m.file("new")], "would make the root"),
    "a file as the root": (lambda m: [m.file("/", b"")], None),  # a slash at the end: a directory of Unix version 7
    "a hard link as the root": (lambda m: [m.file("f"), m.hardlink("a/..", "f")], "would make the root"),
    "a link over a used directory": (lambda m: [m.file("a/b/1"), m.symlink("a", m.outside), m.file("a/b/2")], None),
    "a link over a directory whose descriptor is kept": (lambda m: [m.file("a/b/1"), m.symlink("a/b", f"{m.outside}/directory"), m.file("a/b/file", b"y")], None),
    "a directory's late time through a link": (lambda m: [m.directory("d", 0o777), m.symlink("d", f"{m.outside}/directory"), m.file("x")], None),
    "a parent that is a file": (lambda m: [m.file("a", b"x"), m.file("a/b")], "not a directory"),
    "a parent that is a link to a file": (lambda m: [m.file("a", b"x"), m.symlink("l", "a"), m.file("l/b")], "not a directory"),
    "a parent that is a FIFO": (lambda m: [m.fifo("a"), m.file("a/b")], "not a directory"),
    "a setuid program": (lambda m: [m.file("su", b"x", mode=0o6777)], None),
    "a device of the host's disk": (lambda m: [m.device("sda", 8, 0), m.hardlink("b", "sda")], None),
    "links as passwd, /dev and /proc": (lambda m: [m.symlink("etc/passwd", "/etc/passwd"), m.symlink("dev", "/dev"), m.symlink("proc", "/proc")], None),
    "a name with a newline and escapes": (lambda m: [m.file(b"a\n\x1b[31m\\\xff b", b"x")], None),
}  # fmt: skip


@pytest.mark.parametrize("split", [False, True], ids=["one layer", "next layer"])
@pytest.mark.parametrize("attack", ATTACKS)
def test_contained_or_refused(tree, form, attack, split):
    make, words = ATTACKS[attack]
    members = make(form)
    layers = [archive(*members[:-1]), archive(members[-1])] if split else [archive(*members)]
    if words is None:
        tree.apply(*layers)
    else:
        assert words in tree.refuses(*layers)


def test_what_a_contained_attack_makes(tree):
    tree.apply(archive(tarbytes.symlink("l", "/x/../../deep"), tarbytes.file("l/new", b"n"), tarbytes.file("/abs/olute", b"a")))
    assert tree.listing() == {"abs": "dir", "abs/olute": "a", "deep": "dir", "deep/new": "n", "l": "-> /x/../../deep", "x": "dir"}


class TestSmuggling:
    """Names and sizes that one reader would see and another would not."""

    def test_the_path_of_a_global_header(self, tree):
        tree.apply(archive(pax(("path", "../../outside/new"), ("linkpath", "/etc"), type=b"g"), tarbytes.file("f", b"x")))
        assert tree.listing() == {"f": "x"}

    def test_a_prefix_with_dots(self, tree):
        assert "leaves the root" in tree.refuses(archive(header(name="new", prefix="../../outside")))

    def test_a_long_name_with_dots(self, tree):
        assert "leaves the root" in tree.refuses(archive(long("../../outside/new", b"L"), header(name="f")))

    def test_the_target_of_a_long_link(self, tree):
        assert "does not exist" in tree.refuses(
            archive(long(f"{tree.outside}/secret", b"K"), header(name="f", type=b"1", link="f"))
        )

    def test_sizes_that_disagree(self, tree):
        inner = archive(tarbytes.file("smuggled", b"x"))
        tree.apply(archive(pax(("size", str(len(inner)))), header(name="f", size=0), inner))
        assert list(tree.listing()) == ["f"]

    def test_a_link_that_claims_a_body(self, tree):
        tree.apply(archive(header(name="l", type=b"2", link="x", size=512), tarbytes.file("seen")))
        assert list(tree.listing()) == ["l", "seen"]

    @pytest.mark.parametrize(
        "size", [b"77777777777\0", b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7, b"\xff" * 12, b"-0000000001\0"]
    )
    def test_huge_and_negative_sizes(self, tree, size):
        sentence = tree.refuses(archive(header(name="f", size=size)))
        assert "more than 1000 times" in sentence or "cut" in sentence or "is not a number" in sentence

    def test_a_terabyte_of_holes(self, tree):
        sparse = pax(("GNU.sparse.map", "0,1"), ("GNU.sparse.size", str(1 << 40)), ("GNU.sparse.name", "f"))
        assert "more than 1000 times" in tree.refuses(archive(sparse + tarbytes.file("x", b"a")))

    @pytest.mark.parametrize("length", [1, 511, 513, 611])
    def test_truncation(self, tree, length):
        data = archive(tarbytes.file("a", b"x" * 100))
        assert "cut" in tree.refuses(data[:length])


class TestOddButLegal:
    """images.md C3, second table: what umoci does right and others do not."""

    def test_into_a_lower_directory_that_is_locked(self, tree):
        tree.apply(archive(tarbytes.directory("d", 0o555)), archive(tarbytes.file("d/new", b"x")))
        assert tree.node("d").mode == 0o555
        assert tree.on_disk("d").st_mode & 0o777 == 0o755
        assert tree.listing()["d/new"] == "x"

    def test_a_hard_link_to_a_lower_layer_then_one_name_replaced(self, tree):
        tree.apply(archive(tarbytes.file("a", b"old")), archive(tarbytes.hardlink("b", "a")))
        assert tree.on_disk("a").st_ino == tree.on_disk("b").st_ino
        tree.apply(archive(tarbytes.file("a", b"new")))
        assert tree.listing() == {"a": "new", "b": "old"}

    def test_the_mode_of_a_link_entry(self, tree):
        tree.apply(archive(tarbytes.file("a", mode=0o600), tarbytes.hardlink("b", "a", mode=0o755)))
        assert tree.on_disk("b").st_mode & 0o777 == 0o600

    def test_owners_and_setuid_are_in_the_index_alone(self, tree):
        tree.apply(archive(tarbytes.file("su", b"x", mode=0o6755, uid=100_000, gid=65536), tarbytes.directory("t", 0o1777)))
        assert (tree.node("su").mode, tree.node("su").uid, tree.node("su").gid) == (0o6755, 100_000, 65536)
        assert tree.on_disk("su").st_mode & 0o7777 == 0o755
        assert tree.on_disk("su").st_uid == os.getuid()
        assert tree.on_disk("t").st_mode & 0o7777 == 0o755

    def test_what_locks_its_owner_out(self, tree):
        tree.apply(
            archive(
                tarbytes.file("none", b"x", mode=0),
                tarbytes.file("x", b"y", mode=0o111),
                tarbytes.directory("d", 0),
                tarbytes.file("d/in", b"z"),
            )
        )
        assert [tree.on_disk(name).st_mode & 0o777 for name in ("none", "x", "d")] == [0o400, 0o511, 0o700]
        assert tree.listing() == {"none": "x", "x": "y", "d": "dir", "d/in": "z"}

    def test_times_of_directories_survive_what_is_put_into_them(self, tree):
        tree.apply(archive(tarbytes.directory("d", mtime=1000), tarbytes.file("d/a", mtime=2000)), archive(tarbytes.file("d/b")))
        assert tree.on_disk("d").st_mtime == 1000
        assert tree.on_disk("d/a").st_mtime == 2000

    def test_user_attributes_are_set_and_all_are_recorded(self, tree):
        records = [
            ("SCHILY.xattr.user.note", b"n\0"),
            ("SCHILY.xattr.security.capability", b"\1"),
            ("SCHILY.xattr.trusted.x", b"t"),
        ]
        tree.apply(archive(pax(*records), tarbytes.file("f"), pax(*records), tarbytes.directory("d")))
        assert [name for name, _ in tree.node("f").xattrs] == [b"security.capability", b"trusted.x", b"user.note"]
        for name in ("f", "d"):
            try:
                assert os.getxattr(tree.root / name, "user.note") == b"n\0"
            except OSError:
                pytest.skip("no extended attributes here")
            assert os.listxattr(tree.root / name) == ["user.note"]

    def test_holes_stay_holes(self, tree):
        sparse = pax(("GNU.sparse.map", f"5,3,{8 << 20},2"), ("GNU.sparse.size", str(16 << 20)), ("GNU.sparse.name", "f"))
        tree.apply(archive(sparse + tarbytes.file("x", b"abcde")))
        assert tree.on_disk("f").st_size == 16 << 20
        assert tree.on_disk("f").st_blocks * 512 < 1 << 20

    def test_more_directories_than_descriptors_are_kept(self, tree):
        members = [tarbytes.file(f"d{number}/{name}", b"x") for name in "ab" for number in range(400)]
        tree.apply(archive(*members, *[tarbytes.hardlink(f"d{number}/c", f"d{399 - number}/a") for number in range(400)]))
        assert len(tree.listing()) == 1600

    def test_removing_many_levels(self, tree):
        deep = "/".join("d" * 200)
        tree.apply(archive(tarbytes.file(f"{deep}/f", b"x", form="pax")), archive(tarbytes.file("d", b"y")))
        assert tree.listing() == {"d": "y"}


def test_no_descriptor_is_left_open(tree):
    def opened():
        return sorted(os.listdir("/proc/self/fd"))

    before = opened()
    tree.apply(archive(tarbytes.file("a/b/c", b"x"), tarbytes.symlink("l", "a")))
    with pytest.raises(LayerError):
        tree.apply(archive(tarbytes.file("l/b/d", b"x"), tarbytes.file("../x")))
    assert opened() == before
