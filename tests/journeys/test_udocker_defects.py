"""The defects of udocker 1.3.17 that concern pulling and running, each with what shows its absence here.

D1-D3 (modes without a terminal: status, non-ASCII, lost output), D4, D10, D13, D14, D17: tests/engines.
D5 (tampered blobs), D6 (writes outside), D15 (stack traces): test_bad_input.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from tests.images.build import Layout, file, layer, whiteout
from tests.journeys.test_bad_input import refused


def test_d7_a_whiteout_at_the_top_works_in_every_spelling(sampan, faulty, tmp_path, busybox_layers):
    layout = Layout(tmp_path / "layout")
    for tag, name in (("plain", "top.txt"), ("dotted", "./top.txt")):
        lower = layer([file(name, b"old")])
        layout.tag(tag, layout.image([*busybox_layers, lower, layer([whiteout(name)])]))
    faulty.add(layout)
    for tag in ("plain", "dotted"):
        assert sampan.good("run", f"{faulty.host}/x:{tag}", "ls", "/").text.count("top.txt") == 0


def test_d8_a_layer_that_cannot_be_unpacked_fails_and_leaves_nothing(sampan, faulty, tmp_path, busybox_layers):
    layout = Layout(tmp_path / "layout")
    layout.tag("1", layout.image([*busybox_layers, layer([file("../outside", b"x")])]))
    faulty.add(layout)
    refused(sampan("create", "--name", "box", f"{faulty.host}/x:1"), "../outside")
    assert not (sampan.home / "containers").exists() or os.listdir(sampan.home / "containers") == ["names"]


def test_d9_eight_pulls_and_eight_runs_at_once(sampan, faulty, busybox):
    with ThreadPoolExecutor(8) as pool:
        pulls = list(pool.map(lambda _: sampan("pull", busybox), range(8)))
        assert [(done.status, done.err) for done in pulls if done.status] == []
        runs = list(pool.map(lambda _: sampan("run", busybox), range(8)))
    assert {(done.status, done.out) for done in runs} == {(0, b"two\n")}
    layers = [digest for digest in faulty.blobs if len(faulty.asked(f"GET /v2/x/blobs/{digest}"))]
    assert all(len(faulty.asked(f"GET /v2/x/blobs/{digest}")) == 1 for digest in layers if len(faulty.blobs[digest][0]) > 10_000)
    sampan.good("store", "fsck", "--contents")


def test_d9_eight_creates_of_one_name(sampan, busybox):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: sampan("create", "--name", "shared", busybox), range(8)))
    assert sorted(done.status for done in found) == [0] + [125] * 7
    assert len([name for name in os.listdir(sampan.home / "containers") if len(name) == 64]) == 1


def test_d12_names_with_a_port(sampan, busybox):
    assert ":" in busybox.partition("/")[0]
    assert sampan.good("run", busybox).lines == ["two"]
    assert sampan.good("images").lines[1].startswith(busybox.rpartition(":")[0])


def test_d15_no_stack_trace_whatever_is_typed(sampan):
    for words in (
        ["pull", "a/b c"],
        ["run"],
        ["run", "-v"],
        ["inspect", "::"],
        ["start", ""],
        ["rm", "../x"],
        ["rmi", "%"],
        ["images", "a b"],
        ["ps", "--x"],
    ):
        refused(sampan(*words))
