"""The store under stress: kill -9 at any point, gc beside pulls, a full disk. It works, and fsck finds nothing.

CRASH_POINTS sets how often it is killed (15), CRASH_SEED where.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sampan
from sampan.events import Task
from sampan.store import fsck, gc, names, sweep, trees
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

PATHS = [str(Path(__file__).parents[2]), str(Path(sampan.__file__).parents[1]), *sys.path]

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
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(paths=PATHS, store=store.path)],
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
        if end(process) == -signal.SIGKILL:
            killed += 1
            seconds *= 1.1
        else:
            seconds *= 0.7  # the machine is less busy than it was when the whole was measured
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


CROWD = """
import sys, time
sys.path[:0] = {paths!r}
from tests.images.stored import *
from tests.unit.test_store_crash import LAYERS
from sampan.store import gc
store = open_store({store!r})
end = time.monotonic() + 2.5
rounds = 0
while time.monotonic() < end:
    rounds += 1
    if sys.argv[1] == "gc":
        for image in names.listing(store):
            names.remove(store, image.reference)
        gc.collect(store, 0, 0)
    else:
        number = int(sys.argv[1])
        image = add_image(store, f"x/a:{{number}}", LAYERS[2:] if number == 2 else [LAYERS[2], LAYERS[1]])
print(rounds)
"""


def test_gc_beside_pulls(tmp_path):
    """Pulls of images that share a layer go on while another process removes every name and collects without any grace."""
    store = new_store(tmp_path)
    words = CROWD.format(paths=PATHS, store=store.path)
    running = [
        subprocess.Popen([sys.executable, "-c", words, role], stdout=subprocess.PIPE) for role in ("1", "2", "2", "gc", "gc")
    ]
    rounds = [int(process.communicate()[0]) for process in running]
    assert [process.returncode for process in running] == [0] * 5
    assert min(rounds) > 1
    assert [damage.sentence for damage in fsck.check(store, True, Task())] == []
    for image in names.listing(store):
        assert trees.find(store, image.chain) is not None
    assert gc.collect(store, 0, 0) is not None
    assert len(os.listdir(store.join("trees"))) == len({image.chain for image in names.listing(store)})


FULL = """
import sys
sys.path[:0] = {paths!r}
from sampan.errors import NoSpace
from sampan.events import Task
from sampan.store import fsck, gc
from tests.images.stored import *
from tests.unit.test_store_crash import LAYERS
store = open_store("full/store")
add_image(store, "x/a:2", LAYERS[2:])
try:
    add_image(store, "x/a:1", LAYERS)
except NoSpace as error:
    print(error.sentence)
print(os.listdir(store.join("tmp")), os.listdir(store.join("names")), [damage.sentence for damage in fsck.check(store, True, Task())])
try:
    number = 0
    while True:
        with open(f"full/{{number}}", "wb", buffering=0) as stream:
            while stream.write(bytes(100000)) == 100000 and sys.argv[1] == "size=1m":
                pass
            number += 1
except OSError:
    pass
names.remove(store, "x/a:2")
collected = gc.collect(store, 0, 0)
print(len(collected.trees), len(collected.blobs), os.listdir(store.join("trees")), os.listdir(store.join("tmp")))
"""


@pytest.mark.parametrize("option", ["size=1m", "nr_inodes=300"])
def test_a_full_disk_is_left_clean(tmp_path, option):
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no user namespaces")
    (tmp_path / "full").mkdir()
    (tmp_path / "program.py").write_text(FULL.format(paths=PATHS))
    words = f'mount -t tmpfs -o {option} none full && exec "$0" program.py {option}'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", words, sys.executable], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
    )
    said, left, freed = done.stdout.splitlines()
    assert said.startswith("no space left for full/store: the image needs more than ")
    assert left == "[] ['x%2Fa%3A2'] []"
    assert freed.startswith("1 ")
    assert freed.endswith(" [] []")
