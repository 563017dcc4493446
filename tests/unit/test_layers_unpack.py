"""The pipeline: growing files, errors that end all threads, digests, full disks, and trees that begin as another."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import sampan
from sampan.errors import DigestMismatch, LayerError, NoSpace, StoreError, Unreachable, UnsupportedContent
from sampan.layers import mtree, ondisk
from sampan.layers.clone import clone
from sampan.layers.directory import DirectorySink
from sampan.layers.follow import GrowingFile
from sampan.layers.index import Index
from sampan.layers.limits import Allowance
from sampan.layers.unpack import Layer, apply_layer
from sampan.oci.digest import Digest
from tests.images.tarbytes import archive, device, directory, fifo, file, hardlink, pax, symlink
from tests.images.unpacked import Unpacked

pytestmark = pytest.mark.client
TAR = archive(directory("d", 0o750), *[file(f"d/{number}", b"x" * number * 50) for number in range(300)], symlink("l", "d/1"))


@pytest.fixture
def place(tmp_path):
    """A sink into an empty directory, and the descriptor of a growing blob."""
    (tmp_path / "root").mkdir()
    root = os.open(tmp_path / "root", os.O_RDONLY)
    blob = os.open(tmp_path / "blob", os.O_RDWR | os.O_CREAT)
    sink = DirectorySink(root, str(tmp_path / "root"))
    yield sink, blob
    sink.close()
    os.close(root)
    os.close(blob)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("sampan")] == []


def diff_id(data: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(data).hexdigest())


def apply(sink, source, data=TAR):
    index = Index()
    apply_layer(Layer(source, diff_id(data), 10**6), index, sink, Allowance())
    return index


class TestGrowingFile:
    def test_a_blob_is_unpacked_while_it_grows(self, place):
        sink, blob = place
        source = GrowingFile(blob)
        data = gzip.compress(TAR)

        def download():
            for at in range(0, len(data), 5000):
                os.pwrite(blob, data[at : at + 5000], at)
                source.advance(len(data[at : at + 5000]))
                time.sleep(0.002)
            source.finish()

        writer = threading.Thread(target=download)
        writer.start()
        index = apply(sink, source)
        writer.join()
        assert len(list(index.walk())) == 302

    def test_a_download_that_is_resumed(self, place):
        sink, blob = place
        data = gzip.compress(TAR)
        os.pwrite(blob, data[:4000], 0)
        source = GrowingFile(blob, 4000)
        os.pwrite(blob, data[4000:], 4000)
        source.advance(len(data) - 4000)
        source.finish()
        apply(sink, source)

    def test_nothing_is_taken_before_the_writer_says_it_is_right(self, place):
        """All bytes are there and fit the diff_id, but the blob's digest does not: no tree."""
        sink, blob = place
        os.pwrite(blob, TAR, 0)
        source = GrowingFile(blob, len(TAR))
        threading.Timer(0.05, source.fail, [DigestMismatch("blob x does not match")]).start()
        with pytest.raises(DigestMismatch, match=r"^blob x does not match"):
            apply(sink, source)

    def test_an_error_of_the_writer_arrives_as_it_is(self, place):
        sink, blob = place
        source = GrowingFile(blob)
        source.fail(Unreachable("the registry is gone"))
        source.fail(Unreachable("a later one"))
        with pytest.raises(Unreachable, match=r"^the registry is gone"):
            apply(sink, source)

    def test_an_error_of_the_reader_does_not_wait_for_the_writer(self, place):
        sink, blob = place
        bad = archive(file("../x"))
        os.pwrite(blob, bad, 0)
        source = GrowingFile(blob, len(bad))  # and it never finishes
        with pytest.raises(LayerError, match="leaves the root"):
            apply(sink, source)
        source.advance(1)
        source.finish()

    def test_a_file_that_lost_bytes(self, place):
        sink, blob = place
        with pytest.raises(StoreError, match="shorter than"):
            apply(sink, GrowingFile(blob, 100))


