"""prune goes by last use and spares what is held; repair loses nothing; a shared store is readable and nothing more."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import stat
import time
from pathlib import Path

import pytest

from sampan.errors import StoreError, UsageError
from sampan.events import Task
from sampan.oci.digest import Digest
from sampan.runtime import store as flows
from sampan.store import blobs, build, du, fsck, gc, layout, names, pins, prune, trees
from sampan.store.leases import Lease
from sampan.store.repair import Repairs
from tests.images.stored import add_image, digest_of, new_store, sources, unpack
from tests.images.tarbytes import archive, directory, file

pytestmark = pytest.mark.client
MEGA = 1 << 20


def random_layer(number: int, size: int = MEGA) -> bytes:
    return archive(file(f"data/{number}", random.Random(number).randbytes(size)))


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


@pytest.fixture
def three(store):
    """Three images with a common base, used one after the other; the first is the one used longest ago."""
    images = [add_image(store, f"x/{name}:1", [random_layer(0), random_layer(number)]) for number, name in enumerate("abc", 1)]
    for age, image in zip((300, 200, 100), images):
        os.utime(trees.find(store, image.chain).used, (time.time() - age,) * 2)
    return images


def left(store):
    return [image.reference for image in names.listing(store)]


def faults(store):
    return [damage.sentence for damage in fsck.check(store, True, Task())]


class TestPrune:
    def test_small_enough_already(self, store, three):
        done = prune.prune(store, 10**9)
        assert (done.references, done.blobs, done.before == done.after) == ([], [], True)

    def test_layers_go_first_and_the_oldest_before_the_others(self, store, three):
        before = du.total(store)
        done = prune.prune(store, before - 1)
        assert len(done.blobs) == 1
        assert done.references == []
        manifest = json.loads(blobs.read(store, Digest.parse(three[0].manifest)))
        assert done.blobs == [manifest["layers"][1]["digest"]]  # its own; the base is used by the others too
        assert done.after == du.total(store) <= before - 1
        assert faults(store) == []

    def test_then_whole_images(self, store, three):
        trees_only = 4 * MEGA + 200_000
        done = prune.prune(store, trees_only)
        assert done.references == []
        assert len(done.blobs) == 4
        done = prune.prune(store, trees_only - MEGA)
        assert done.references == ["x/a:1"]
        assert left(store) == ["x/b:1", "x/c:1"]
        assert trees.find(store, three[0].chain) is None
        assert done.after == du.total(store)
        assert faults(store) == []

    def test_to_nothing(self, store, three):
        done = prune.prune(store, 0)
        assert left(store) == []
        assert done.held == []
        assert trees.names(store) == [str(name) for name, *_ in blobs.listing(store)] == []

    def test_an_image_with_two_names_goes_with_both(self, store, three):
        names.put(
            store, names.Image(**{name: getattr(three[0], name) for name in names.Image.__slots__} | {"reference": "y/a:2"})
        )
        done = prune.prune(store, 3 * MEGA)
        assert {"x/a:1", "y/a:2"} <= set(done.references)

    def test_what_is_held_stays(self, store, three):
        pins.add(store, three[0].chain, "/job", "x/a:1", "2026")
        done = prune.prune(store, 0)
        assert left(store) == ["x/a:1"]
        assert trees.find(store, three[0].chain) is not None
        assert len(done.held) == 1
        assert done.held[0].startswith("x/a:1 is held by pin ")
        assert faults(store) == []

    def test_what_a_running_pull_relies_on_stays(self, store, three):
        with Lease(store) as lease:
            lease.add(three[1].chain)
            digest = json.loads(blobs.read(store, Digest.parse(three[1].manifest)))["layers"][0]["digest"]
            lease.add(digest)
            prune.prune(store, 0)
            assert trees.names(store) == [three[1].chain.partition(":")[2]]
            assert blobs.size_of(store, Digest.parse(digest)) is not None

    def test_the_layers_of_an_image_that_is_not_unpacked_stay_until_it_goes(self, store, three):
        shutil.rmtree(trees.find(store, three[2].chain).directory)
        layers = [entry["digest"] for entry in json.loads(blobs.read(store, Digest.parse(three[2].manifest)))["layers"]]
        done = prune.prune(store, du.total(store) - 2 * MEGA)
        assert done.references == []
        assert not set(layers) & set(done.blobs)
        prune.prune(store, 0)
        assert left(store) == []

    def test_where_others_see_it_a_use_holds_too(self, store, three, monkeypatch):
        monkeypatch.setattr(prune.filesystems, "is_shared", lambda _: True)
        old = time.time() - 8 * 24 * 3600
        os.utime(trees.find(store, three[0].chain).used, (old, old))
        done = prune.prune(store, 0)
        assert left(store) == ["x/b:1", "x/c:1"]
        assert [sentence.partition(" is held by ")[2] for sentence in done.held] == [
            "its last use, which is less than 7 days ago"
        ] * 2


def test_what_is_freed_is_what_is_told(store, three):
    sizes = du.TreeSizes(store)
    before = du.total(store)
    for image in three:
        told = sizes.remove(image.chain.partition(":")[2])
        shutil.rmtree(trees.find(store, image.chain).directory)
        assert before - du.total(store) == pytest.approx(told, abs=8192)
        before = du.total(store)


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("20GB", 20 * 10**9), ("1.5 TB", 15 * 10**11), ("500m", 5 * 10**8), ("2GiB", 2 << 30), ("7B", 7), ("3k", 3000)],
)
def test_sizes(text, size):
    assert flows.parse_amount(text) == size


@pytest.mark.parametrize("text", ["", "B", "GB", "x", "1.2.3G", "-5G", "٣G", "1e9", "5 gigabytes"])
def test_no_sizes(text):
    with pytest.raises(UsageError, match="is not a size"):
        flows.parse_amount(text)


def test_times():
    assert [flows.parse_grace(text) for text in ("0", "7d", "12h", "5m", "9s")] == [0, 604800, 43200, 300, 9]
    for text in ("", "d", "7", "-1d", "1w"):
        with pytest.raises(UsageError, match="is not a time"):
            flows.parse_grace(text)


class TestRepair:
    def repaired(self, store):
        repairs = Repairs(store)
        done = [repairs.repair(damage) for damage in list(fsck.check(store, True, Task()))]
        assert list(fsck.check(store, True, Task())) == []
        return done

    def test_a_tree_from_its_layers(self, store, three):
        tree = trees.find(store, three[0].chain)
        used = os.stat(tree.used).st_mtime
        Path(tree.rootfs, "data/1").unlink()
        Path(tree.rootfs, "new").write_text("")
        done = self.repaired(store)
        assert set(done) == {"unpacked it again from its layers"}
        assert os.stat(tree.used).st_mtime == used
        assert os.listdir(store.join("tmp")) == [] or all("gone" in name for name in os.listdir(store.join("tmp")))

    def test_a_content_that_three_trees_share(self, store, three):
        """The same damaged inode is in all of them: none is mended with another's."""
        path = Path(trees.find(store, three[0].chain).rootfs, "data/0")
        times = os.stat(path)
        path.write_bytes(b"?" * MEGA)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert self.repaired(store) == ["unpacked it again from its layers"] * 3

    @pytest.mark.parametrize("spoil", ["index", "tree.json"])
    def test_records_of_a_tree(self, store, three, spoil):
        Path(trees.find(store, three[0].chain).directory, spoil).write_text("{")
        assert self.repaired(store) == ["unpacked it again from its layers"]

    def test_without_its_layers_it_is_removed(self, store, three):
        prune.prune(store, 4 * MEGA + 200_000)
        Path(trees.find(store, three[0].chain).rootfs, "data/1").unlink()
        assert self.repaired(store) == ["removed it; `sampan pull x/a:1` brings it back"]
        assert trees.find(store, three[0].chain) is None
        assert left(store) == ["x/a:1", "x/b:1", "x/c:1"]

    def test_unless_a_container_needs_it(self, store, three):
        prune.prune(store, 4 * MEGA + 200_000)
        pins.add(store, three[0].chain, "/job", "x/a:1", "2026")
        Path(trees.find(store, three[0].chain).rootfs, "data/1").unlink()
        damages = list(fsck.check(store, False, Task()))
        assert [Repairs(store).repair(damage) for damage in damages] == [""]
        assert trees.find(store, three[0].chain) is not None

    def test_a_layer_that_is_damaged_too(self, store, three):
        manifest = json.loads(blobs.read(store, Digest.parse(three[0].manifest)))
        blob = Path(blobs.path_of(store, Digest.parse(manifest["layers"][1]["digest"])))
        blob.write_bytes(b"?")
        Path(trees.find(store, three[0].chain).rootfs, "data/1").unlink()
        assert self.repaired(store) == ["removed it", "removed it; `sampan pull x/a:1` brings it back"]

    def test_small_things(self, store, three):
        os.rmdir(store.join("pins"))
        os.chmod(store.path, 0o777)
        Path(store.join("names/odd")).write_text("{")
        done = self.repaired(store)
        assert sorted(done) == ["made it", "removed it; pull the image again", "took the permission away"]
        assert left(store) == ["x/a:1", "x/b:1", "x/c:1"]

    def test_a_killed_repair_gives_the_old_tree_back(self, store, three, monkeypatch):
        tree = trees.find(store, three[0].chain)
        Path(tree.rootfs, "data/1").unlink()
        moved = []

        def give_name(*_):
            moved.append(os.listdir(store.join("trees")))
            raise KeyboardInterrupt

        monkeypatch.setattr(build, "_give_name", give_name)
        with pytest.raises(KeyboardInterrupt):
            self.repaired(store)
        assert len(moved[0]) == 2
        monkeypatch.setattr(layout, "start_time", lambda _: None)  # as a later process sees the dead one
        from sampan.store import sweep

        sweep.leftovers(store)
        assert Path(tree.rootfs, "data/0").exists()


