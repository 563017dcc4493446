"""A store that is moved is whole under its old name whatever dies when; links between trees stay, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import sampan
from sampan.errors import StoreError, UsageError
from sampan.events import Task
from sampan.store import fsck, move, names, pins, trees
from sampan.store.layout import open_store
from sampan.store.leases import Lease
from tests.images.stored import add_image, new_store
from tests.images.tarbytes import archive, directory, fifo, file, hardlink, pax, symlink

pytestmark = pytest.mark.client
BASE = archive(
    directory("etc", 0o700),
    file("etc/a", b"a" * 5000, mode=0o4755),
    hardlink("etc/b", "etc/a"),
    symlink("l", "/etc/a"),
    fifo("p"),
)
TOP = archive(file("top", b"t" * 6000), pax(("SCHILY.xattr.user.note", "n")) + file("noted"))
NAME = "docker.io/library/a:1"


@pytest.fixture
def store(tmp_path):
    store = new_store(tmp_path)
    add_image(store, NAME, [BASE])
    image = add_image(store, "x/b:1", [BASE, TOP])
    pins.add(store, image.chain, "/home/ana/job", NAME, "2026")
    kept = Path(store.join("containers", "c" * 64))
    (kept / "upper/locked").mkdir(parents=True)
    (kept / "upper/locked/secret").write_text("mine")
    (kept / "upper/locked/secret").chmod(0)
    (kept / "upper/locked").chmod(0)
    reference = {"reference": NAME, "manifest": image.manifest, "config": image.config, "chain": image.chain}
    from sampan.store import records

    records.write(
        str(kept / "container.json"),
        str(kept / "new"),
        {"format": 1, "id": "c" * 64, "name": "web", "keep": "overlay", "image": reference},
    )
    os.symlink("../" + "c" * 64, store.join("containers/names/web"))
    return store


@pytest.fixture(params=["rename", "rename without exchange", "copy", "copy without exchange"])
def way(request, monkeypatch):
    """Renamed where it can be, or as to another file system; with the call that exchanges two names, or without."""
    if request.param.startswith("copy"):
        monkeypatch.setattr(move, "_rename", lambda *_: False)
    if request.param.endswith("exchange"):
        monkeypatch.setattr(move, "_exchange", lambda *_: False)
    return request.param


def contents(path):
    found = {}
    for here, directories, files in os.walk(path):
        for name in (*directories, *files):
            status = os.lstat(os.path.join(here, name))
            found[os.path.relpath(os.path.join(here, name), path)] = (status.st_mode, status.st_nlink if name in files else 0, status.st_size if name in files else 0)  # fmt: skip
    return {name: what for name, what in found.items() if not name.startswith(("tmp", "blobs/index.json"))}


def is_whole(store):
    assert [damage.sentence for damage in fsck.check(store, True, Task())] == []
    assert [image.reference for image in names.listing(store)] == [NAME, "x/b:1"]
    assert len(pins.listing(store)) == 1
    for image in names.listing(store):
        assert trees.find(store, image.chain) is not None


def test_all_of_it_is_there(store, tmp_path, way):
    before = contents(store.path)
    move.move(store, str(tmp_path / "new/place"), Task())
    assert os.readlink(store.path) == str(tmp_path / "new/place")
    assert sorted(os.listdir(tmp_path)) == ["new", "store"]
    for path in (store.path, str(tmp_path / "new/place")):
        is_whole(open_store(path))
    assert contents(str(tmp_path / "new/place")) == before
    (tmp_path / "new/place/containers" / ("c" * 64) / "upper/locked").chmod(0o700)
    locked = tmp_path / "new/place/containers" / ("c" * 64) / "upper/locked/secret"
    locked.chmod(0o400)
    assert locked.read_text() == "mine"
    assert os.stat(tmp_path / "new/place").st_mode & 0o777 == 0o700


def test_twice_leaves_one_link(store, tmp_path, way):
    move.move(store, str(tmp_path / "one"), Task())
    move.move(open_store(store.path), str(tmp_path / "two"), Task())
    assert os.readlink(store.path) == str(tmp_path / "two")
    assert sorted(os.listdir(tmp_path)) == ["store", "two"]
    is_whole(open_store(store.path))


def test_the_same_place_again(store, tmp_path, way):
    move.move(store, str(tmp_path / "new"), Task())
    with pytest.raises(UsageError, match="is in .* already"):
        move.move(open_store(store.path), str(tmp_path / "new"), Task())


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("store/inside", "one inside the other"),
        ("", "one inside the other"),
        ("full", "is there already"),
        ("file", "is there already"),
    ],
)
def test_places_that_cannot_be(store, tmp_path, target, words):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").write_text("")
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=words):
        move.move(store, str(tmp_path / target), Task())
    is_whole(store)


def test_an_empty_directory_will_do(store, tmp_path, way):
    (tmp_path / "new").mkdir()
    move.move(store, str(tmp_path / "new"), Task())
    is_whole(open_store(store.path))


def test_a_store_that_is_not_there(tmp_path):
    with pytest.raises(StoreError, match="there is no store in"):
        move.move(open_store(str(tmp_path / "none")), str(tmp_path / "new"), Task())


def test_not_beside_a_pull(store, tmp_path, way):
    with Lease(store) as lease:
        lease.add("sha256:" + "0" * 64)
        with pytest.raises(StoreError, match="another sampan is at work"):
            move.move(store, str(tmp_path / "new"), Task())
    is_whole(store)


def test_not_below_a_running_program(store, tmp_path):
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no user namespaces")
    tree = trees.find(store, names.find(store, NAME).chain)
    words = f'mount --bind "{tree.rootfs}" /mnt && echo ready && read x'
    with subprocess.Popen(["unshare", "-Urm", "sh", "-c", words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(StoreError, match=r"process \d+ runs from the store"):
            move.move(store, str(tmp_path / "new"), Task())
        process.stdin.close()


def test_what_is_used_meanwhile_is_not_left_behind(store, tmp_path, monkeypatch):
    monkeypatch.setattr(move, "_rename", lambda *_: False)
    real = move._Move._compare

    def compare(self):
        if not os.path.exists(tmp_path / "once"):
            (tmp_path / "once").write_text("")
            add_image(store, "x/c:1", [TOP])
        real(self)

    monkeypatch.setattr(move._Move, "_compare", compare)
    with pytest.raises(StoreError, match="was changed while it was copied"):
        move.move(store, str(tmp_path / "new"), Task())
    move.move(store, str(tmp_path / "new"), Task())
    assert len(names.listing(open_store(store.path))) == 3
    assert list(fsck.check(open_store(store.path), True, Task())) == []


def test_a_copy_that_differs_is_not_taken(store, tmp_path, monkeypatch):
    monkeypatch.setattr(move, "_rename", lambda *_: False)
    monkeypatch.setattr(move.build, "flush_file_system", lambda path: next(Path(path).glob("trees/*/rootfs/top")).unlink())
    with pytest.raises(StoreError, match="the copy of the store differs"):
        move.move(store, str(tmp_path / "new"), Task())
    is_whole(store)


KILL = """
import os, sys
sys.path[:0] = {paths!r}
from sampan.events import Task
from sampan.store import move
from sampan.store.layout import open_store
step, way = int(sys.argv[1]), sys.argv[2]
count = 0
def hook(event, _):
    global count
    if event in ("os.rename", "os.mkdir", "os.link", "os.symlink", "os.remove", "os.rmdir"):
        count += 1
        if count == step:
            os.kill(os.getpid(), 9)
if way.startswith("copy"):
    move._rename = lambda *_: False
if way.endswith("exchange"):
    move._exchange = lambda *_: False
sys.addaudithook(hook)
move.move(open_store({store!r}), {target!r}, Task())
"""


@pytest.mark.parametrize("kind", ["rename", "copy"])
def test_killed_at_any_step(store, tmp_path, kind):
    """After each change of a name in turn: the old name leads to a whole store, and the same command then ends the move."""
    target = str(tmp_path / "new")
    paths = [str(Path(sampan.__file__).parents[1])]
    words = KILL.format(paths=paths, store=store.path, target=target)
    killed = 0
    step = 0
    while True:
        step += 1 if kind == "rename" else 7
        done = subprocess.run([sys.executable, "-c", words, str(step), kind], stderr=subprocess.PIPE)
        is_whole(open_store(store.path))
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        killed += 1
    assert killed >= (2 if kind == "rename" else 8)
    if not os.path.islink(store.path):
        move.move(open_store(store.path), target, Task())
    assert os.readlink(store.path) == target
    assert sorted(os.listdir(tmp_path)) == ["new", "store"]
    is_whole(open_store(store.path))
