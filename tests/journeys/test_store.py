"""The store in a user's hands: room, sites, layers dropped, gc, prune, repair, moving, sharing."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.images.build import Layout, directory, file, layer
from tests.product import Sampan


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "layout")


@pytest.fixture
def served(faulty, layout):
    """Three images on one base at the faulty registry: `x:base`, `x:one`, `x:two`; gives the reference of a tag."""
    base = layer([directory("data"), *[file(f"data/{number}", random.Random(number).randbytes(40_000)) for number in range(20)]])
    layout.tag("base", layout.image([base]))
    for name in ("one", "two"):
        layout.tag(name, layout.image([base, layer([file(name, random.Random(name).randbytes(100_000))])], {"Cmd": ["true"]}))
    faulty.add(layout)
    return lambda tag: f"{faulty.host}/x:{tag}"


def blobs_of(sampan) -> set[str]:
    return set(os.listdir(sampan.home / "blobs/blobs/sha256"))


def is_whole(sampan) -> None:
    done = sampan("store", "fsck", "--contents")
    assert done.status == 0, done.text + done.err


class TestRoom:
    FAKE = """
import os, sys
real = os.statvfs
def statvfs(path):
    found = list(real(path))
    found[4] = int(os.environ["FREE"]) // found[1]
    found[5], found[7] = 1 << 20, int(os.environ["FREE_FILES"])
    return os.statvfs_result(found)
