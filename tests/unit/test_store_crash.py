"""kill -9 while an image is stored: the store works, fsck finds nothing, and the same again succeeds.

CRASH_POINTS sets how many times (15), CRASH_SEED where.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sampan
from sampan.events import Task
from sampan.store import fsck, names, sweep, trees
from tests.images.stored import add_image, new_store
from tests.images.tarbytes import archive, directory, file, hardlink, symlink, whiteout

pytestmark = pytest.mark.client
POINTS = int(os.environ.get("CRASH_POINTS", "15"))
SEED = int(os.environ.get("CRASH_SEED", "1"))
BASE = archive(
    *[file(f"d{number % 20}/{number}", b"%d" % number * 100) for number in range(800)], hardlink("h", "d0/0"), symlink("l", "d1")
)
LAYERS = [
    BASE,
    archive(whiteout("d2"), directory("d3", 0), *[file(f"l/{number}", b"n") for number in range(300)]),
    archive(file("last")),
]

PROGRAM = """
import sys
sys.path[:0] = {paths!r}
from tests.images.stored import *
from tests.unit.test_store_crash import LAYERS
store = open_store({store!r})
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.readline()
add_image(store, "x/a:1", LAYERS[:2])
add_image(store, "x/a:2", LAYERS)
"""


def start(store):
    paths = [str(Path(__file__).parents[2]), str(Path(sampan.__file__).parents[1]), *sys.path]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(paths=paths, store=store.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout.readline() == b"ready\n"
    return process


def begin(process):
    process.stdin.write(b"\n")
    process.stdin.flush()


def end(process):
    process.stdin.close()
    process.stdout.close()
    return process.wait()


def test_killed_at_any_point(tmp_path):
    whole = start(new_store(tmp_path / "whole"))
    began = time.monotonic()
    begin(whole)
    assert end(whole) == 0
    seconds = time.monotonic() - began

    store = new_store(tmp_path / "killed")
    chance = random.Random(SEED)
    killed = 0
    for _ in range(POINTS):
        process = start(store)
        begin(process)
        time.sleep(chance.random() * seconds)
        os.killpg(process.pid, signal.SIGKILL)
        killed += end(process) == -signal.SIGKILL
        assert [damage.sentence for damage in fsck.check(store, True, Task())] == []
        for image in names.listing(store):
            assert trees.find(store, image.chain) is not None
        if chance.random() < 0.3:
            sweep.leftovers(store)
        if chance.random() < 0.3:
            names.remove(store, "x/a:1")
    assert killed >= POINTS // 3

    add_image(store, "x/a:1", LAYERS[:2])
    image = add_image(store, "x/a:2", LAYERS)
    assert Path(trees.find(store, image.chain).rootfs, "d1/7").read_text() == "n"
    assert [damage.sentence for damage in fsck.check(store, True, Task())] == []
    sweep.leftovers(store)
    assert [name for name in os.listdir(store.join("tmp")) if not name.endswith((".partial", ".tree"))] == []
