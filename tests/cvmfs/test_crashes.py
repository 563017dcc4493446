"""kill -9 at points all over publishing, collecting and replicating: the old or the new state stands, whole, and the next run is right.

A point is a call that changes a file system. CRASH_POINTS says how many are tried of each kind of work (10 each here).
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import tempfile
import time
import traceback

import pytest

from sampan.cvmfs import gc, mirror, publish
from sampan.cvmfs.check import check
from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.entry import directory, regular
from sampan.cvmfs.reader import Repository
from tests.cvmfs.test_upkeep import add, aged, with_times

POINTS = int(os.environ.get("CRASH_POINTS", "10"))
CALLS = ("open", "write", "rename", "replace", "unlink", "mkdir", "fsync", "utime", "chmod", "fchmod")


def run_until(point: int, work) -> int:
    """The work in a process of its own that kills itself at the call with this number; -1, or how many calls it made."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        made = 0
        try:

            def counted(real):
                def call(*words, **more):
                    nonlocal made
                    if made == point:
                        os.kill(os.getpid(), signal.SIGKILL)
                    made += 1
                    return real(*words, **more)

                return call

            for name in CALLS:
                setattr(os, name, counted(getattr(os, name)))
            work()
            os.writev(writer, [b"%d" % made])
        except BaseException:  # noqa: BLE001 - told by the parent
            traceback.print_exc()
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        told = stream.read()
    _, status = os.waitpid(pid, 0)
    assert bool(told) != os.WIFSIGNALED(status)
    return int(told) if told else -1


def points(work, prepare) -> range:
    """Evenly over all calls of the work."""
    prepare()
    total = run_until(-1, work)
    assert total > 20
    return range(0, total, max(total // POINTS, 1))


def sound(store, signer, *, killed=False) -> Repository:
    """The current state and every tag are whole, read by someone who comes anew.

    Two files cannot be renamed at once: between the two renames the reflog, which no client reads, is ahead of the manifest.
    """
    repository = Repository.open(store, (signer.public,))
    for state in (repository, *(repository.at(tag.name) for tag in repository.history)):
        faults = check(state, store, workers=1).faults
        assert faults == () or (killed and ["the reflog" in one for one in faults] == [True])
    return repository


@pytest.fixture
def place(tmp_path, store, signer, monkeypatch):
    """A repository with some history; `reset` brings it back."""
    add(store, signer, b"/d", b"tagged", tag="v1")
    add(store, signer, b"/d", b"old")
    add(store, signer, b"/e", b"current")
    with_times(store, signer, {1: 0, 2: 0, 3: 0})
    aged(store, 30)
    kept = tmp_path / "kept"
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    shutil.copytree(store.path, kept)

    def reset() -> None:
        shutil.rmtree(store.path)
        shutil.copytree(kept, store.path)

    return store, reset


def published(store, signer) -> None:
    with publish.begin(store, signer, workers=1) as publication:
        body = publication.bodies.submit(io.BytesIO(b"new content")).result()
        publication.graft(b"/d", [(b"a", directory()), (b"a/f", regular(body)), (b"a/g", regular(body))], limit=2)
        publication.put(b"/new/h", regular(publication.bodies.add(io.BytesIO(b"more"))))
        publication.remove(b"/e")
        publication.commit({"v2": "x"})


def test_killed_publishers(place, signer):
    store, reset = place
    seen = set()
    for point in points(lambda: published(store, signer), reset):
        reset()
        assert run_until(point, lambda: published(store, signer)) == -1
        repository = sound(store, signer, killed=True)
        seen.add(repository.manifest.revision)
        assert (repository.lookup(b"/new/h") is not None) == (repository.manifest.revision == 5)
        published(store, signer)
        repository = sound(store, signer)
        assert [one.name for one in repository.listdir()] == [b"d", b"new"]
        assert repository.reflog
        gc.collect(store, signer, grace=0)
        sound(store, signer)
    assert 4 in seen


def test_killed_collections(place, signer):
    store, reset = place
    reset()
    gc.collect(store, signer)
    clean = {one.hash for one in store.stored() if one.suffix in ("C", "")}
    for point in points(lambda: gc.collect(store, signer), reset):
        reset()
        assert run_until(point, lambda: gc.collect(store, signer)) == -1
        repository = sound(store, signer, killed=True)
        assert repository.manifest.revision == 4
        gc.collect(store, signer)
        sound(store, signer)
        assert {one.hash for one in store.stored() if one.suffix in ("C", "")} == clean
        published(store, signer)
        sound(store, signer)


def test_killed_replicas(place, signer, tmp_path):
    store, _ = place
    target = DirectoryStore(str(tmp_path / "replica"))

    def reset() -> None:
        shutil.rmtree(target.path, ignore_errors=True)
        target.prepare()

    for point in points(lambda: mirror.mirror(store, target, (signer.public,), workers=1), reset):
        reset()
        assert run_until(point, lambda: mirror.mirror(store, target, (signer.public,), workers=1)) == -1
        if os.path.exists(f"{target.path}/.cvmfspublished"):
            sound(target, signer, killed=True)
        mirror.mirror(store, target, (signer.public,), workers=1)
        assert sound(target, signer).manifest == Repository.open(store, (signer.public,)).manifest


def test_what_killed_publishers_leave_is_swept(place, signer):
    store, _ = place
    for name in ("1.0", "2.7"):
        with open(f"{store.path}/data/txn/{name}", "wb"):
            pass
    old = time.time() - 7200
    os.utime(f"{store.path}/data/txn/1.0", (old, old))
    published(store, signer)
    assert sorted(os.listdir(f"{store.path}/data/txn")) == ["2.7", "lock"]
