"""Store, records and names: formats, damage, what is written when, and what a start has to import for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sampan
from sampan.errors import CorruptRecord, NewerStore, NoSpace, StoreError
from sampan.host.kernel import boot_id, node
from sampan.oci.scan import scan
from sampan.store import documents, layout, names, records, sweep
from sampan.store.layout import is_left_over, open_store
from sampan.store.leases import Lease, leased

pytestmark = pytest.mark.client

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def store(tmp_path):
    store = open_store(str(tmp_path / "store"))
    layout.create(store)
    return store


def no_constant(name):
    raise ValueError(name)


def is_refused(text):
    try:
        scan(text)
    except ValueError:
        return True
    return False


class TestJson:
    @given(st.dictionaries(st.text(), values, max_size=4))
    def test_what_is_written_is_json_and_reads_back(self, document):
        raw = records.dump(document)
        assert raw.endswith(b"\n")
        assert raw.count(b"\n") == 1
        assert json.loads(raw) == document == scan(raw.decode())

    @given(st.text(max_size=30))
    def test_reads_as_json_does(self, text):
        try:
            expected = json.loads(text, parse_constant=no_constant)
        except ValueError:
            assert is_refused(text)
        else:
            assert scan(text) == expected

    @pytest.mark.parametrize(
        "text", ["", " ", "{", "{}x", "[1,]", "{'a': 1}", "NaN", '{"a": Infinity}', "[" * 100_000, '"\n"', "{}{}"]
    )
    def test_refuses_what_json_refuses(self, text):
        assert is_refused(text)

    def test_names_of_any_bytes_survive(self):
        assert scan(records.dump({"a": "\udcff\x00é"}).decode()) == {"a": "\udcff\x00é"}

    def test_refuses_to_write_what_it_could_not_read(self):
        with pytest.raises(TypeError, match="cannot hold float"):
            records.dump({"a": 1.5})

    def test_without_the_scanner_in_c(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "_json", None)
        assert scan('{"a": [1]}') == {"a": [1]}
        with pytest.raises(ValueError, match="NaN"):
            scan("NaN")


class TestRecords:
    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            (b"", "it is empty"), (b"{", "it is not JSON"), (b"\xff", "it is not JSON"), (b"[]", "it is not an object"), (b"{}", "no format number"),
            (b'{"format": "1"}', "no format number"), (b'{"format": true}', "no format number"), (b'{"format": 0}', "no format number"),
            (b'{"format": 1}' + b" " * (5 << 20), "larger than 4194304 bytes"),
        ],
    )  # fmt: skip
    def test_damage_is_named(self, tmp_path, raw, words):
        path = tmp_path / "record"
        path.write_bytes(raw)
        with pytest.raises(CorruptRecord, match=words) as caught:
            records.read(str(path))
        assert str(path) in caught.value.sentence
        assert "sampan store fsck" in caught.value.hint

    def test_a_later_format(self, tmp_path):
        (tmp_path / "record").write_text('{"format": 2}')
        with pytest.raises(NewerStore, match="newer sampan"):
            records.read(str(tmp_path / "record"))

    def test_missing_and_unreadable(self, tmp_path):
        assert records.read(str(tmp_path / "none")) is None
        (tmp_path / "directory").mkdir()
        with pytest.raises(StoreError, match="cannot read"):
            records.read(str(tmp_path / "directory"))

    def test_a_rename_whose_answer_was_lost(self, tmp_path, monkeypatch):
        real = os.rename

        def rename(old, new):
            real(old, new)
            raise FileNotFoundError(2, "as a network file system says after success")

        monkeypatch.setattr(os, "rename", rename)
        records.put(str(tmp_path / "a"), str(tmp_path / "t"), b"x")
        assert (tmp_path / "a").read_bytes() == b"x"

    def test_a_failed_write_leaves_nothing(self, tmp_path, monkeypatch):
        monkeypatch.setattr(os, "rename", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space"):
            records.put(str(tmp_path / "a"), str(tmp_path / "t"), b"x")
        assert os.listdir(tmp_path) == []


class TestStore:
    def test_a_new_one(self, tmp_path):
        path = tmp_path / "deep/er/store"
        store = open_store(f"{path}/")
        assert not path.exists()
        assert names.listing(store) == []
        assert names.find(store, "docker.io/library/a:1") is None
        layout.create(store)
        layout.create(store)
        assert path.stat().st_mode & 0o777 == 0o700
        assert (path / "format").read_text() == "sampan-store 1\n"
        assert json.loads((path / "blobs/oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
        assert os.listdir(path / "tmp") == []

    def test_an_empty_directory_becomes_private(self, tmp_path):
        (tmp_path / "store").mkdir(mode=0o755)
        layout.create(open_store(str(tmp_path / "store")))
        assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700

    def test_of_a_newer_sampan(self, tmp_path):
        (tmp_path / "format").write_text("sampan-store 2\n")
        with pytest.raises(NewerStore, match=r"written by a newer sampan \(format 2, this one knows 1\)"):
            open_store(str(tmp_path))

    def test_no_store_at_all(self, tmp_path):
        (tmp_path / "format").write_text("hello\x1b[2J")
        with pytest.raises(StoreError, match="is not a store of sampan") as caught:
            open_store(str(tmp_path))
        assert caught.value.sentence.isprintable()
        (tmp_path / "format").rename(tmp_path / "format.txt")
        with pytest.raises(StoreError, match=r"holds other things \('format.txt'\)"):
            layout.create(open_store(str(tmp_path)))
        assert os.listdir(tmp_path) == ["format.txt"]

    def test_unreadable_and_unwritable(self, tmp_path):
        if os.getuid() == 0:
            pytest.skip("root can read everything")
        path = tmp_path / "closed"
        path.mkdir(mode=0)
        with pytest.raises(StoreError, match="cannot read the store .*Permission denied") as caught:
            open_store(str(path))
        assert "SAMPAN_HOME" in caught.value.hint
        path.chmod(0o500)
        with pytest.raises(StoreError, match="cannot make the store .*Permission denied"):
            layout.create(open_store(str(path / "store")))
        path.chmod(0o700)

    def test_creation_that_was_killed_goes_on(self, tmp_path):
        store = open_store(str(tmp_path / "store"))
        os.makedirs(store.join("names"))
        layout.create(store)
        assert os.path.exists(store.join("format"))

    def test_errors_of_a_full_disk(self, store):
        assert isinstance(layout.failure(store, "cannot x", OSError(28, "full")), NoSpace)
        assert isinstance(layout.failure(store, "cannot x", OSError(122, "quota")), NoSpace)
        assert layout.failure(store, "cannot x", OSError(5, "I/O error")).sentence == "cannot x: I/O error"


class TestLeftovers:
    def test_who_is_dead(self, store):
        mine = os.path.basename(store.temporary("x"))
        assert not is_left_over(mine, 10**9)
        where, boot, namespace, pid, start, end = mine.rsplit(".", 5)
        assert (where, boot, pid) == (node(), boot_id(), str(os.getpid()))
        assert is_left_over(f"{where}.{boot}.{namespace}.{pid}.1.{end}", 0)  # the pid was given again
        assert is_left_over(f"{where}.{boot}.{namespace}.4194305.{start}.{end}", 0)
        assert is_left_over(f"{where}.another-boot.{namespace}.{pid}.{start}.{end}", 0)
        for other in (
            [where, boot, "1", "4194305", start, end],
            ["elsewhere.example", boot, namespace, pid, "1", end],
            [where, boot, namespace, pid, "0", end],
        ):
            assert not is_left_over(".".join(other), 3600)
            assert is_left_over(".".join(other), 25 * 3600)
        assert not is_left_over("odd", 3600)
        assert is_left_over("odd", 25 * 3600)

    def test_they_are_removed(self, store):
        dead = os.path.basename(store.temporary("x")).rsplit(".", 2)[0] + ".1.1-tree"
        os.makedirs(store.join("tmp", dead, "rootfs/locked"), 0o700)
        os.chmod(store.join("tmp", dead, "rootfs/locked"), 0)
        alive = store.temporary("y")
        for path in (alive, store.join("tmp", "new.partial"), store.join("tmp", "old.partial"), store.join("tmp", "foreign")):
            Path(path).touch()
        os.utime(store.join("tmp", "old.partial"), (0, 0))
        assert sweep.leftovers(store) == 2
        assert sorted(os.listdir(store.join("tmp"))) == sorted([os.path.basename(alive), "new.partial", "foreign"])

    def test_a_part_of_a_tree_is_never_given_back(self, store, monkeypatch):
        """A sweep that dies while it removes a tree whose place is taken leaves the rest to removal alone."""
        mine = os.path.basename(store.temporary(sweep.undecided("sha256:" + "ab" * 32, is_tree=True)))
        where, boot, namespace, pid, _, end = mine.rsplit(".", 5)
        dead = f"{where}.{boot}.{namespace}.{pid}.1.{end}"
        os.makedirs(store.join("tmp", dead, "rootfs"))
        os.makedirs(store.join("trees", "ab" * 32))
        with monkeypatch.context() as patch:
            patch.setattr(sweep, "remove", lambda *_: (_ for _ in ()).throw(OSError("killed here")))
            assert sweep.leftovers(store) == 0
        os.rmdir(store.join("trees", "ab" * 32))
        sweep.leftovers(store)
        assert os.listdir(store.join("trees")) == []

    def test_a_locked_partial_is_not(self, store):
        import fcntl

        with open(store.join("tmp", "old.partial"), "w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            os.utime(store.join("tmp", "old.partial"), (0, 0))
            assert sweep.leftovers(store) == 0
        assert sweep.leftovers(store) == 1


class TestLeases:
    def test_they_last_as_long_as_their_process(self, store):
        with Lease(store) as lease:
            lease.add("sha256:a")
            lease.add("sha256:b")
            assert leased(store) == {"sha256:a", "sha256:b"}
            source = str(Path(sampan.__file__).parents[1])
            words = (
                f"import sys, os; sys.path.insert(0, {source!r}); from sampan.store.leases import Lease; "
                f"from sampan.store.layout import open_store; Lease(open_store({store.path!r})).add('sha256:c'); os._exit(9)"
            )
            subprocess.run([sys.executable, "-c", words])
            assert len(os.listdir(store.join("tmp"))) == 2
            assert leased(store) == {"sha256:a", "sha256:b"}
        assert leased(store) == set()


class TestNames:
    IMAGE = names.Image(
        reference="docker.io/library/debian:12", manifest="sha256:1", config="sha256:2", chain="sha256:3", platform="linux/amd64", media_type="m",
        index="sha256:4", created="2026", pulled="2026", size=5, unpacked=6,
    )  # fmt: skip

    def test_put_find_remove(self, store):
        names.put(store, self.IMAGE)
        found = names.find(store, "docker.io/library/debian:12")
        assert [getattr(found, name) for name in names.Image.__slots__] == [
            getattr(self.IMAGE, name) for name in names.Image.__slots__
        ]
        assert os.listdir(store.join("names")) == ["docker.io%2Flibrary%2Fdebian%3A12"]
        assert json.loads(Path(store.join("names/docker.io%2Flibrary%2Fdebian%3A12")).read_text())["index"] == "sha256:4"
        assert [image.reference for image in names.listing(store)] == ["docker.io/library/debian:12"]
        assert names.remove(store, "docker.io/library/debian:12")
        assert not names.remove(store, "docker.io/library/debian:12")
        assert names.find(store, "docker.io/library/debian:12") is None

    def test_names_with_ports_and_digests(self, store):
        for reference in ("127.0.0.1:5000/a/b:1", "[::1]:5000/a@sha256:" + "0" * 64, "x/a__b/c-d:T.1_"):
            image = names.Image(**{**{name: getattr(self.IMAGE, name) for name in names.Image.__slots__}, "reference": reference})
            names.put(store, image)
            assert names.find(store, reference).reference == reference

    def test_references_longer_than_a_file_name(self, store):
        long = ["docker.io/" + "a/" * 120 + end for end in ("x:1", "x:2")]
        assert len({names.escape(one) for one in long}) == 2
        assert all(len(names.escape(one)) <= 255 for one in long)
        names.put(store, names.Image(reference=long[0]))
        assert names.find(store, long[0]).reference == long[0]

    @given(st.text(), st.text())
    def test_different_references_have_different_names(self, one, other):
        assert (names.escape(one) == names.escape(other)) == (one == other)
        assert "/" not in names.escape(one)
        assert names.escape(one) not in (".", "..")

    def test_damage(self, store):
        names.put(store, self.IMAGE)
        path = Path(names.path_of(store, self.IMAGE.reference))
        good = path.read_text()
        for old, new, words in (
            ('"size": 5', '"size": "5"', "size is not a number"), ('"size": 5', '"size": -5', "size is not a number"),
            ('"chain": "sha256:3"', '"chain": null', "chain is not a text"), ("debian:12", "debian:13", "record of another reference"),
        ):  # fmt: skip
            assert old in good
            path.write_text(good.replace(old, new))
            with pytest.raises(CorruptRecord, match=words):
                names.find(store, self.IMAGE.reference)

    def test_many_writers(self, store):
        source = str(Path(sampan.__file__).parents[1])
        words = (
            f"import sys; sys.path.insert(0, {source!r}); from sampan.store import names; from sampan.store.layout import open_store; "
            f"store = open_store({store.path!r}); [names.put(store, names.Image(reference='r:' + sys.argv[1], size=n)) for n in range(20)]"
        )
        running = [subprocess.Popen([sys.executable, "-c", words, str(number % 2)]) for number in range(4)]
        while any(process.poll() is None for process in running):
            for image in names.listing(store):
                assert image.size in range(20)
            time.sleep(0.01)
        assert [process.returncode for process in running] == [0] * 4
        assert [image.size for image in names.listing(store)] == [19, 19]
        assert os.listdir(store.join("tmp")) == []


class TestDocuments:
    def test_found_missing_damaged(self, store):
        digest = "sha256:" + "a" * 64
        assert documents.read(store, digest) is None
        path = Path(store.join("blobs/blobs/sha256", "a" * 64))
        path.write_text('{"config": {"Env": ["A=b"]}}')
        assert documents.read(store, digest) == {"config": {"Env": ["A=b"]}}
        for raw, words in (("[]", "not an object"), ("{", "not JSON"), (" " * (5 << 20), "larger than")):
            path.write_text(raw)
            with pytest.raises(CorruptRecord, match=words):
                documents.read(store, digest)

    @pytest.mark.parametrize("digest", ["", "sha256:", "sha256:../../../etc/passwd", "sha256:" + "." * 64, "md5:" + "a" * 32])
    def test_what_is_no_digest(self, store, digest):
        with pytest.raises(CorruptRecord, match="which is no digest"):
            documents.read(store, digest)


FORBIDDEN = {
    "re",
    "typing",
    "dataclasses",
    "pathlib",
    "enum",
    "json",
    "logging",
    "argparse",
    "subprocess",
    "hashlib",
    "ctypes",
    "contextlib",
}


def test_a_start_imports_little(store):
    """Finding an image and its tree, reading a record and writing one."""
    names.put(store, TestNames.IMAGE)
    source = str(Path(sampan.__file__).parents[1])
    words = f"""
import sys; sys.path.insert(0, {source!r})
from sampan.store import documents, layout, names, records, trees, programs
from sampan.layers import beneath
store = layout.open_store({store.path!r})
image = names.find(store, "docker.io/library/debian:12")
assert image.size == 5 and trees.find(store, image.chain) is None and programs.find(store, "0", "x") is None
assert documents.read(store, "sha256:" + "0" * 64) is None
records.write(store.join("pins/x"), store.temporary("x"), {{"format": 1}})
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-I", "-S", "-c", words], stdout=subprocess.PIPE, text=True, check=True)
    assert FORBIDDEN & set(done.stdout.split()) == set()