os.statvfs = statvfs
from sampan.__main__ import main
sys.exit(main(sys.argv[1:]))
"""

    def pull(self, sampan, reference, free, files=1 << 20):
        return subprocess.run(
            [sys.executable, "-c", self.FAKE, "pull", reference], capture_output=True, text=True, cwd=sampan.directory,
            env={**sampan.environment(), "FREE": str(free), "FREE_FILES": str(files)},
        )  # fmt: skip

    def test_too_little_is_said_before_the_download(self, sampan, served, faulty):
        done = self.pull(sampan, served("one"), 1_000_000)
        assert done.returncode == 125
        assert "it needs 2 MB at the least (1 MB to fetch and as much again unpacked), and 1 MB are free in" in done.stderr
        assert str(sampan.home) in done.stderr
        assert "SAMPAN_HOME" in done.stderr
        assert all(len(faulty.asked(f"blobs/{digest}")) == 0 for digest in self.layers(faulty))

    @staticmethod
    def layers(faulty):
        return [digest for digest, (data, _) in faulty.blobs.items() if len(data) > 50_000]

    def test_what_is_only_likely_is_a_warning(self, sampan, served):
        done = self.pull(sampan, served("one"), 3_000_000)
        assert done.returncode == 0
        assert "will probably need about 4 MB (1 MB to fetch, some 3 MB unpacked), and only 3 MB are free in" in done.stderr

    def test_files_are_counted_too(self, sampan, served):
        done = self.pull(sampan, served("one"), 1 << 40, 40)
        assert done.returncode == 0
        assert f"will probably have some 75 files, and only 40 more can be made in {sampan.home}" in done.stderr
        assert "SAMPAN_HOME" in done.stderr

    def test_no_more_files_at_all(self, sampan, served, faulty):
        done = self.pull(sampan, served("one"), 1 << 40, 0)
        assert done.returncode == 125
        assert f"no more files can be made in {sampan.home}" in done.stderr
        assert "hint: " in done.stderr
        assert all(len(faulty.asked(f"blobs/{digest}")) == 0 for digest in self.layers(faulty))

    def test_a_file_system_that_counts_no_files(self, sampan, served):
        """As btrfs: zero of zero."""
        fake = self.FAKE.replace("1 << 20, int", "0, int")
        assert fake != self.FAKE
        done = subprocess.run(
            [sys.executable, "-c", fake, "pull", served("one")], capture_output=True, text=True, cwd=sampan.directory,
            env={**sampan.environment(), "FREE": str(1 << 40), "FREE_FILES": "0"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")

    def test_what_is_there_needs_none(self, sampan, served):
        sampan.good("pull", served("base"))
        assert self.pull(sampan, served("one"), 400_000).returncode == 0
        assert self.pull(sampan, served("one"), 0).returncode == 0


class TestKeepBlobs:
    def test_layers_go_after_unpacking(self, sampan, served, faulty):
        sampan.good("pull", served("one"), SAMPAN_KEEP_BLOBS="0")
        manifest = json.loads(faulty.blobs[faulty.tags["x", "one"]][0])
        assert blobs_of(sampan) == {
            digest.partition(":")[2] for digest in (faulty.tags["x", "one"], manifest["config"]["digest"])
        }
        is_whole(sampan)
        faulty.requests.clear()
        sampan.good("pull", served("two"), SAMPAN_KEEP_BLOBS="0")
        # The base has no tree of its own, and its layer was dropped: it is fetched again, its files are the same inodes.
        trees = sorted((sampan.home / "trees").glob("*/rootfs/data/3"))
        assert os.stat(trees[0]).st_ino == os.stat(trees[1]).st_ino
        is_whole(sampan)
        faulty.requests.clear()
        sampan.good("pull", served("one"), SAMPAN_KEEP_BLOBS="0")
        assert [one.path for one in faulty.requests if manifest["layers"][0]["digest"] in one.path] == []

    def test_what_needs_them_says_so(self, sampan, served, registry, tmp_path):
        sampan.good("pull", served("one"), SAMPAN_KEEP_BLOBS="0")
        sampan.good("tag", served("one"), registry.reference("kept/one:1"))
        for words in (("push", registry.reference("kept/one:1")), ("save", "-o", "one.tar", served("one"))):
            done = sampan(*words)
            assert done.status == 125, words
            assert "keep_blobs" in done.err, words
            assert "pull" in done.err.partition("hint: ")[2], words
        assert not (sampan.directory / "one.tar").exists()
        # What a person is told to do, helps.
        sampan.good("pull", served("one"), SAMPAN_KEEP_BLOBS="1")
        sampan.good("push", registry.reference("kept/one:1"))
        sampan.good("save", "-o", "one.tar", served("one"))


class TestSites:
    @pytest.fixture
    def site(self, tmp_path, served):
        site = Sampan(tmp_path / "site", tmp_path)
        site.good("store", "init", "--shared")
        site.good("pull", served("one"))
        return site

    def test_an_image_of_the_site_is_used_in_place(self, sampan, site, served, faulty):
        faulty.requests.clear()
        listed = json.loads(sampan.good("images", "--format", "json", SAMPAN_STORES=str(site.home)).text)
        assert [entry["store"] for entry in listed] == [str(site.home)]
        shown = json.loads(sampan.good("inspect", served("one"), SAMPAN_STORES=str(site.home)).text)
        assert (shown[0] if isinstance(shown, list) else shown)["tree"].startswith(str(site.home))
        assert faulty.requests == []

    def test_a_pull_of_what_the_site_has_unpacks_nothing(self, sampan, site, served, faulty):
        faulty.requests.clear()
        done = sampan.good("pull", served("one"), SAMPAN_STORES=str(site.home))
        assert f"is used where it is unpacked: {site.home}/trees/" in done.err
        assert os.listdir(sampan.home / "trees") == []
        assert [
            one.path
            for one in faulty.requests
            if "blobs" in one.path and len(faulty.blobs[one.path.rpartition("/")[2]][0]) > 5000
        ] == []
        is_whole(sampan)

    def test_layers_and_base_of_the_site_are_not_fetched(self, sampan, site, served, faulty):
        site.good("pull", served("base"))
        faulty.requests.clear()
        sampan.good("pull", served("two"), SAMPAN_STORES=str(site.home))
        large = [
            one.path
            for one in faulty.requests
            if "/blobs/" in one.path and len(faulty.blobs[one.path.rpartition("/")[2]][0]) > 5000
        ]
        assert len(large) == 1
        is_whole(sampan)

    def test_one_that_cannot_be_written(self, sampan, busybox, tmp_path):
        """Whatever a user does, a site's store stays as it is; here nothing of it but the image's own files could be written."""
        site = Sampan(tmp_path / "site", tmp_path)
        site.good("store", "init", "--shared")
        site.good("pull", busybox)
        subprocess.run(["find", site.home, "-name", "rootfs", "-prune", "-o", "-exec", "chmod", "a-w", "{}", "+"], check=True)
        try:
            before = self.listed(site.home)
            environment = {"SAMPAN_STORES": str(site.home)}
            assert sampan.good("run", busybox, **environment).text == "two\n"
            sampan.good("create", "--name", "kept", busybox, "sh", "-c", "echo more >>/etc/motd; cat /etc/motd", **environment)
            assert sampan.good("start", "kept", **environment).text == "two\nmore\n"
            assert sampan.good("start", "kept", **environment).text == "two\nmore\nmore\n"
            sampan.good("wrap", "-o", "file", busybox, **environment)
            assert subprocess.run([sampan.directory / "file"], capture_output=True, check=True).stdout == b"two\n"
            done = sampan("rmi", busybox, **environment)
            assert done.status == 125
            assert str(site.home) in done.err
            sampan.good("rm", "kept", **environment)
            sampan.good("store", "gc", "--grace", "0", **environment)
            sampan.good("store", "fsck", "--contents", **environment)
            assert self.listed(site.home) == before
            assert os.listdir(sampan.home / "trees") == []
        finally:
            subprocess.run(["chmod", "-R", "u+w", site.home], check=True)

    @staticmethod
    def listed(home):
        found = []
        for here, directories, files in os.walk(home):
            for name in (*directories, *files):
                status = os.lstat(os.path.join(here, name))
                found.append((here, name, status.st_mode, status.st_ino, status.st_nlink, status.st_size, status.st_mtime_ns))
        return sorted(found)

    def test_one_that_cannot_be_read(self, sampan, served, tmp_path):
        done = sampan("pull", served("one"), SAMPAN_STORES=str(tmp_path / "nowhere"))
        assert done.status == 0


class TestVerbs:
    def test_gc(self, sampan, served):
        sampan.good("pull", served("one"))
        sampan.good("pull", served("two"))
        assert sampan.good("store", "gc", "--grace", "0").text == ""
        (sampan.home / "names" / next(name for name in os.listdir(sampan.home / "names") if name.endswith("one"))).unlink()
        assert [line.split()[0] for line in sampan.good("store", "gc").lines] == [
            "tree"
        ]  # never used; blobs were stored just now
        done = sampan.good("store", "gc", "--grace", "0")
        assert [line.split()[0] for line in done.lines] == ["blob", "blob", "blob"]
        assert "removed 0 trees and 3 blobs" in done.err
        is_whole(sampan)

    def test_prune(self, sampan, served):
        for tag in ("one", "two"):
            sampan.good("pull", served(tag))
        assert sampan("store", "prune").status == 125
        done = sampan.good("store", "prune", "--to", "1MB")
        assert len(done.lines) == 1
        assert "removed 1 images" in done.err
        done = sampan("store", "prune", "--to", "1B")
        assert done.status == 125
        assert "still takes" in done.err
        is_whole(sampan)

    def test_repair(self, sampan, served):
        sampan.good("pull", served("one"))
        tree = next((sampan.home / "trees").iterdir())
        (tree / "rootfs/data/3").unlink()
        done = sampan("store", "fsck")
        assert done.status == 125
        assert done.text == f"{tree}/rootfs/data was changed after it was unpacked\n"
        done = sampan.good("store", "fsck", "--repair")
        assert done.lines[0].endswith("rootfs/data was changed after it was unpacked: unpacked it again from its layers")
        assert "in order again" in done.err
        is_whole(sampan)

    def test_move(self, sampan, served, tmp_path):
        sampan.good("pull", served("one"))
        assert sampan.good("store", "move", "elsewhere").text == f"{tmp_path}/elsewhere\n"
        assert os.readlink(sampan.home) == f"{tmp_path}/elsewhere"
        is_whole(sampan)
        sampan.good("pull", served("two"))
        assert len(os.listdir(tmp_path / "elsewhere/trees")) == 2

    @pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no second file system")
    def test_move_to_another_file_system_and_back(self, sampan, served, tmp_path):
        sampan.good("pull", served("one"))
        sampan.good("pull", served("two"))
        before = (sampan.home / "trees").stat().st_dev
        other = Path(f"/dev/shm/sampan-test-{os.getpid()}")
        try:
            sampan.good("store", "move", other / "store")
            assert (sampan.home / "trees").stat().st_dev != before
            inodes = {path.stat().st_ino for path in (sampan.home / "trees").glob("*/rootfs/data/3")}
            assert len(inodes) == 1
            is_whole(sampan)
            sampan.good("store", "move", tmp_path / "back")
            assert os.listdir(other) == []
            is_whole(sampan)
        finally:
            shutil.rmtree(other, ignore_errors=True)

    def test_init(self, sampan, tmp_path):
        assert sampan.good("store", "init", "--shared", "site").text == f"{tmp_path}/site\n"
        assert (tmp_path / "site").stat().st_mode & 0o777 == 0o755
        assert sampan.good("store", "init").text == f"{sampan.home}\n"
        assert sampan.home.stat().st_mode & 0o777 == 0o700
        (tmp_path / "other").mkdir()
        (tmp_path / "other/x").write_text("")
        assert "holds other things" in sampan("store", "init", "other").err


def test_equal_files_of_unrelated_images_take_the_room_of_one(sampan, faulty, layout):
    data = random.Random(3).randbytes(2_000_000)
    layout.tag("a", layout.image([layer([file("usr/share/model", data)])]))
    layout.tag("b", layout.image([layer([directory("opt"), file("opt/copy-of-the-model", data)])]))
    faulty.add(layout)
    sampan.good("pull", f"{faulty.host}/x:a")
    before = int(json.loads(sampan.good("store", "du", "--format", "json").text)[1]["size"])
    sampan.good("pull", f"{faulty.host}/x:b")
    after = int(json.loads(sampan.good("store", "du", "--format", "json").text)[1]["size"])
    assert after - before < 100_000
