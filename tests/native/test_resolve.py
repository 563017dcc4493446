"""Paths inside a root: one list of cases for openat2 and for the walk by hand, and a property that both agree."""

from __future__ import annotations

import os
import subprocess

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

WAYS = ["", "openat2"]


@pytest.fixture(scope="module")
def resolver(compile_c):
    return compile_c("tests/resolve.c", "resolve.c", "kernel.c")


@pytest.fixture(scope="module")
def jail(tmp_path_factory):
    """A root with every kind of link, and something outside that must never be reached."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("x")
    root = outside / "root"
    for name in ("etc/deep/deeper", "usr/bin", "proc"):
        (root / name).mkdir(parents=True)
    for name in ("etc/passwd", "secret-copy"):
        (root / name).write_text("x")
    links = {
        "bin": "usr/bin", "absolute": "/etc/deep", "up": "../../../../etc", "out": "../../secret", "absout": str(outside / "secret"),
        "dangling": "/mnt/data", "dangling2": "dangling/more", "loop": "loop", "loop1": "loop2", "loop2": "/loop1", "tofile": "etc/passwd",
        "etc/parent": "..", "etc/self": ".", "slash": "/", "empty-parts": "//etc//./deep/", "long": "a" * 300, "chain0": "/etc",
        "many": "/".join(["etc/.."] * 50) + "/etc",
    }  # fmt: skip
    for i in range(1, 45):
        links[f"chain{i}"] = f"chain{i - 1}"
    for name, text in links.items():
        (root / name).symlink_to(text)
    return root


def answers(resolver, without, root, paths, follow="follow"):
    done = subprocess.run([resolver, without, str(root), follow, *paths], capture_output=True, check=True)
    assert done.stderr == b""
    return os.fsdecode(done.stdout).splitlines()


def identity(path):
    st_ = os.lstat(path)
    return f"{st_.st_dev}:{st_.st_ino}"


@pytest.mark.parametrize("without", WAYS, ids=["openat2", "by hand"])
@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/", "directory ."),
        ("//", "directory ."),
        ("/.", "directory ."),
        ("/..", "directory ."),
        ("/../../..", "directory ."),
        ("/etc", "directory etc"),
        ("/etc/", "directory etc"),
        ("//etc///deep/.", "directory etc/deep"),
        ("/../../etc/passwd", "other etc/passwd"),
        ("/etc/deep/../passwd", "other etc/passwd"),
        ("/bin", "directory usr/bin"),
        ("/bin/../../etc", "directory etc"),
        ("/absolute/deeper", "directory etc/deep/deeper"),
        ("/absolute/..", "directory etc"),
        ("/up", "directory etc"),
        ("/out", "missing secret below /"),
        ("/absout", "missing {outside}/secret below /"),
        ("/tofile", "other etc/passwd"),
        ("/etc/parent", "directory ."),
        ("/etc/self/self/passwd", "other etc/passwd"),
        ("/slash", "directory ."),
        ("/slash/etc", "directory etc"),
        ("/empty-parts", "directory etc/deep"),
        ("/chain39", "directory etc"),
        ("/dangling", "missing mnt/data below /"),
        ("/dangling/", "missing mnt/data below /"),
        ("/dangling2", "missing mnt/data/more below /"),
        ("/dangling/x/./y", "missing mnt/data/x/y below /"),
        ("/absolute/new", "missing new below /etc/deep"),
        ("/etc/parent/new/a//b", "missing new/a/b below /"),
        ("/bin/../new", "missing new below /usr"),
        ("/new", "missing new below /"),
        ("/new/../etc", "error No such file or directory"),
        ("/etc/passwd/x", "error Not a directory"),
        ("/etc/passwd/..", "error Not a directory"),
        ("/etc/passwd/.", "error Not a directory"),
        ("/tofile/x", "error Not a directory"),
        ("/loop", "error Too many levels of symbolic links"),
        ("/loop1/x", "error Too many levels of symbolic links"),
        ("/chain44", "error Too many levels of symbolic links"),
        ("/long", "error File name too long"),
        ("/" + "b" * 256, "error File name too long"),
        ("/" + "b" * 255, "missing " + "b" * 255 + " below /"),
        ("/new/" + "b" * 256, "error File name too long"),
        ("/many", "directory etc"),
    ],
    ids=lambda text: text[:30],
)
def test_cases(path, answer, without, resolver, jail):
    kind, _, rest = answer.partition(" ")
    if kind in ("directory", "other", "link"):
        answer = f"{kind} {identity(jail / rest)}"
    answer = answer.replace("{outside}", str(jail.parent)[1:])
    assert answers(resolver, without, jail, [path]) == [answer]


@pytest.mark.parametrize("without", WAYS, ids=["openat2", "by hand"])
def test_a_last_link_can_be_kept(without, resolver, jail):
    found = answers(resolver, without, jail, ["/bin", "/dangling", "/loop", "/etc/parent/bin", "/slash/etc"], "stay")
    names = ["bin", "dangling", "loop", "bin"]
    assert found == [*(f"link {identity(jail / name)}" for name in names), f"directory {identity(jail / 'etc')}"]


@pytest.mark.parametrize("without", WAYS, ids=["openat2", "by hand"])
def test_magic_links_are_refused(without, resolver):
    """With /proc inside the root: the links that lead out of it, and the ordinary ones beside them."""
    magic = ["/proc/self/root/etc", "/proc/self/cwd", "/proc/self/exe", "/proc/self/fd/0", "/proc/self/ns/mnt"]
    assert answers(resolver, without, "/", magic) == ["error Too many levels of symbolic links"] * len(magic)
    fine = ["/proc/mounts", "/proc/thread-self/status", "/proc/net/dev", "/proc/self/status"]
    assert [line.split()[0] for line in answers(resolver, without, "/", fine)] == ["other"] * len(fine)


def test_a_path_may_not_be_longer_than_the_kernel_takes(resolver, jail):
    for without in WAYS:
        assert answers(resolver, without, jail, ["/a" * 2048]) == ["error File name too long"]
        assert answers(resolver, without, jail, ["/." * 2000]) == [f"directory {identity(jail)}"]


PIECES = st.sampled_from([
    "etc", "deep", "deeper", "passwd", "bin", "usr", "absolute", "up", "out", "dangling", "tofile", "parent", "self", "slash", "loop1",
    "chain3", "new", "a", "..", ".", "", "secret", "root",
])  # fmt: skip


@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    paths=st.lists(st.lists(PIECES, min_size=1, max_size=7).map(lambda parts: "/" + "/".join(parts)), min_size=20, max_size=40)
)
@example(paths=["/etc/passwd/", "/dangling/..", "/out/..", "/new/.", "/tofile/."])
def test_both_ways_agree(paths, resolver, jail):
    for follow in ("follow", "stay"):
        assert answers(resolver, "", jail, paths, follow) == answers(resolver, "openat2", jail, paths, follow)