class TestDigest:
    def test_other_content(self, place):
        sink, blob = place
        os.pwrite(blob, TAR, 0)
        with pytest.raises(DigestMismatch, match="unpacks to other bytes than the image says"):
            apply(sink, GrowingFile.complete(blob), TAR + b"x")

    @pytest.mark.parametrize("tail", [b"behind the end", bytes(10240)])
    def test_it_covers_what_stands_behind_the_end(self, place, tail):
        sink, blob = place
        os.pwrite(blob, gzip.compress(TAR + tail), 0)
        apply(sink, GrowingFile.complete(blob), TAR + tail)

    def test_sha512(self, place):
        sink, blob = place
        os.pwrite(blob, TAR, 0)
        apply_layer(
            Layer(GrowingFile.complete(blob), Digest("sha512", hashlib.sha512(TAR).hexdigest()), 1), Index(), sink, Allowance()
        )


def test_errors_name_the_layer(place):
    sink, blob = place
    os.pwrite(blob, b"\xfd7zXZ\0" + bytes(100), 0)
    with pytest.raises(UnsupportedContent, match=r"^layer sha256:[0-9a-f]{12}: it is compressed with xz"):
        apply(sink, GrowingFile.complete(blob))
    os.ftruncate(blob, 0)
    os.pwrite(blob, gzip.compress(TAR)[:-20], 0)
    with pytest.raises(LayerError, match=r"^layer sha256:[0-9a-f]{12}: its gzip data is cut"):
        apply(sink, GrowingFile.complete(blob))


def test_interrupted(place, monkeypatch):
    """Ctrl-C in the middle: threads end, and the interrupt goes on."""
    sink, blob = place
    os.pwrite(blob, TAR, 0)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sink, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        apply(sink, GrowingFile(blob, len(TAR)))


FULL = """
import os, sys
sys.path[:0] = {paths!r}
from sampan.errors import NoSpace
from tests.unit.test_layers_unpack import *
root = os.open("full", os.O_RDONLY)
os.write(blob := os.open("blob", os.O_RDWR | os.O_CREAT), {maker})
sink = DirectorySink(root, "/the/store")
try:
    apply(sink, GrowingFile.complete(blob), {maker})
except NoSpace as error:
    print(error.sentence)
"""


@pytest.mark.parametrize(
    ("option", "maker"),
    [
        ("size=1m", "archive(*[file(str(n), b'x' * 100000) for n in range(20)])"),
        ("nr_inodes=20", "archive(*[file(str(n)) for n in range(50)])"),
    ],
)
def test_a_full_disk_says_what_was_needed(tmp_path, option, maker):
    (tmp_path / "full").mkdir()
    paths = [str(Path(__file__).parents[2]), str(Path(sampan.__file__).parents[1]), *sys.path]
    (tmp_path / "program.py").write_text(FULL.format(paths=paths, maker=maker))
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], stderr=subprocess.DEVNULL).returncode:
        pytest.skip("no user namespaces")
    words = f'mount -t tmpfs -o {option} none full && exec "$0" program.py'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", words, sys.executable], cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
    )
    assert done.stdout.startswith("no space left for /the/store: the image needs more than ")
    assert " files, and " in done.stdout


def test_disk_and_quota_are_told_from_other_errors(place):
    sink, _ = place
    assert isinstance(sink.explain(OSError(errno.EDQUOT, "x")), NoSpace)
    assert "takes two names of the image for one: 'a'" in sink.explain(OSError(errno.EEXIST, "x", b"a")).sentence
    assert sink.explain(OSError(errno.EIO, "no luck", b"a\n")).sentence.endswith(": no luck")


