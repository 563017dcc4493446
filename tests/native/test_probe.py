"""`--probe`: the answers, with and without what they are about, and nothing left behind."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

NAMES = [
    "openat2", "user-namespace", "mount-namespace", "overlay", "whiteout", "opaque", "rename", "mount_setattr", "pid-namespace", "proc",
    "binfmt",
]  # fmt: skip


def answers(program, place, *, without="", prefix=()):
    switch = [f"--without={without}"] if without else []
    done = subprocess.run([*prefix, program, *switch, "--probe", str(place)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert list(lines) == NAMES
    return lines


@pytest.fixture(params=["memory", "directory"])
def place(request, tmp_path):
    yield tmp_path if request.param == "directory" else "memory"
    assert os.listdir(tmp_path) == []


def test_this_machine(program, place):
    """The development kernel can do all of it; an older one answers with numbers, but answers."""
    found = answers(program, place)
    for answer in found.values():
        assert answer == "ok" or answer.split()[0].isdigit()
    kernel = tuple(map(int, os.uname().release.split(".")[:2]))
    if kernel >= (5, 12):
        assert {answer for name, answer in found.items() if name != "binfmt"} == {"ok"}
    if kernel >= (6, 7):
        assert found["binfmt"] == "ok"


def test_what_is_missing_is_said(program, place):
    assert answers(program, place, without="openat2")["openat2"].split()[0] == str(errno.ENOSYS)
    assert answers(program, place, without="mount_setattr")["mount_setattr"].split()[0] == str(errno.ENOSYS)
    assert answers(program, place, without="binfmt")["binfmt"].split()[0] == str(errno.EPERM)
    found = answers(program, place, without="overlay")
    assert {found[name].split()[0] for name in ("overlay", "whiteout", "opaque", "rename")} == {str(errno.ENODEV)}


def test_no_namespaces(program, place):
    prefix = [
        "unshare",
        "-U",
        "--map-current-user",
        "--keep-caps",
        "sh",
        "-c",
        'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"',
        "sh",
    ]
    found = answers(program, place, prefix=prefix)
    assert found.pop("openat2") == "ok"
    assert {answer.split()[0] for answer in found.values()} == {str(errno.ENOSPC)}


def test_a_directory_that_cannot_hold_an_upper(program, tmp_path):
    """/proc as an example of a file system that takes no files."""
    done = subprocess.run([program, "--probe", "/proc"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("sampan: cannot try anything out in /proc: ")
    done = subprocess.run([program, "--probe", str(tmp_path / "none")], capture_output=True, text=True)
    assert done.stderr == f"sampan: cannot try anything out in {tmp_path}/none: No such file or directory\n"


def test_an_overlay_as_the_place_of_an_upper(program, tmp_path):
    """An overlay of the user's own cannot be the upper of another one: the mount is refused, and that is the answer."""
    for name in ("l", "u", "w", "m"):
        (tmp_path / name).mkdir()
    mount = f'cd {tmp_path} && mount -t overlay -o userxattr,lowerdir=l,upperdir=u,workdir=w x m && exec "$@"'
    found = answers(program, tmp_path / "m", prefix=["unshare", "-rm", "sh", "-c", mount, "sh"])
    assert found["user-namespace"] == found["mount-namespace"] == "ok"
    assert found["overlay"] != "ok"
    assert found["whiteout"] == found["opaque"] == found["overlay"]
    assert os.listdir(tmp_path / "m") == []
    (tmp_path / "w/work").chmod(0o700)
