"""Tags, the way back, renewal, garbage collection, check and replicas."""

from __future__ import annotations

import io
import os
import threading
import time

import pytest

from sampan.cvmfs import gc, mirror, publish, resign, tags
from sampan.cvmfs.check import check
from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.entry import directory, regular, symlink
from sampan.cvmfs.keys import Signer
from sampan.cvmfs.reader import Repository
from sampan.cvmfs.trust import Rules
from sampan.errors import DigestMismatch, NotInRepository, RepositoryBusy, RepositoryError, UsageError
from tests.cvmfs.conftest import FQRN, make_keys

pytestmark = pytest.mark.client


def add(store, signer, path: bytes, content: bytes, tag: str = "", now=None):
    with publish.begin(store, signer, now=now) as publication:
        publication.graft(path, [(b"f", regular(publication.bodies.add(io.BytesIO(content))))])
        return publication.commit({tag: "by a test"} if tag else {})


def opened(store, signer) -> Repository:
    return Repository.open(store, (signer.public,), fqrn=FQRN)


def content(repository, path: bytes) -> bytes:
    return repository.read(repository.lookup(path))


def aged(store, days: float) -> None:
    """All objects were put that long ago."""
    then = time.time() - days * 86400
    for one in store.stored():
        os.utime(f"{store.path}/{one.hash.path(one.suffix)}", (then, then))


def test_tags(store, signer):
    add(store, signer, b"/d", b"one", tag="v1")
    add(store, signer, b"/d", b"two")
    state = tags.set_tag(store, signer, "now", description="what it is now")
    assert state.revision == 3
    tags.set_tag(store, signer, "again", of="v1")
    repository = opened(store, signer)
    assert [tag.name for tag in repository.history] == ["now", "trunk", "again", "trunk-previous", "v1"]
    assert content(repository.at("again"), b"/d/f") == b"one"
    tags.remove_tag(store, signer, "v1")
    with pytest.raises(NotInRepository, match="no tag 'v1'"):
        tags.remove_tag(store, signer, "v1")
    with pytest.raises(NotInRepository, match="no tag 'v1'"):
        opened(store, signer).at("v1")
    with pytest.raises(UsageError):
        tags.remove_tag(store, signer, "trunk")


def test_rollback_goes_forward(store, signer):
    add(store, signer, b"/d", b"one", tag="v1")
    add(store, signer, b"/d", b"two")
    add(store, signer, b"/e", b"three")
    state = tags.rollback(store, signer)
    assert state.revision == 5
    repository = opened(store, signer)
    assert content(repository, b"/d/f") == b"two"
    assert repository.lookup(b"/e") is None
    assert content(repository.at("trunk-previous"), b"/e/f") == b"three"
    tags.rollback(store, signer, "v1")
    repository = opened(store, signer)
    assert content(repository, b"/d/f") == b"one"
    assert repository.root_catalog().properties["revision"] == "6"
    assert check(repository, store).faults == ()


def test_an_expired_whitelist_is_renewed(store, signer):
    resign.resign(store, signer, days=1, now=time.time() - 2 * 86400)
    with pytest.raises(RepositoryError, match="expired"):
        opened(store, signer)
    made = resign.resign(store, signer, days=10)
    assert opened(store, signer).whitelist == made
    for days in (0, -1, 10**6):
        with pytest.raises(UsageError, match="cannot be valid"):
            resign.resign(store, signer, days=days)


def test_a_new_certificate_comes_in_by_resign(store, signer, tmp_path):
    other = make_keys(tmp_path / "other", FQRN)
    renewed = Signer(FQRN, other.key, other.certificate, signer.public, signer.master)
    before = opened(store, signer).manifest
    resign.resign(store, renewed)
    repository = opened(store, signer)
    assert repository.manifest.certificate != before.certificate
    assert repository.manifest.revision == before.revision
    assert repository.whitelist.fingerprints == (other.certificate.fingerprint("sha1"),)
    add(store, renewed, b"/d", b"x")