class TestClone:
    MEMBERS = (
        directory("d", 0o1755, mtime=5), file("d/a", b"a" * 5000, mode=0o4711), hardlink("d/b", "d/a"), hardlink("c", "d/a"), symlink("l", "d"),
        fifo("p"), device("sda"), directory("empty", 0), pax(("SCHILY.xattr.user.x", "y")) + file("x", b"x"),
    )  # fmt: skip

    @pytest.fixture
    def source(self, tmp_path):
        return Unpacked(tmp_path / "one").apply(archive(*self.MEMBERS))

    def cloned(self, source, base):
        """A tree that begins as the source, and the number of names made."""
        copy = Unpacked(base)
        copy.index = mtree.read(b"".join(mtree.write(source.index)).splitlines(keepends=True))
        descriptors = [os.open(tree.root, os.O_RDONLY) for tree in (source, copy)]
        made = clone(*descriptors, copy.index)
        for descriptor in descriptors:
            os.close(descriptor)
        return copy, made

    def test_files_are_links_and_directories_new(self, source, tmp_path):
        copy, made = self.cloned(source, tmp_path / "two")
        descriptor = os.open(copy.root, os.O_RDONLY)
        sink = DirectorySink(descriptor, "x")
        sink.finish(copy.index)
        sink.close()
        os.close(descriptor)
        assert copy.listing() == source.listing()
        assert made == 9
        for name in ("d/a", "d/b", "c", "l", "p", "x"):
            assert copy.on_disk(name).st_ino == source.on_disk(name).st_ino
        assert copy.on_disk("d").st_ino != source.on_disk("d").st_ino
        assert copy.on_disk("d").st_mtime == 5

    def test_a_layer_on_top_leaves_the_first_tree_alone(self, source, tmp_path):
        before = {name: source.on_disk(name).st_mtime_ns for name in ("d/a", "d/b", "c", "x")}
        copy, _ = self.cloned(source, tmp_path / "two")
        with pytest.raises(AssertionError):  # `Unpacked` counts the names of each file, which has some elsewhere now
            copy.apply(archive(file("d/a", b"new"), directory("d", 0o777, mtime=9), file("x", b"", mode=0o600)))
        assert source.listing()["d/a"] == "a" * 5000
        assert source.on_disk("d").st_mtime == 5
        assert {name: source.on_disk(name).st_mtime_ns for name in before} == before
        assert copy.listing()["d/a"] == "new"

    @pytest.mark.parametrize("number", [errno.EMLINK, errno.EXDEV, errno.EPERM])
    def test_where_a_link_cannot_be_made_it_is_a_copy(self, source, tmp_path, monkeypatch, number):
        real = os.link

        def link(name, new, *, src_dir_fd, dst_dir_fd, follow_symlinks):
            if os.stat(name, dir_fd=src_dir_fd, follow_symlinks=False).st_ino in known:
                raise OSError(number, "no link")
            real(name, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)

        known = {source.on_disk(name).st_ino for name in ("d/a", "c", "l", "p", "x")}
        monkeypatch.setattr(os, "link", link)
        copy, _ = self.cloned(source, tmp_path / "two")
        monkeypatch.undo()
        copy.apply()  # finish, and compare with the index: content, modes, times, link groups
        assert copy.on_disk("c").st_ino == copy.on_disk("d/a").st_ino != source.on_disk("c").st_ino

    def test_a_source_that_differs_from_its_index(self, source, tmp_path, monkeypatch):
        (source.root / "x").unlink()
        with pytest.raises(FileNotFoundError):
            self.cloned(source, tmp_path / "two")
        (source.root / "x").write_text("longer than before")
        monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(errno.EXDEV, "x")))
        with pytest.raises(StoreError, match="differs from its index at 'x'"):
            self.cloned(source, tmp_path / "three")

    def test_a_link_whose_answer_was_lost(self, source, tmp_path, monkeypatch):
        real = os.link

        def link(*args, **more):
            real(*args, **more)
            raise FileExistsError(errno.EEXIST, "as a network file system says after success")

        monkeypatch.setattr(os, "link", link)
        copy, _ = self.cloned(source, tmp_path / "two")
        assert copy.on_disk("x").st_ino == source.on_disk("x").st_ino


@pytest.mark.parametrize("missing", ["nothing", "reflink", "reflink and copy_file_range"])
def test_copies_are_whole_by_every_way(tmp_path, monkeypatch, missing):
    def fail(*_):
        raise OSError(errno.EOPNOTSUPP, "x")

    data = os.urandom(3_000_000)
    (tmp_path / "a").write_bytes(data)
    if missing != "nothing":
        monkeypatch.setattr(ondisk.fcntl, "ioctl", fail)
    if missing.endswith("range"):
        monkeypatch.setattr(os, "copy_file_range", fail)
    reading = os.open(tmp_path / "a", os.O_RDONLY)
    writing = os.open(tmp_path / "b", os.O_WRONLY | os.O_CREAT)
    ondisk.copy_content(reading, writing, len(data))
    os.close(reading)
    os.close(writing)
    assert (tmp_path / "b").read_bytes() == data


def test_a_file_system_that_takes_a_for_A(tmp_path, monkeypatch):
    descriptor = os.open(tmp_path, os.O_RDONLY)
    assert not ondisk.is_case_insensitive(descriptor)
    assert os.listdir(tmp_path) == []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda name, **more: real(name.lower(), **more))
    assert ondisk.is_case_insensitive(descriptor)
    os.close(descriptor)
