"""Trees: built once whoever comes, from the longest prefix that is there, and nothing of a failed build is left."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import sampan
from sampan.errors import CorruptRecord, DigestMismatch, LayerError, StoreError, Unreachable, UsageError
from sampan.events import SILENT_NOTICE, Task
from sampan.layers.follow import GrowingFile
from sampan.layers.unpack import Layer
from sampan.store import blobs, build, fsck, layout, locks, pins, programs, trees
from sampan.store.leases import Lease
from tests.images.stored import add_image, digest_of, new_store, sources, unpack
from tests.images.tarbytes import archive, directory, file, hardlink, symlink, whiteout

pytestmark = pytest.mark.client
BASE = archive(
    directory("etc"),
    file("etc/motd", b"hello" * 1000),
    hardlink("etc/same", "etc/motd"),
    symlink("lib", "usr/lib"),
    directory("usr/lib"),
)
TOP = archive(file("etc/motd", b"new"), file("lib/x", b"x"), whiteout("etc/same"))
REFERENCE = "docker.io/library/a:1"


@pytest.fixture
def store(tmp_path):
    return new_store(tmp_path)


def is_whole(store):
    return list(fsck.check(store, True, Task())) == []


def leftovers(store):
    return sorted(name for name in os.listdir(store.join("tmp")) if not name.endswith("-lease"))


def content(tree, name):
    return Path(tree.rootfs, name).read_text()


class TestBuild:
    def test_a_tree(self, store):
        image = add_image(store, REFERENCE, [BASE, TOP])
        tree = trees.find(store, image.chain)
        assert content(tree, "etc/motd") == "new"
        assert content(tree, "usr/lib/x") == "x"
        facts = trees.facts(tree)
        assert facts.layers == (str(digest_of(BASE)), str(digest_of(TOP)))
        assert (facts.entries, facts.files, facts.directories, facts.size) == (6, 2, 3, 4)
        assert os.stat(tree.used).st_mtime == 0
        trees.touch(tree)
        assert os.stat(tree.used).st_mtime > 1e9
        assert [found.chain for found in trees.listing(store)] == [image.chain]
        assert is_whole(store)
        assert leftovers(store) == []

    def test_the_chain_names_it(self, store):
        import hashlib

        image = add_image(store, REFERENCE, [BASE, TOP])
        chain = hashlib.sha256(f"{digest_of(BASE)} {digest_of(TOP)}".encode()).hexdigest()
        assert image.chain == f"sha256:{chain}"
        assert os.listdir(store.join("trees")) == [chain]

    def test_an_image_without_layers(self, store):
        image = add_image(store, REFERENCE, [])
        assert os.listdir(trees.find(store, image.chain).rootfs) == []
        assert is_whole(store)

    def test_the_same_blob_twice(self, store):
        image = add_image(store, REFERENCE, [TOP, BASE, BASE])
        assert content(trees.find(store, image.chain), "etc/motd") == "hello" * 1000
        assert is_whole(store)

    def test_begins_as_the_longest_prefix(self, store):
        first = trees.find(store, add_image(store, REFERENCE, [BASE]).chain)
        with Lease(store) as lease:
            base = build.base_for(lease, [digest_of(BASE), digest_of(TOP)])
            assert (base.depth, base.tree.chain) == (1, first.chain)
        second = trees.find(store, add_image(store, "docker.io/library/b:1", [BASE, archive(file("more"))]).chain)
        assert os.stat(f"{first.rootfs}/etc/motd").st_ino == os.stat(f"{second.rootfs}/etc/motd").st_ino
        assert os.stat(f"{second.rootfs}/etc/motd").st_nlink == 4
        add_image(store, "docker.io/library/c:1", [BASE, TOP])
        assert content(first, "etc/motd") == "hello" * 1000
        assert is_whole(store)

    def test_a_base_gives_the_same_tree_as_none(self, tmp_path):
        one, other = new_store(tmp_path / "one"), new_store(tmp_path / "other")
        add_image(one, REFERENCE, [BASE])
        found = [trees.find(store, add_image(store, "x/b:1", [BASE, TOP]).chain) for store in (one, other)]
        assert Path(found[0].index).read_bytes() == Path(found[1].index).read_bytes()

    def test_one_that_is_there_is_not_built_again(self, store):
        add_image(store, REFERENCE, [BASE])
        with Lease(store) as lease:
            layer = Layer(GrowingFile(), digest_of(BASE), 1)  # a source that never comes
            tree = build.build(lease, [digest_of(BASE)], build.Base(None, 0), [layer], SILENT_NOTICE)
            assert tree.chain == str(digest_of(BASE))

    @pytest.mark.parametrize("diff_ids", [[BASE], [TOP, BASE], [BASE, TOP, TOP]])
    def test_layers_that_are_not_the_image(self, store, diff_ids):
        add_image(store, REFERENCE, [BASE, TOP])
        with Lease(store) as lease, pytest.raises(LayerError, match="are not those of the image"):
            build.build(
                lease, [digest_of(data) for data in diff_ids], build.Base(None, 0), sources(store, [BASE, TOP]), SILENT_NOTICE
            )

    def test_too_many_layers(self, store):
        layers = [digest_of(BASE)] * 1001
        with Lease(store) as lease, pytest.raises(LayerError, match="1001 layers, more than the limit of 1000"):
            build.build(lease, layers, build.Base(None, 0), [], SILENT_NOTICE)


class TestFailures:
    @pytest.mark.parametrize("bad", [archive(file("../x")), BASE[:-2000], b"\x1f\x8b\x08 no gzip", b"garbage" * 100])
    def test_nothing_is_left(self, store, bad):
        add_image(store, REFERENCE, [BASE])
        with Lease(store) as lease:
            blobs.add(lease, [bad])
            source = GrowingFile.complete(descriptor := os.open(blobs.path_of(store, digest_of(bad)), os.O_RDONLY))
            os.close(descriptor)
            with pytest.raises(LayerError):
                build.build(
                    lease, [digest_of(BASE), digest_of(bad)], build.base_for(lease, [digest_of(BASE)]),
                    [Layer(source, digest_of(bad), len(bad))], SILENT_NOTICE,
                )  # fmt: skip
        assert leftovers(store) == []
        assert len(os.listdir(store.join("trees"))) == 1
        assert is_whole(store)

    def test_wrong_diff_id(self, store):
        with Lease(store) as lease:
            blobs.add(lease, [BASE])
            descriptor = os.open(blobs.path_of(store, digest_of(BASE)), os.O_RDONLY)
            layer = Layer(GrowingFile.complete(descriptor), digest_of(TOP), 10)
            os.close(descriptor)
            with pytest.raises(DigestMismatch):
                build.build(lease, [digest_of(TOP)], build.Base(None, 0), [layer], SILENT_NOTICE)
        assert leftovers(store) == os.listdir(store.join("trees")) == []

    def test_a_download_that_fails(self, store):
        source = GrowingFile()
        threading.Timer(0.05, source.fail, [Unreachable("gone")]).start()
        with Lease(store) as lease, pytest.raises(Unreachable):
            build.build(lease, [digest_of(BASE)], build.Base(None, 0), [Layer(source, digest_of(BASE), 10)], SILENT_NOTICE)
        assert leftovers(store) == []

    def test_a_damaged_base(self, store):
        base = trees.find(store, add_image(store, REFERENCE, [BASE]).chain)
        Path(base.rootfs, "etc/motd").unlink()
        with pytest.raises(StoreError, match="lacks a file that is in its index") as caught:
            add_image(store, "x/b:1", [BASE, TOP])
        assert "fsck" in caught.value.hint
        Path(base.index).write_text("#mtree\n")
        with pytest.raises(CorruptRecord, match="index .* is damaged"):
            add_image(store, "x/b:1", [BASE, TOP])
        assert leftovers(store) == []

    def test_a_store_that_cannot_be_written(self, store):
        if os.getuid() == 0:
            pytest.skip("root can write everything")
        with Lease(store) as lease:
            blobs.add(lease, [b"x"])
            os.chmod(store.join("tmp"), 0o500)
            with pytest.raises(StoreError, match="cannot unpack the image .*Permission denied"):
                build.build(lease, [], build.Base(None, 0), [], SILENT_NOTICE)
            os.chmod(store.join("tmp"), 0o700)

    def test_the_rename_was_lost_to_another(self, store, monkeypatch):
        """Without locks two build the same tree; the second finds it there and drops its own."""
        monkeypatch.setattr(locks.fcntl, "flock", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOLCK, "no locks")))
        first_done = threading.Event()
        real = build._give_name

        def late(place, goal):
            if threading.current_thread() is slow:
                first_done.wait()
            real(place, goal)

        monkeypatch.setattr(build, "_give_name", late)
        found = []

        def work():
            with Lease(store) as lease:
                found.append(unpack(lease, [BASE]))

        with Lease(store) as lease:
            import gzip

            blobs.add(lease, [gzip.compress(BASE, 1, mtime=0)])
        slow = threading.Thread(target=work)
        slow.start()
        work()
        first_done.set()
        slow.join()
        assert [tree.chain for tree in found] == [str(digest_of(BASE))] * 2
        assert [name for name in leftovers(store) if not name.endswith(".tree")] == []
        assert is_whole(store)


PULL = """
import sys
sys.path[:0] = {paths!r}
from tests.images.stored import *
from tests.unit.test_store_trees import BASE, TOP
add_image(open_store({store!r}), sys.argv[1], [BASE, TOP] if sys.argv[2] == "2" else [BASE])
"""


def program(store) -> list[str]:
    paths = [str(Path(__file__).parents[2]), str(Path(sampan.__file__).parents[1]), *sys.path]
    return [sys.executable, "-c", PULL.format(paths=paths, store=store.path)]


def test_many_processes_at_once(store):
    """All at once in a store that does not exist yet: the same image, and one above it."""
    running = [subprocess.Popen([*program(store), f"r/x{number % 3}:1", str(1 + number % 2)]) for number in range(8)]
    assert [process.wait() for process in running] == [0] * 8
    assert len(os.listdir(store.join("trees"))) == 2
    assert is_whole(store)
    assert leftovers(store) == []


class TestPins:
    def test_add_list_remove(self, store):
        one = pins.add(store, "sha256:1", "/home/ana/run.launch", "docker.io/library/a:1", "2026-01-01T00:00:00Z")
        other = pins.add(store, "sha256:2", "/b", "x", "2026-01-02T00:00:00Z")
        assert [pin.id for pin in pins.listing(store)] == [one.id, other.id]
        assert pins.listing(store)[0].file == "/home/ana/run.launch"
        with pytest.raises(UsageError, match="no pin begins"):
            pins.remove(store, "zz")
        with pytest.raises(UsageError, match="no pin begins"):
            pins.remove(store, "")
        assert pins.remove(store, one.id[:8]).id == one.id
        assert [pin.id for pin in pins.listing(store)] == [other.id]

    def test_damage(self, store):
        pin = pins.add(store, "sha256:1", "/a", "x", "2026")
        Path(store.join("pins", pin.id)).write_text(json.dumps({"format": 1}))
        with pytest.raises(CorruptRecord):
            pins.listing(store)


class TestPrograms:
    def test_copied_once(self, store, tmp_path):
        (tmp_path / "sampan-run").write_bytes(b"#!/bin/sh\necho one\n")
        path = programs.install(store, str(tmp_path / "sampan-run"), "sampan-run")
        assert subprocess.run([path], stdout=subprocess.PIPE, check=True).stdout == b"one\n"
        before = os.stat(path).st_ino
        assert programs.install(store, str(tmp_path / "sampan-run"), "sampan-run") == path
        assert os.stat(path).st_ino == before
        digest = path.split("/")[-2]
        assert programs.find(store, digest, "sampan-run") == path
        assert programs.find(store, "0" * 64, "sampan-run") is None
        (tmp_path / "sampan-run").write_bytes(b"#!/bin/sh\necho two\n")
        assert programs.install(store, str(tmp_path / "sampan-run"), "sampan-run") != path
        assert subprocess.run([path], stdout=subprocess.PIPE, check=True).stdout == b"one\n"

    def test_by_64_processes_that_run_it_at_once(self, store, tmp_path):
        shutil.copy("/bin/true", tmp_path / "true")
        source = str(Path(sampan.__file__).parents[1])
        words = (
            f"import sys, os; sys.path.insert(0, {source!r}); from sampan.store import programs; from sampan.store.layout import open_store; "
            f"path = programs.install(open_store({store.path!r}), {str(tmp_path / 'true')!r}, 'true'); os.execv(path, ['true'])"
        )
        running = [subprocess.Popen([sys.executable, "-I", "-S", "-c", words]) for _ in range(64)]
        assert [process.wait() for process in running] == [0] * 64
        assert leftovers(store) == []
        assert is_whole(store)

    def test_without_hard_links(self, store, tmp_path, monkeypatch):
        (tmp_path / "p").write_bytes(b"x")
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links")))
        assert Path(programs.install(store, str(tmp_path / "p"), "p")).read_bytes() == b"x"

    def test_errors(self, store, tmp_path):
        with pytest.raises(StoreError, match="cannot read"):
            programs.install(store, str(tmp_path / "none"), "p")


def test_a_store_of_the_site_is_read_only(store):
    image = add_image(store, REFERENCE, [BASE])
    site = layout.open_store(store.path, writable=False)
    tree = trees.find(site, image.chain)
    assert tree.used == ""
    trees.touch(tree)
    assert os.stat(f"{tree.directory}/used").st_mtime == 0
    assert trees.find(site, "sha256:" + "0" * 64) is None
    with pytest.raises(ValueError, match="is not a chain id"):
        trees.find(site, "sha256:../../etc")
