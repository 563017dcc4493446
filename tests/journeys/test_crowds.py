"""Many at once on one store: all succeed or say why not, nothing is done twice, and the store is whole afterwards."""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter

import pytest

from tests.images.build import Layout, directory, file, layer

CROWD = int(os.environ.get("CROWD", "16"))


def big_layer(number: int, count: int = 40):
    chance = random.Random(number)
    return layer(
        [
            directory(f"d{number}"),
            *[file(f"d{number}/{n}", chance.randbytes(chance.choice([100, 9000, 60_000]))) for n in range(count)],
        ]
    )


@pytest.fixture
def reference(faulty, tmp_path):
    """Four images: two layers are in all, one in two of them, and each has one of its own."""
    layout = Layout(tmp_path / "layout")
    shared = [big_layer(0), big_layer(1)]
    pair = big_layer(2)
    for number, tag in enumerate("abcd"):
        layers = [*shared, *([pair] if number % 2 else []), big_layer(10 + number)]
        layout.tag(tag, layout.image(layers, {"Cmd": ["true"]}))
    faulty.add(layout)
    return lambda tag: f"{faulty.host}/x:{tag}"


def start(sampan, *words: str) -> subprocess.Popen:
    return sampan.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(crowd: list[subprocess.Popen], seconds: float = 120) -> list[tuple[int, str, str]]:
    found = []
    for process in crowd:
        out, err = process.communicate(timeout=seconds)
        found.append((process.returncode, out, err))
    return found


def fetched(faulty) -> Counter[str]:
    """How often each large blob was asked for."""
    return Counter(
        one.path.rpartition("/")[2]
        for one in faulty.requests
        if "/blobs/" in one.path and len(faulty.blobs[one.path.rpartition("/")[2]][0]) > 20_000
    )


def is_whole(sampan) -> None:
    done = sampan("store", "fsck", "--contents")
    assert done.status == 0, done.text + done.err
    sampan.good("store", "gc", "--grace", "0")
    assert [name for name in os.listdir(sampan.home / "tmp") if not name.endswith((".partial", ".tree"))] == []


def test_pulls_of_one_image(sampan, reference, faulty):
    found = ended([start(sampan, "pull", reference("b")) for _ in range(CROWD)])
    assert {status for status, *_ in found} == {0}, found
    assert len({out for _, out, _ in found}) == 1
    assert set(fetched(faulty).values()) == {1}
    assert len(fetched(faulty)) == 4
    assert len(os.listdir(sampan.home / "trees")) == 1
    is_whole(sampan)


def test_pulls_of_four_images_with_shared_layers(sampan, reference, faulty):
    found = ended([start(sampan, "pull", reference("abcd"[number % 4])) for number in range(CROWD)])
    assert {status for status, *_ in found} == {0}, found
    assert set(fetched(faulty).values()) == {1}
    assert len(fetched(faulty)) == 7
    assert len(os.listdir(sampan.home / "trees")) == 4
    is_whole(sampan)


def test_pulls_beside_removals_and_collections(sampan, reference):
    """Whoever pulls has the image in the end, unless somebody removed its name after that."""
    crowd = []
    for number in range(CROWD):
        crowd.append(start(sampan, "pull", reference("abcd"[number % 4])))
        if number % 4 == 3:
            crowd.append(start(sampan, "store", "gc", "--grace", "0"))
            crowd.append(start(sampan, "rmi", reference("abcd"[number // 4 % 4])))
    for status, _, err in ended(crowd):
        assert status == 0 or "no image" in err, err
    assert sampan("store", "fsck", "--contents").status == 0
    for tag in "abcd":
        sampan.good("pull", reference(tag))
    assert len(os.listdir(sampan.home / "trees")) == 4
    is_whole(sampan)


def test_containers_of_one_name(sampan, reference):
    sampan.good("pull", reference("a"))
    found = ended([start(sampan, "create", "--name", "one", reference("a"), "true") for _ in range(CROWD)])
    assert Counter(status for status, *_ in found) == {0: 1, 125: CROWD - 1}
    assert all("is in use by another container" in err for status, _, err in found if status)
    assert len(os.listdir(sampan.home / "containers")) == 2
    is_whole(sampan)


def test_containers_of_many_names(sampan, reference):
    """The image is not there yet: each pulls, and one fetches and unpacks."""
    found = ended([start(sampan, "create", "--name", f"name{number}", reference("a"), "true") for number in range(CROWD)])
    assert {status for status, *_ in found} == {0}, found
    assert len({out for _, out, _ in found}) == CROWD
    # What other tests of this user run at this moment is listed too.
    listed = sampan.good("ps", "-a").text.split()
    assert sum(word.startswith("name") for word in listed) == CROWD
    is_whole(sampan)


def test_containers_beside_removals(sampan, reference):
    """A container that was made has its tree, whoever removed the image at that moment."""
    sampan.good("pull", reference("a"))
    crowd = []
    for number in range(CROWD):
        crowd.append(start(sampan, "create", "--name", f"name{number}", reference("a"), "true"))
        crowd.append(start(sampan, *(("rmi", reference("a")) if number % 2 else ("store", "gc", "--grace", "0"))))
    for status, _, err in ended(crowd):
        assert status == 0 or "no image" in err or "was removed just now" in err, err
    is_whole(sampan)


def test_without_locks_the_work_is_done_twice_and_right(sampan, reference):
    """As on a file system without flock; correctness comes from names alone."""
    strace = subprocess.run(["sh", "-c", "command -v strace"], capture_output=True, text=True).stdout.strip()
    if not strace:
        pytest.skip("strace is not installed")
    words = [strace, "-f", "-qq", "-o", os.devnull, "--seccomp-bpf", "-e", "trace=flock", "-e", "inject=flock:error=ENOLCK"]
    crowd = [
        subprocess.Popen(
            [*words, *sampan.command(), "pull", reference("abcd"[number % 4])],
            cwd=sampan.directory, env=sampan.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(6)
    ]  # fmt: skip
    found = ended(crowd)
    if any("strace" in err for _, _, err in found):
        pytest.skip("strace may not trace here")
    assert {status for status, *_ in found} == {0}, found
    assert len(os.listdir(sampan.home / "trees")) == 4
    assert sampan("store", "fsck", "--contents").status == 0