def test_garbage(store, signer):
    long_ago = time.time() - 20 * 86400
    add(store, signer, b"/d", b"tagged", tag="v1")
    add(store, signer, b"/d", b"old")
    add(store, signer, b"/d", b"young")
    add(store, signer, b"/d", b"current")
    kept = {one.hash for one in store.stored()}
    aged(store, 30)
    # Nothing is old by the reflog yet.
    assert gc.collect(store, signer)[:2] == (0, 0)
    old = next(tag for tag in opened(store, signer).history if tag.name == "trunk-previous")
    assert old.revision == 4
    with_times(store, signer, {3: long_ago, 1: long_ago, 2: long_ago})
    aged(store, 30)
    dry = gc.collect(store, signer, dry_run=True)
    assert dry.roots == 2  # revisions 1 and 3
    assert {one.hash for one in store.stored()} >= kept
    done = gc.collect(store, signer)
    assert (done.roots, done.objects) == (dry.roots, dry.objects)
    assert done.objects >= 3
    assert done.bytes > 0
    repository = opened(store, signer)
    for state in (repository, repository.at("v1"), repository.at("trunk-previous")):
        assert check(state, store).faults == ()
    assert content(repository.at("v1"), b"/d/f") == b"tagged"
    assert content(repository, b"/d/f") == b"current"
    assert len([one for one in repository.reflog if one.type == 0]) == 3
    assert gc.collect(store, signer)[:2] == (0, 0)
    add(store, signer, b"/e", b"old")
    assert content(opened(store, signer), b"/e/f") == b"old"


def with_times(store, signer, times: dict[int, float]) -> None:
    """The reflog as if these revisions had been published then."""
    from sampan.cvmfs import manifest, reflog
    from sampan.cvmfs.hashing import Hash
    from sampan.cvmfs.letter import hash_text, join
    from sampan.cvmfs.scratch import scratch_directory

    repository = opened(store, signer)
    with scratch_directory() as scratch:
        changed = []
        for one in repository.reflog:
            revision = int(repository.at(one.hash).root_catalog().properties["revision"]) if one.type == 0 else 0
            changed.append(one._replace(timestamp=int(times.get(revision, one.timestamp))))
        data = reflog.written(tuple(changed), FQRN, scratch)
    state = repository.manifest._replace(reflog=Hash.of(data))
    signed = hash_text(state.text(), "sha1")
    store.put_root_file(reflog.NAME, data)
    store.put_root_file(manifest.NAME, join(state.text(), signed, signer.key.sign(signed)))


def test_young_objects_stay(store, signer):
    with publish.begin(store, signer) as publication:
        orphan = publication.bodies.add(io.BytesIO(b"never named")).hash
    assert gc.collect(store, signer, keep_days=0)[1] == 0
    aged(store, 2)
    # A publish that finds an object makes it young again.
    with publish.begin(store, signer) as publication:
        assert publication.bodies.add(io.BytesIO(b"never named")).hash == orphan
    gc.collect(store, signer)
    assert store.has(orphan)
    aged(store, 2)
    assert gc.collect(store, signer).objects == 2  # and the empty file, which nothing names here
    assert not store.has(orphan)


def test_a_repository_that_is_not_to_be_collected(store, signer):
    from sampan.cvmfs import manifest
    from sampan.cvmfs.letter import hash_text, join

    state = opened(store, signer).manifest._replace(collectable=False)
    signed = hash_text(state.text(), "sha1")
    store.put_root_file(manifest.NAME, join(state.text(), signed, signer.key.sign(signed)))
    with pytest.raises(UsageError, match="not to be collected"):
        gc.collect(store, signer)