class TestShared:
    def test_everyone_reads_and_nobody_writes(self, store, tmp_path):
        old = os.umask(0o077)
        try:
            layout.create_shared(store)
            secret = archive(directory("root", 0o700), file("root/x", b"x" * 5000, mode=0o600), file("run", b"r", mode=0o4711))
            image = add_image(store, "x/a:1", [secret])
            add_image(store, "x/b:1", [secret, archive(file("more", b"m"))])
        finally:
            os.umask(old)
        for kind in ("names", "blobs", "trees"):
            for here, _, files in os.walk(store.join(kind)):
                assert stat.S_IMODE(os.stat(here).st_mode) & 0o577 == 0o555, here
                for name in files:
                    mode = stat.S_IMODE(os.stat(os.path.join(here, name)).st_mode)
                    assert (mode & 0o444, mode & 0o022) == (0o444, 0), (here, name)
        assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o755
        for name in ("containers", "pins", "tmp"):
            assert stat.S_IMODE(os.stat(store.join(name)).st_mode) == 0o700
        assert faults(store) == []
        assert [damage.sentence for damage in fsck.check(store, False, Task())] == []
        assert trees.find(layout.open_store(store.path, writable=False), image.chain) is not None

    def test_one_with_images_is_not_opened(self, store):
        add_image(store, "x/a:1", [archive(file("a"))])
        with pytest.raises(StoreError, match="has images already"):
            layout.create_shared(store)
        assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o700

    def test_twice(self, store):
        layout.create_shared(store)
        layout.create_shared(store)
        assert faults(store) == []

    def test_a_tree_goes_only_after_the_grace_time(self, store):
        """Those who run from it leave no trace, so it is marked first."""
        layout.create_shared(store)
        image = add_image(store, "x/a:1", [archive(file("a"))])
        names.remove(store, "x/a:1")
        assert gc.collect(store, 0, 0).trees == []
        assert gc.collect(store, 0, 0).trees == []
        mark = f"{trees.find(store, image.chain).directory}/unheld"
        old = time.time() - 8 * 24 * 3600
        os.utime(mark, (old, old))
        names.put(store, image)
        assert gc.collect(store, 0, 0).trees == []
        assert not os.path.exists(mark)
        names.remove(store, "x/a:1")
        assert gc.collect(store, 0, 0).trees == []
        os.utime(mark, (old, old))
        assert gc.collect(store, 0, 0).trees == [image.chain]


