"""Blobs: named only when verified, fetched once by many, continued after a kill, followed while they grow."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest

from sampan.errors import CorruptRecord, DigestMismatch, NoSpace, StoreError, Unreachable
from sampan.events import Notice
from sampan.layers.follow import GrowingFile
from sampan.oci.digest import Digest
from sampan.store import blobs, locks, names
from sampan.store.leases import Lease, leased
from tests.images.stored import add_image, digest_of, new_store
from tests.images.tarbytes import archive, file

pytestmark = pytest.mark.client
DATA = b"".join(b"%d\n" % number for number in range(50_000))
DIGEST = digest_of(DATA)


@pytest.fixture
def lease(tmp_path):
    with Lease(new_store(tmp_path)) as lease:
        yield lease


def write_and_fail(lease, data, error, follower=None, pause=None):
    """Begin to fetch, and end with the error."""
    with blobs.fetching(lease, DIGEST, follower) as stream:
        stream.write(data)
        if pause is not None:
            pause()
        raise error


def below(lease, name):
    return sorted(os.listdir(lease.store.join(name)))


def partials(lease):
    return [name for name in below(lease, "tmp") if "lease" not in name]


class TestAdd:
    def test_the_digest_names_it(self, lease):
        digest, size = blobs.add(lease, [DATA[:10], DATA[10:]])
        assert (digest, size) == (DIGEST, len(DATA))
        assert blobs.size_of(lease.store, digest) == size
        assert blobs.read(lease.store, digest) == DATA
        assert blobs.path_of(lease.store, digest).endswith(f"/blobs/blobs/sha256/{DIGEST.encoded}")
        assert str(digest) in leased(lease.store)
        assert blobs.add(lease, [DATA])[0] == digest  # again
        assert partials(lease) == []

    def test_other_bytes_get_no_name(self, lease):
        with pytest.raises(DigestMismatch, match="the manifest does not match its digest"):
            blobs.add(lease, [b"x"], DIGEST, "the manifest")
        assert below(lease, "blobs/blobs/sha256") == partials(lease) == []

    def test_errors_of_the_source_leave_nothing(self, lease):
        def broken():
            yield b"x"
            raise Unreachable("gone")

        with pytest.raises(Unreachable):
            blobs.add(lease, broken())
        assert below(lease, "blobs/blobs/sha256") == partials(lease) == []

    def test_sha512(self, lease):
        import hashlib

        digest = Digest("sha512", hashlib.sha512(DATA).hexdigest())
        assert blobs.add(lease, [DATA], digest) == (digest, len(DATA))
        assert [found for found, *_ in blobs.listing(lease.store)] == [digest]

    def test_damage_is_noticed_when_it_is_read(self, lease):
        blobs.add(lease, [DATA])
        Path(blobs.path_of(lease.store, DIGEST)).write_bytes(b"x")
        with pytest.raises(CorruptRecord, match="is damaged"):
            blobs.read(lease.store, DIGEST)
        with pytest.raises(DigestMismatch):
            blobs.verify(lease.store, DIGEST)
        with pytest.raises(FileNotFoundError):
            blobs.read(lease.store, digest_of(b"nothing"))


class TestFetching:
    def test_a_blob_arrives(self, lease):
        follower = GrowingFile()
        with blobs.fetching(lease, DIGEST, follower) as stream:
            stream.write(DATA[:1000])
            assert follower.read(5000) == DATA[:1000]
            assert not os.path.exists(blobs.path_of(lease.store, DIGEST))
            stream.write(DATA[1000:])
        assert blobs.read(lease.store, DIGEST) == DATA
        assert b"".join(iter(lambda: follower.read(1 << 20), b"")) == DATA[1000:]
        follower.close()
        assert partials(lease) == []

    def test_one_that_is_there_is_followed_at_once(self, lease):
        blobs.add(lease, [DATA])
        follower = GrowingFile()
        with blobs.fetching(lease, DIGEST, follower) as stream:
            assert stream is None
        assert follower.read(1 << 20) == DATA
        assert follower.read(1) == b""
        follower.close()

    def test_an_error_ends_the_follower_and_what_came_is_kept(self, lease):
        follower = GrowingFile()
        with pytest.raises(Unreachable):
            write_and_fail(lease, DATA[:1000], Unreachable("cut"), follower)
        with pytest.raises(Unreachable, match="cut"):
            follower.read(1 << 20)
        assert below(lease, "blobs/blobs/sha256") == []
        assert partials(lease) == [f"sha256-{DIGEST.encoded}.partial"]
        follower = GrowingFile()
        with blobs.fetching(lease, DIGEST, follower) as stream:
            assert stream.read() == DATA[:1000]
            stream.write(DATA[1000:])
            assert follower._available == 0  # what was kept is not verified yet
        assert follower.read(1 << 20) == DATA
        follower.close()

    def test_a_wrong_beginning_is_cut_and_fetched_again(self, lease):
        Path(lease.store.join("tmp", f"sha256-{DIGEST.encoded}.partial")).write_bytes(b"wrong")
        follower = GrowingFile()
        with blobs.fetching(lease, DIGEST, follower) as stream:
            assert stream.read() == b"wrong"
            stream.write(DATA)
            stream.seek(0)
            stream.truncate()
            stream.write(DATA)
        assert follower.read(1 << 20) == DATA
        follower.close()

    def test_a_follower_of_a_wrong_beginning_gets_an_error(self, lease):
        follower = GrowingFile()
        with blobs.fetching(lease, DIGEST, follower) as stream:
            stream.write(b"wrong")
            stream.seek(0)
            stream.truncate()
            stream.write(DATA)
        with pytest.raises(DigestMismatch, match="was wrong when it was first fetched"):
            follower.read(1 << 20)
        assert blobs.read(lease.store, DIGEST) == DATA

    def test_a_full_disk_is_left_as_it_was(self, lease):
        with pytest.raises(NoSpace):
            write_and_fail(lease, DATA[:1000], NoSpace("full"))
        with pytest.raises(NoSpace, match="cannot store blob"):
            write_and_fail(lease, DATA, OSError(errno.ENOSPC, "No space left on device"))
        assert partials(lease) == []

    def test_other_errors_of_the_disk(self, lease):
        with pytest.raises(StoreError, match="cannot store blob sha256:.*: Input/output error"), blobs.fetching(lease, DIGEST):
            raise OSError(errno.EIO, "Input/output error")

    def test_many_at_once_fetch_it_once(self, lease):
        fetched = []
        said = []

        class Told(Notice):
            def say(self, sentence):
                said.append(sentence)

        def pull():
            follower = GrowingFile()
            with Lease(lease.store) as own, blobs.fetching(own, DIGEST, follower, Told()) as stream:
                if stream is not None:
                    fetched.append(1)
                    time.sleep(0.05)
                    stream.write(DATA)
            assert b"".join(iter(lambda: follower.read(1 << 20), b"")) == DATA
            follower.close()

        threads = [threading.Thread(target=pull) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert fetched == [1]
        assert set(said) == {f"waiting for another sampan that fetches blob {DIGEST.short}"}
        assert blobs.read(lease.store, DIGEST) == DATA

    def test_after_a_failed_one_the_next_goes_on(self, lease):
        entered = threading.Event()

        def fail():
            with pytest.raises(Unreachable):
                write_and_fail(lease, DATA[:500], Unreachable("cut"), GrowingFile(), lambda: entered.set() or time.sleep(0.05))

        thread = threading.Thread(target=fail)
        thread.start()
        entered.wait()
        with blobs.fetching(lease, DIGEST) as stream:
            assert stream.read() == DATA[:500]
            stream.write(DATA[500:])
        thread.join()
        assert blobs.read(lease.store, DIGEST) == DATA

    @pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
    def test_without_locks(self, lease, monkeypatch, number):
        def flock(*_):
            raise OSError(number, "no locks")

        monkeypatch.setattr(locks.fcntl, "flock", flock)
        with blobs.fetching(lease, DIGEST) as one, blobs.fetching(lease, DIGEST) as other:
            one.write(DATA)
            other.write(DATA)
        assert blobs.read(lease.store, DIGEST) == DATA
        # The file that was to be locked stays empty and is swept by age.
        assert [os.stat(lease.store.join("tmp", name)).st_size for name in partials(lease)] == [0]

    def test_a_rename_whose_answer_was_lost(self, lease, monkeypatch):
        real = os.rename

        def rename(old, new):
            real(old, new)
            raise FileNotFoundError(2, "as a network file system says after success")

        monkeypatch.setattr(os, "rename", rename)
        with blobs.fetching(lease, DIGEST) as stream:
            stream.write(DATA)
        assert blobs.read(lease.store, DIGEST) == DATA


class TestLocks:
    def test_a_lock_file_that_was_removed_meanwhile_is_none(self, tmp_path):
        path = str(tmp_path / "lock")
        descriptor, held = locks.locked_file(path, Notice(), "")
        assert held
        os.unlink(path)
        other, held = locks.locked_file(path, Notice(), "")
        assert held
        with open(path) as stream, pytest.raises(BlockingIOError):
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):
            locks.locked_file(path, Notice(), "", wait=False)
        os.close(descriptor)
        os.close(other)

    def test_one_is_inside_and_nothing_is_left(self, tmp_path):
        inside = []

        def enter():
            with locks.Lock(str(tmp_path / "lock"), Notice(), "x"):
                inside.append(1)
                assert sum(inside) == 1
                time.sleep(0.002)
                inside.append(-1)

        threads = [threading.Thread(target=enter) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(inside), os.listdir(tmp_path)) == (40, [])


class TestLayoutForOthers:
    def test_index_json_follows_the_names(self, tmp_path):
        store = new_store(tmp_path)
        image = add_image(store, "docker.io/library/a:1", [archive(file("x"))])

        def entries():
            index = json.loads(Path(store.join("blobs/index.json")).read_text())
            return [(entry["digest"], entry["annotations"]["org.opencontainers.image.ref.name"]) for entry in index["manifests"]]

        assert entries() == [(image.manifest, "docker.io/library/a:1")]
        names.put(store, names.Image(reference="docker.io/library/lost:1", manifest="sha256:" + "0" * 64))
        Path(store.join("names/damaged")).write_text("{")
        names.put(store, image)
        assert entries() == [(image.manifest, "docker.io/library/a:1")]
        names.remove(store, "docker.io/library/a:1")
        assert entries() == []

    @pytest.mark.skipif(shutil.which("skopeo") is None, reason="no skopeo")
    def test_skopeo_reads_it(self, tmp_path):
        store = new_store(tmp_path)
        add_image(store, "127.0.0.1:5000/a/b:1.0", [archive(file("x", b"content"))], Cmd=["/bin/true"])
        add_image(store, "docker.io/library/c:2", [archive(file("y"))])
        source = f"oci:{store.path}/blobs:127.0.0.1:5000/a/b:1.0"
        subprocess.run(["skopeo", "copy", "-q", "--insecure-policy", source, f"oci:{tmp_path}/copy:x"], check=True)
        index = json.loads((tmp_path / "copy/index.json").read_text())
        assert [entry["digest"] for entry in index["manifests"]] == [names.find(store, "127.0.0.1:5000/a/b:1.0").manifest]