def test_one_publisher_at_a_time(store, signer):
    with publish.begin(store, signer) as publication:
        publication.put(b"/first", directory())
        other = DirectoryStore(store.path)
        with pytest.raises(RepositoryBusy, match="another process publishes"), publish.begin(other, signer):
            pass
        with pytest.raises(RepositoryBusy):
            gc.collect(other, signer)
        done = []

        def later() -> None:
            with publish.begin(other, signer, wait=True) as second:
                second.put(b"/second", directory())
                done.append(second.commit().revision)

        thread = threading.Thread(target=later)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        assert publication.commit().revision == 2
    thread.join()
    assert done == [3]
    assert [one.name for one in opened(store, signer).listdir()] == [b"first", b"second"]


def test_two_publishers_where_locks_do_not_work(store, signer, monkeypatch):
    """Whoever comes second finds another manifest than it began with, and gives up with nothing published."""
    import contextlib

    monkeypatch.setattr(DirectoryStore, "lock", lambda *_, **__: contextlib.nullcontext())
    with publish.begin(store, signer) as first, publish.begin(store, signer) as second:
        first.put(b"/first", directory())
        second.put(b"/second", directory())
        assert first.commit().revision == 2
        with pytest.raises(RepositoryBusy, match="somebody else published revision 2"):
            second.commit()
    repository = opened(store, signer)
    assert [one.name for one in repository.listdir()] == [b"first"]
    assert repository.reflog


FAULTS = [
    ("DELETE FROM statistics WHERE counter = 'self_dir'", "statistics of the catalog at / differ from its rows"),
    ("UPDATE statistics SET value = value + 1 WHERE counter = 'subtree_regular'", "differ from those of the catalogs below it"),
    ("UPDATE catalog SET hardlinks = 9 WHERE name = 'x'", "/x has 9 links, not 2"),
    ("UPDATE catalog SET hardlinks = 2 WHERE name = 'l'", "/l has 2 links, not 1"),
    ("UPDATE catalog SET flags = flags | 2 WHERE name = 'x'", "/x leads into a nested catalog that is not listed"),
    ("UPDATE catalog SET flags = 1 WHERE name = 'd'", "the nested catalog at /d has no directory to be mounted at"),
    ("UPDATE catalog SET mode = 16832 WHERE name = 'd'", "/d differs in the two catalogs"),
    ("UPDATE catalog SET md5path_1 = 1 WHERE name = 'l'", "rows that no directory leads to"),
    ("UPDATE catalog SET parent_1 = 1 WHERE name = 'l'", "rows that no directory leads to"),
    ("UPDATE catalog SET hash = x'00' WHERE name = 'f'", "no hash"),
]


@pytest.mark.parametrize(("sql", "sentence"), FAULTS)
def test_check_names_what_is_wrong(store, signer, sql, sentence):
    with publish.begin(store, signer) as publication:
        body = publication.bodies.add(io.BytesIO(b"some content"))
        publication.graft(b"/d", [(b"f", regular(body))])
        publication.put(b"/x", directory())
        publication.put(b"/l", symlink(b"x"))
        publication.put(b"/f", regular(body))
        publication.commit()
    assert check(opened(store, signer), store).faults == ()
    changed_root(store, signer, sql)
    faults = check(opened(store, signer), store).faults
    assert any(sentence in fault for fault in faults), faults


def changed_root(store, signer, sql) -> None:
    from sampan.cvmfs import database
    from sampan.cvmfs.release import Release
    from sampan.cvmfs.scratch import scratch_directory

    with scratch_directory() as scratch:
        release = Release.load(store, signer, scratch)
        draft = database.Draft(scratch, data=release.base.contents.content(release.base.manifest.root, "C"))
        draft.connection.execute(sql)
        data = draft.finished()
        release.publish((release.deposit.add(data, "C"), len(data)))


def test_check_of_objects(store, signer):
    state = add(store, signer, b"/d", b"some content")
    repository = opened(store, signer)
    hash = repository.lookup(b"/d/f").body.hash
    path = f"{store.path}/{hash.path()}"
    right = store.get(hash)
    with open(path, "wb") as stream:
        stream.write(right[:-1] + b"x")
    assert check(repository, store).faults == (f"object {hash} differs from its hash",)
    assert check(repository, store, data=False).faults == ()
    os.unlink(path)
    assert [f"has no {hash.path()}" in fault for fault in check(repository, store).faults] == [True]
    assert check(repository, store, data=False).faults == (f"object {hash} is missing",)
    store.put(hash, "", right)
    os.unlink(f"{store.path}/{state.root.path('C')}")
    faults = check(opened(store, signer), store).faults
    assert any(state.root.path("C") in fault for fault in faults)