class TestSites:
    BASE, TOP = archive(file("base", b"b" * 9000), file("dup", b"d" * 5000)), archive(file("top", b"t"))

    def build_above(self, store, site, layers):
        with Lease(store) as lease:
            for data in layers:
                blobs.add(lease, [gzip.compress(data, 1, mtime=0)])
            diff_ids = [digest_of(data) for data in layers]
            base = build.base_for(lease, diff_ids, [site])
            from sampan.events import SILENT_NOTICE

            return base, build.build(lease, diff_ids, base, sources(store, layers, base.depth), SILENT_NOTICE)

    @pytest.fixture
    def site(self, tmp_path):
        site = new_store(tmp_path / "site")
        add_image(site, "x/base:1", [self.BASE])
        return layout.open_store(site.path, writable=False)

    @pytest.mark.parametrize("owner", ["ours", "theirs"])
    def test_a_base_of_the_site(self, store, site, monkeypatch, owner):
        if owner == "theirs":
            monkeypatch.setattr(build, "_may_link", lambda where, _: where is None)
        base, tree = self.build_above(store, site, [self.BASE, self.TOP])
        assert base.depth == 1
        assert base.tree.directory.startswith(site.path)
        source = next(Path(site.path).glob("trees/*/rootfs/base"))
        linked = os.stat(source).st_ino == os.stat(f"{tree.rootfs}/base").st_ino
        assert linked == (owner == "ours")
        assert faults(store) == []
        assert Path(tree.rootfs, "base").read_bytes() == b"b" * 9000
        if owner == "theirs":
            # A second image above the same base shares with the first, not with the site.
            _, other = self.build_above(store, site, [self.BASE, archive(file("other"))])
            assert os.stat(f"{other.rootfs}/base").st_ino == os.stat(f"{tree.rootfs}/base").st_ino
            assert os.stat(source).st_nlink == 1
            assert faults(store) == []

    def test_the_own_base_comes_first(self, store, site, monkeypatch):
        monkeypatch.setattr(build, "_may_link", lambda *_: False)
        add_image(store, "x/own:1", [self.BASE])
        base, _ = self.build_above(store, site, [self.BASE, self.TOP])
        assert base.tree.directory.startswith(store.path)

    def test_what_gc_leaves_of_a_killed_collection(self, store):
        image = add_image(store, "x/a:1", [self.BASE])
        names.remove(store, "x/a:1")
        tree = trees.find(store, image.chain)
        candidates = [
            gc._Candidate(tree.directory, image.chain, 0, is_tree=True),
            gc._Candidate(blobs.path_of(store, Digest.parse(image.config)), image.config, 0, is_tree=False),
        ]
        for one in candidates:
            assert gc._move(store, one)
        assert trees.find(store, image.chain) is None
        from sampan.store import sweep

        sweep.leftovers(store)
        assert trees.find(store, image.chain) is None  # this process lives
        for one in candidates:
            dead = one.place.replace(f".{os.getpid()}.", ".4194305.")
            os.rename(one.place, dead)
        sweep.leftovers(store)
        assert trees.find(store, image.chain) is not None
        assert blobs.read(store, Digest.parse(image.config))
        assert os.listdir(store.join("tmp")) == []


def test_a_blob_of_a_site_is_taken_verified(tmp_path):
    own, site = new_store(tmp_path / "own"), new_store(tmp_path / "site")
    with Lease(site) as lease:
        digest, _ = blobs.add(lease, [b"content"])
    with Lease(own) as lease, blobs.fetching(lease, digest) as stream:
        assert blobs.copy_from([own, site], digest, stream)
    assert blobs.read(own, digest) == b"content"
    other = digest_of(b"other")
    Path(blobs.path_of(site, other)).write_bytes(b"not that")
    with Lease(own) as lease, blobs.fetching(lease, other) as stream:
        assert not blobs.copy_from([site], other, stream)
        stream.write(b"other")
    assert blobs.read(own, other) == b"other"


def test_unpack_is_used(store):
    with Lease(store) as lease:
        blobs.add(lease, [gzip.compress(random_layer(9), 1, mtime=0)])
        assert unpack(lease, [random_layer(9)]).chain
