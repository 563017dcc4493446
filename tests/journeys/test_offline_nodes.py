"""Nodes without a network and stores on slow file systems: `--offline`, a site's store, `--stage`."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.journeys.conftest import BUSYBOX
from tests.peers.slowfs import mounted
from tests.product import Sampan


class TestOffline:
    def test_an_image_of_the_store_runs_and_another_is_named(self, shared_sampan):
        assert shared_sampan.good("run", "--offline", shared_sampan.image, "echo", "yes").lines == ["yes"]
        done = shared_sampan("run", "--offline", "localhost:1/other:1", "true")
        assert done.status == 125
        assert "no image localhost:1/other:1 in the store, and no registry may be asked" in done.err
        assert "sampan pull localhost:1/other:1" in done.err

    def test_as_a_setting_it_holds_for_every_command(self, shared_sampan):
        assert shared_sampan.good("pull", shared_sampan.image, SAMPAN_OFFLINE="1")
        for words in (
            ["push", shared_sampan.image, "localhost:1/y:1"],
            ["search", "localhost:1/x"],
            ["pull", "localhost:1/other:1"],
        ):
            done = shared_sampan(*words, SAMPAN_OFFLINE="1")
            assert done.status == 125, words
            assert "offline" in done.err or "no registry may be asked" in done.err
            assert len(done.err.splitlines()) <= 3

    def test_it_contradicts_asking(self, shared_sampan):
        done = shared_sampan("run", "--offline", "--pull", "always", shared_sampan.image, "true")
        assert done.status == 125
        assert "leave one of them away" in done.err


@pytest.fixture
def node(shared_sampan, tmp_path):
    """A node that has the store of `shared_sampan` as its site's, and an empty one."""
    return Sampan(
        tmp_path / "home",
        tmp_path,
        shared_sampan.image,
        variables={"SAMPAN_STORES": str(shared_sampan.home), "SAMPAN_OFFLINE": "1"},
    )


class TestStage:
    def trees(self, place):
        stores = list(place.glob("sampan-stage-*/trees/*"))
        return [path for path in stores if (path / "tree.json").exists()]

    def test_many_jobs_stage_once(self, node, tmp_path):
        local = tmp_path / "local"
        local.mkdir()
        words = ["run", "--stage", str(local), node.image, "sh", "-c", "echo ran; touch /written"]
        jobs = [node.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
        for job in jobs:
            out, err = job.communicate(timeout=120)
            assert (job.returncode, out) == (0, b"ran\n"), err
        (tree,) = self.trees(local)
        assert not (tree / "rootfs/written").exists()
        assert not list(local.glob("sampan-stage-*/blobs/blobs/sha256/*.partial"))
        assert list(local.glob("sampan-stage-*/tmp/*")) == []

    def test_a_staged_run_leaves_the_slow_store_alone(self, node, shared_sampan, tmp_path):
        local = tmp_path / "local"
        local.mkdir()
        node.good("run", node.image, "true", SAMPAN_STAGE=str(local))
        trace = tmp_path / "trace"
        done = subprocess.run(
            ["strace", "-f", "-qq", "-e", "trace=%file", "-o", trace, *node.command(), "run", node.image, "true"],
            env={**node.environment(), "SAMPAN_STAGE": str(local)}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        touched = [line for line in trace.read_text().splitlines() if f"{shared_sampan.home}/trees/" in line]
        assert all("/tree.json" in line for line in touched), touched
        assert f"{local}/sampan-stage-{os.getuid()}/trees/" in trace.read_text()

    def test_without_kept_layers_the_files_are_copied(self, shared_sampan, tmp_path):
        bare = Sampan(tmp_path / "bare", tmp_path, shared_sampan.image, variables={"SAMPAN_KEEP_BLOBS": "0"})
        bare.good("pull", shared_sampan.image)
        local = tmp_path / "local"
        local.mkdir()
        done = bare.good("run", "--stage", str(local), bare.image, "hello")
        assert "were not kept, so its files are copied" in done.err
        assert done.text.startswith("hello from ")
        (tree,) = self.trees(local)
        (own,) = [path for path in (tmp_path / "bare/trees").iterdir() if (path / "tree.json").exists()]
        assert (tree / "index").read_bytes() == (own / "index").read_bytes()
        assert (tree / "rootfs/bin").is_symlink()

    def test_no_place(self, node, tmp_path):
        done = node("run", "--stage", str(tmp_path / "none/such"), node.image, "true")
        assert done.status == 125
        assert "cannot stage images in" in done.err
        assert "a disk of this node" in done.err
        (tmp_path / f"sampan-stage-{os.getuid()}").symlink_to(tmp_path)
        done = node("run", "--stage", str(tmp_path), node.image, "true")
        assert done.status == 125
        assert "another user's, or no directory" in done.err

    def test_not_for_what_is_kept(self, node, tmp_path):
        done = node("run", "--stage", str(tmp_path), "--name", "kept", node.image, "true")
        assert done.status == 125
        assert "--stage is for runs that keep nothing" in done.err


@pytest.mark.skipif(not BUSYBOX.exists(), reason="busybox-static is not installed")
def test_a_start_from_a_site_store_costs_few_calls(shared_sampan, tmp_path):
    """With a program of the host, so that what the image's own would load is not counted."""
    with mounted(shared_sampan.home, tmp_path) as slow:
        node = Sampan(tmp_path / "home", tmp_path, shared_sampan.image, variables={"SAMPAN_STORES": str(slow.path)})
        first = slow.count()
        for _ in range(2):
            assert node.good("run", "-v", f"{BUSYBOX}:/busybox:ro", node.image, "/busybox", "echo", "up").lines == ["up"]
            cost = {kind: number - first[kind] for kind, number in slow.count().items()}
            assert 10 <= sum(cost.values()) <= 60, cost
