"""Equal files of other trees are linked: the same content and attributes, and never two names of one tree."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

import pytest

from sampan.events import Task
from sampan.layers import mtree
from sampan.store import contents, equal, fsck, trees
from tests.images.stored import add_image, new_store
from tests.images.tarbytes import MTIME, archive, directory, file, hardlink, pax, whiteout

pytestmark = pytest.mark.client
BIG = b"b" * 5000


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


def tree_of(store, name, *layers):
    return Path(trees.find(store, add_image(store, f"x/{name}:1", list(layers)).chain).rootfs)


def inode(path):
    return os.lstat(path).st_ino


def is_whole(store):
    return [damage.sentence for damage in fsck.check(store, True, Task())] == []


class TestLinked:
    def test_the_same_file_elsewhere(self, store):
        one = tree_of(store, "a", archive(file("usr/lib/x", BIG), file("other", b"o" * 9000)))
        two = tree_of(store, "b", archive(directory("opt"), file("opt/y", BIG)))
        assert inode(one / "usr/lib/x") == inode(two / "opt/y")
        assert (two / "opt/y").read_bytes() == BIG
        assert is_whole(store)

    @pytest.mark.parametrize(
        "other",
        [
            file("x", b"B" * 5000),
            file("x", BIG + b"b"),
            file("x", BIG, mtime=MTIME + 1),
            file("x", BIG, mode=0o755),
            pax(("SCHILY.xattr.user.note", "n")) + file("x", BIG),
            pax(("mtime", f"{MTIME}.5")) + file("x", BIG),
        ],
    )
    def test_only_what_is_the_same(self, store, other):
        one = tree_of(store, "a", archive(file("x", BIG)))
        two = tree_of(store, "b", archive(other))
        assert inode(one / "x") != inode(two / "x")
        assert is_whole(store)

    def test_owner_and_setuid_are_the_index_s(self, store):
        one = tree_of(store, "a", archive(file("x", BIG, mode=0o4755, uid=7)))
        two = tree_of(store, "b", archive(file("x", BIG, mode=0o755)))
        assert inode(one / "x") == inode(two / "x")
        assert is_whole(store)

    def test_small_files_are_not(self, store):
        one = tree_of(store, "a", archive(file("x", b"x" * 4095)))
        two = tree_of(store, "b", archive(file("y", b"x" * 4095)))
        assert inode(one / "x") != inode(two / "y")

    @pytest.mark.parametrize("size", [equal.contents.MIN_SIZE, 4 << 20, (4 << 20) + 1, 9 << 20])
    def test_of_every_size(self, store, size):
        data = random.Random(size).randbytes(size)
        one = tree_of(store, "a", archive(file("x", data)))
        two = tree_of(store, "b", archive(file("d/y", data), file("d/z", b"z")))
        assert inode(one / "x") == inode(two / "d/y")
        assert sorted(os.listdir(two / "d")) == ["y", "z"]
        assert is_whole(store)

    def test_files_with_holes(self, store):
        sparse = pax(("GNU.sparse.map", f"5,3,{8 << 20},2"), ("GNU.sparse.size", str(16 << 20)), ("GNU.sparse.name", "f"))
        one = tree_of(store, "a", archive(sparse + file("x", b"abcde")))
        two = tree_of(store, "b", archive(file("a"), sparse + file("x", b"abcde")))
        assert inode(one / "f") == inode(two / "f")
        assert is_whole(store)


class TestOneNameATree:
    def test_a_content_that_stands_twice(self, store):
        one = tree_of(store, "a", archive(file("x", BIG), file("y", BIG)))
        two = tree_of(store, "b", archive(file("1", BIG), file("2", BIG), file("3", BIG)))
        assert inode(one / "x") != inode(one / "y")
        assert len({inode(two / name) for name in "123"}) == 3
        assert {inode(two / "1"), inode(two / "2")} == {inode(one / "x"), inode(one / "y")}
        assert is_whole(store)

    def test_a_content_of_the_base(self, store):
        base = archive(file("x", BIG))
        one = tree_of(store, "a", base)
        two = tree_of(store, "b", base, archive(file("y", BIG)))
        assert inode(one / "x") == inode(two / "x") != inode(two / "y")
        three = tree_of(store, "c", base, archive(file("z", BIG), file("more")))
        assert inode(three / "z") == inode(two / "y")
        assert is_whole(store)

    def test_a_name_of_the_base_replaced_by_the_same(self, store):
        base = archive(file("x", BIG))
        tree_of(store, "a", base)
        tree_of(store, "b", base, archive(whiteout("x"), file("x", BIG)))
        assert is_whole(store)

    def test_groups_of_hard_links(self, store):
        one = tree_of(store, "a", archive(file("x", BIG), hardlink("y", "x")))
        two = tree_of(store, "b", archive(file("1", BIG), hardlink("2", "1"), file("3", BIG)))
        assert inode(one / "x") == inode(two / "1") == inode(two / "2") != inode(two / "3")
        assert is_whole(store)

    def test_random_images(self, store):
        chance = random.Random(5)
        pieces = [bytes([65 + number]) * chance.choice([10, 4096, 5000, 70_000]) for number in range(6)]
        layers = []
        for number in range(12):
            members = [file(f"{chance.choice('ab')}/{n}", chance.choice(pieces)) for n in range(chance.randrange(1, 8))]
            members.append(hardlink(f"l{number}", f"{'ab'[number % 2]}/0")) if members[0] else None
            layers.append(archive(file(f"{'ab'[number % 2]}/0", chance.choice(pieces)), *members))
        for number in range(20):
            tree_of(store, f"i{number}", *[chance.choice(layers) for _ in range(chance.randrange(1, 4))])
        assert is_whole(store)


class TestInTheWay:
    """Whatever it is, the file is written."""

    def both(self, store, between=lambda tree: None):
        one = tree_of(store, "a", archive(file("d/x", BIG)))
        between(one)
        two = tree_of(store, "b", archive(file("y", BIG)))
        assert (two / "y").read_bytes() == BIG
        return inode(two / "y")

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda tree: (tree.parent / "contents").unlink(),
            lambda tree: (tree.parent / "contents").write_bytes(b"sampan contents1xx"),
            lambda tree: (tree / "d/x").unlink(),
            lambda tree: (tree / "d/x").chmod(0o600),
            lambda tree: os.utime(tree / "d/x"),
            lambda tree: shutil.rmtree(tree / "d") or (tree / "d").symlink_to("/etc"),
            lambda tree: shutil.rmtree(tree.parent),
        ],
    )  # fmt: skip
    def test_what_was_lost_or_changed(self, store, spoil):
        kept = []
        self.both(store, lambda tree: kept.append(inode(tree / "d/x")) or spoil(tree))

    @pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK, errno.ENOENT])
    def test_links_that_fail(self, store, monkeypatch, number):
        def link(*_args, **_rest):
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "link", link)
        self.both(store)
        assert is_whole(store)

    def test_a_file_without_a_link_left_gets_a_successor(self, store, monkeypatch):
        one = tree_of(store, "a", archive(file("x", BIG)))
        full, real = inode(one / "x"), os.link

        def link(source, *rest, src_dir_fd=None, **more):
            if os.stat(source, dir_fd=src_dir_fd).st_ino == full:
                raise OSError(errno.EMLINK, "Too many links")
            real(source, *rest, src_dir_fd=src_dir_fd, **more)

        monkeypatch.setattr(os, "link", link)
        two = tree_of(store, "b", archive(file("y", BIG)))
        three = tree_of(store, "c", archive(file("z", BIG)))
        assert inode(two / "y") == inode(three / "z") != full
        assert is_whole(store)

    def test_many_that_look_alike_cost_little(self, store, monkeypatch):
        """Only so many are looked at, however often a content stands in the trees."""
        tree_of(store, "a", archive(*[file(str(number), BIG) for number in range(300)]))
        looked = []
        real = equal._Source._path
        monkeypatch.setattr(equal._Source, "_path", lambda *args: looked.append(1) or real(*args))
        tree_of(store, "b", archive(*[file(str(number), BIG) for number in range(300)]))
        assert len(looked) <= 300 * 16
        assert is_whole(store)


class TestTable:
    def test_it_follows_from_the_index(self, store):
        tree = tree_of(
            store, "a", archive(file("x", BIG), hardlink("y", "x"), file("small"), file("z", BIG + b"z", mode=0o700, uid=5))
        ).parent
        table = contents.load(str(tree))
        text = (tree / "index").read_bytes()
        found = [text[offset:].split(b" ")[0] for key in table.keys for offset in table.offsets(key)]
        assert sorted(found) == [b"./x", b"./z"]
        index = mtree.read(text.splitlines(keepends=True))
        for name in (b"x", b"z"):
            assert contents.key_of(mtree.attributes(index.lookup(name))) in table.keys

    def test_only_so_much_is_read(self, store, monkeypatch):
        monkeypatch.setattr(equal, "MAX_KEYS", 2)
        for number in range(4):
            tree_of(store, f"a{number}", archive(file("x", bytes([number]) * 5000)))
        found = equal.Equals(store, None)
        found._load()
        assert len(found._keys) == 3
        found.close()