class Counting:
    """The same place, with what was asked of it; `spoil` changes an answer."""

    def __init__(self, store):
        self.store = store
        self.name = store.name
        self.asked = []
        self.spoil = lambda name, data: data

    def get(self, hash, suffix=""):
        self.asked.append(hash.path(suffix))
        return self.spoil(hash.path(suffix), self.store.get(hash, suffix))

    def has(self, hash, suffix=""):
        return self.store.has(hash, suffix)

    def get_root_file(self, name):
        self.asked.append(name)
        return self.store.get_root_file(name)


def test_a_replica(store, signer, tmp_path):
    add(store, signer, b"/d", b"one", tag="v1")
    add(store, signer, b"/d", b"two")
    target = DirectoryStore(str(tmp_path / "replica"))
    target.prepare()
    source = Counting(store)
    done = mirror.mirror(source, target, (signer.public,))
    assert done.revision == 3
    assert done.objects > 8
    replica = opened(target, signer)
    for state in (replica, replica.at("v1"), replica.at("trunk-previous")):
        assert check(state, target).faults == ()
    assert replica.reflog == opened(store, signer).reflog
    assert content(replica, b"/d/f") == b"two"
    source.asked.clear()
    assert mirror.mirror(source, target, (signer.public,)) == (3, 0, 0)
    assert [name for name in source.asked if name.startswith("data")] == [
        replica.manifest.history.path("H"),
        replica.manifest.certificate.path("X"),
    ][::-1]
    add(store, signer, b"/e", b"three")
    source.asked.clear()
    done = mirror.mirror(source, target, (signer.public,))
    assert content(opened(target, signer), b"/e/f") == b"three"
    assert done.objects == 4  # the content, two catalogs, the history
    older = DirectoryStore(str(tmp_path / "older"))
    older.prepare()
    publish.create(older, signer)
    with pytest.raises(RepositoryError, match="older than one seen before"):
        mirror.mirror(older, target, (signer.public,))


def test_a_replica_of_a_liar_keeps_its_old_state(store, signer, tmp_path):
    target = DirectoryStore(str(tmp_path / "replica"))
    target.prepare()
    mirror.mirror(store, target, (signer.public,))
    before = opened(target, signer).manifest
    add(store, signer, b"/d", b"x")
    hash = opened(store, signer).lookup(b"/d/f").body.hash
    source = Counting(store)
    source.spoil = lambda name, data: data[:-1] + b"?" if name == hash.path() else data
    with pytest.raises(DigestMismatch, match=str(hash)):
        mirror.mirror(source, target, (signer.public,))
    assert opened(target, signer).manifest == before
    assert not target.has(hash)
    source.spoil = lambda _, data: data
    mirror.mirror(source, target, (signer.public,))
    assert content(opened(target, signer), b"/d/f") == b"x"


def test_a_full_disk_publishes_nothing(store, signer, monkeypatch):
    import errno

    from sampan.errors import NoSpace

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with publish.begin(store, signer) as publication:
        body = publication.bodies.add(io.BytesIO(b"x"))
        with monkeypatch.context() as patched:
            patched.setattr(os, "rename", full)
            with pytest.raises(NoSpace, match="No space left") as caught:
                publication.graft(b"/d", [(b"f", regular(body))])
        assert "nothing was published" in caught.value.hint
    assert opened(store, signer).manifest.revision == 1
    assert os.listdir(f"{store.path}/data/txn") == ["lock"]
    assert Repository.open(store, (signer.public,), rules=Rules((), FQRN)).listdir() == []
