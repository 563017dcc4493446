"""Paths by descriptors: both ways, the kernel's and by hand, through one suite."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys

import pytest

from sampan.errors import LayerError
from sampan.layers import beneath, openat2, removal

pytestmark = pytest.mark.client

WAYS = [pytest.param((beneath.in_root, beneath.beneath), id="by hand")]
if openat2.works():
    WAYS.append(pytest.param((openat2.in_root, openat2.beneath), id="openat2"))


@pytest.fixture
def image(tmp_path):
    root = tmp_path / "root"
    for directory in ("usr/lib", "etc", "a/b/c"):
        (root / directory).mkdir(parents=True)
    (root / "etc/passwd").write_text("image")
    (root / "usr/lib/x").write_text("x")
    (tmp_path / "passwd").write_text("host")
    links = {
        "lib": "usr/lib", "abs": "/etc/passwd", "up": "../../../etc/passwd", "loop": "loop", "far": "/../passwd", "a/b/back": "../../etc",
        "dir": "/a/b/", "slash": "usr/lib/x/", "dangling": "nothing/there", "dot": ".", "root": "/", "chain0": "etc/passwd",
    }  # fmt: skip
    for name, target in links.items():
        (root / name).symlink_to(target)
    for number in range(1, 45):
        (root / f"chain{number}").symlink_to(f"chain{number - 1}")
    os.mkfifo(root / "fifo")
    descriptor = os.open(root, os.O_PATH | os.O_DIRECTORY)
    yield descriptor
    os.close(descriptor)


def content(opener, root, path, flags=os.O_RDONLY):
    descriptor = opener(root, path, flags)
    try:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return "directory"
        return os.read(descriptor, 100).decode()
    finally:
        os.close(descriptor)


def failure(opener, root, path, flags=os.O_RDONLY):
    with pytest.raises(OSError, match="Errno") as caught:
        os.close(opener(root, path, flags))
    return errno.errorcode[caught.value.errno]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"etc/passwd", "image"),
        (b"/etc/passwd", "image"),
        (b"./etc//./passwd", "image"),
        (b"lib/x", "x"),
        (b"abs", "image"),
        (b"up", "image"),
        (b"etc/../../../etc/passwd", "image"),
        (b"a/b/back/passwd", "image"),
        (b"dir/c/../../../etc/passwd", "image"),
        (b"dir/../../../../../../etc/passwd", "image"),
        (b"dot/root/dot/etc/passwd", "image"),
        (b"chain39", "image"),
        (b"/", "directory"),
        (b".", "directory"),
        (b"..", "directory"),
        (b"root", "directory"),
        (b"dir", "directory"),
        (b"lib/", "directory"),
    ],
)
def test_in_root_follows_links_as_the_payload_would(image, way, path, expected):
    assert content(way[0], image, path) == expected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"", "ENOENT"),
        (b"passwd", "ENOENT"),
        (b"far", "ENOENT"),
        (b"../passwd", "ENOENT"),
        (b"dangling", "ENOENT"),
        (b"loop", "ELOOP"),
        (b"loop/x", "ELOOP"),
        (b"chain40", "ELOOP"),
        (b"etc/passwd/x", "ENOTDIR"),
        (b"etc/passwd/", "ENOTDIR"),
        (b"etc/passwd/..", "ENOTDIR"),
        (b"slash", "ENOTDIR"),
    ],
)
def test_in_root_fails_as_the_kernel_does(image, way, path, expected):
    assert failure(way[0], image, path) == expected


@pytest.mark.parametrize("way", WAYS)
def test_flags_are_kept(image, way):
    assert failure(way[0], image, b"abs", os.O_RDONLY | os.O_NOFOLLOW) == "ELOOP"
    assert failure(way[0], image, b"etc/passwd", os.O_RDONLY | os.O_DIRECTORY) == "ENOTDIR"
    descriptor = way[0](image, b"abs", os.O_PATH)
    assert stat.S_ISREG(os.fstat(descriptor).st_mode)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
    descriptor = way[0](image, b"abs", os.O_PATH | os.O_NOFOLLOW)
    assert stat.S_ISLNK(os.fstat(descriptor).st_mode)
    os.close(descriptor)


@pytest.mark.parametrize("way", WAYS)
def test_beneath_takes_no_link_at_all(image, way):
    assert content(way[1], image, b"etc/passwd") == "image"
    assert content(way[1], image, b"./usr//lib/x") == "x"
    assert content(way[1], image, b".", os.O_RDONLY | os.O_DIRECTORY) == "directory"
    for path in (b"lib/x", b"abs", b"dot/etc/passwd", b"loop", b"root/etc", b"dir"):
        assert failure(way[1], image, path) == "ELOOP"
    assert failure(way[1], image, b"abs", os.O_PATH) == "ELOOP"
    for path in (b"../passwd", b"etc/../../passwd"):
        assert failure(way[1], image, path) == "EXDEV"
    assert failure(way[1], image, b"etc/nothing") == "ENOENT"
    assert failure(way[1], image, b"etc/passwd/x") == "ENOTDIR"


def test_no_descriptor_is_left_open(image):
    before = os.listdir("/proc/self/fd")
    for path in (b"dir/c/../../../etc/passwd", b"chain44", b"loop", b"etc/passwd/x"):
        for opener in (beneath.in_root, beneath.beneath):
            try:
                os.close(opener(image, path, os.O_RDONLY))
            except OSError:
                continue
    assert os.listdir("/proc/self/fd") == before


def test_a_regular_file_is_read_up_to_a_limit(image):
    assert beneath.read_regular(image, b"abs", 5) == b"image"
    with pytest.raises(LayerError, match="larger than the 4 bytes"):
        beneath.read_regular(image, b"abs", 4)
    for path, words in ((b"fifo", "not a regular file"), (b"etc", "not a regular file"), (b"loop", "cannot be opened")):
        with pytest.raises(LayerError, match=words):
            beneath.read_regular(image, path, 100)
    for path in (b"far", b"etc/passwd/x", b"dangling"):
        with pytest.raises(FileNotFoundError):
            beneath.read_regular(image, path, 100)


def test_by_hand_needs_no_ctypes():
    words = "import __future__, os; before = set(sys.modules); import sampan.layers.beneath; print(*(set(sys.modules) - before))"
    source = os.path.dirname(os.path.dirname(os.path.dirname(beneath.__file__)))
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {source!r}); {words}"],
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    assert {name for name in done.stdout.split() if not name.startswith("sampan")} <= {"errno"}


def test_removal_opens_what_is_locked_and_follows_nothing(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    tree = tmp_path / "tree"
    (tree / "locked/deeper").mkdir(parents=True)
    (tree / "locked/deeper/file").write_text("x")
    (tree / "locked/link").symlink_to(outside)
    (tree / "link").symlink_to("../outside")
    (tree / "locked/deeper").chmod(0)
    (tree / "locked").chmod(0o111)
    tree.chmod(0o555)
    descriptor = os.open(tmp_path, os.O_PATH)
    removal.remove(descriptor, b"tree")
    removal.remove(descriptor, "nothing")
    os.symlink("outside", tmp_path / "link")
    removal.remove(descriptor, b"link")
    os.close(descriptor)
    assert sorted(os.listdir(tmp_path)) == ["outside"]
    assert (outside / "file").read_text() == "x"


def test_removal_of_a_directory_deeper_than_paths_and_stack_reach(tmp_path):
    os.mkdir(tmp_path / "tree")
    here = os.open(tmp_path / "tree", os.O_RDONLY)
    for number in range(3000):
        for name in (f"d{number % 3}", "file"):
            os.mkdir(name, 0o700, dir_fd=here) if name != "file" else os.close(
                os.open(name, os.O_CREAT | os.O_WRONLY, dir_fd=here)
            )
        below = os.open(f"d{number % 3}", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    parent = os.open(tmp_path, os.O_PATH)
    removal.remove(parent, b"tree")
    os.close(parent)
    assert os.listdir(tmp_path) == []
