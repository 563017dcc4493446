"""Invariant: whatever bytes a launch file has, sampan-intercept ends by itself, with a program's status or with 125, 126, 127 and a sentence."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.engine.encoding import encode

ROUNDS = 900 * int(os.environ.get("SAMPAN_RIG_FACTOR", "1"))
BUSYBOX = Path("/bin/busybox")


@pytest.fixture
def records(tmp_path):
    """Every record that the engine carries out, on a tree of a static busybox."""
    if not BUSYBOX.exists():
        pytest.skip("busybox-static is not installed")
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    for place in (tree / "bin", tree / "proc", tree / "dev", outside):
        place.mkdir(parents=True)
    shutil.copy(BUSYBOX, tree / "bin/true")
    uid, gid = str(os.getuid()), str(os.getgid())
    return [
        ("owner", uid), ("image", "x"), ("label", "sampan:1:2"), ("intercept", "owners", f"{outside}/owners"), ("uid-map", "0", uid, "1"),
        ("gid-map", "0", gid, "1"), ("root-tree", str(tree), "ro"), ("bind", "/proc", "/proc", ""), ("dev", "/dev"), ("bind", str(outside), "/a/b", "ro"),
        ("tmpfs", "/t", "1777", "0", "nosuid"), ("file", "/etc/hosts", "644", "ro", "127.0.0.1 localhost\n"), ("mkdir", "/t/d", "755"),
        ("symlink", "x", "/t/l"), ("mask", "/proc/kcore"), ("read-only", "/t"), ("env", "A=1"), ("env-from", "PATH"), ("env-prefix", "SLURM_"),
        ("env-unset", "A"), ("umask", "022"), ("limit", "core", "0", "0"), ("cpus", "0"), ("fds", ""), ("no-new-privs",), ("cwd-caller", "bind", "/"),
        ("args", "append"), ("default-arg", "x"), ("exec", "/bin/true"),
    ]  # fmt: skip


def run(native, data, tmp_path):
    fd = os.memfd_create("launch")
    try:
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        words = [str(native / "sampan-intercept"), f"--fd={fd}", "word"]
        return subprocess.run(words, pass_fds=[fd], capture_output=True, timeout=60, cwd=tmp_path, stdin=subprocess.DEVNULL)
    finally:
        os.close(fd)


def mutate(chance, data):
    """One or a few changes of bytes, of lengths, of whole fields."""
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(data))
        kind = chance.randrange(6)
        if kind == 0:
            data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at]
        elif kind == 2:
            data = data[:at] + data[at + chance.randint(1, 9) :]
        elif kind == 3:
            data = data[:at] + data[at : at + chance.randint(1, 40)] * chance.randint(2, 5) + data[at:]
        else:
            fields = data.split(b"\0")
            odd = [
                b"",
                b"-1",
                b"99999999999999999999",
                b"/",
                b"..",
                b"/../..",
                b"x" * 5000,
                b"/x/" * 1500,
                b"caller",
                b"exec",
                b"1",
                b"65537",
            ]
            fields[chance.randrange(len(fields))] = chance.choice([*odd, *fields])
            data = b"\0".join(fields)
        data = data or b"x"
    return data


def test_the_file_itself_is_good(native, records, tmp_path):
    (tmp_path / "outside/owners").touch()
    done = run(native, encode(records), tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


def test_any_bytes(native, records, tmp_path):
    (tmp_path / "outside/owners").touch()
    good = encode(records)
    chance = random.Random(1)
    seen = set()
    for number in range(ROUNDS):
        data = mutate(chance, good)
        done = run(native, data, tmp_path)
        seen.add(done.returncode)
        assert done.returncode >= 0, f"round {number}: signal {-done.returncode}: {done.stderr!r}"
        if done.returncode in (125, 126, 127):
            assert done.stderr.startswith(b"sampan: "), f"round {number}: {done.stderr!r}"
        else:
            assert done.returncode == 0, f"round {number}: {done.returncode} {done.stderr!r}"
    assert {0, 125} <= seen


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("root-tree", "/x", "mad"), "neither ro nor rw"),
        (("unshare", "user,mount"), "no namespaces"),
        (("root-memory", "/x", "0", "refuse"), "no writable layer"),
        (("nonsense",), "is unknown"),
        (("watch", "", "", "15", "10", "0"), "sampan-run stays beside it"),
        (("health", "1", "1", "1", "1", "true"), "sampan-run stays beside it"),
        (("user", "0", "0", ""), "no longer map"),
        (("intercept", "magic", ""), "names no option"),
        (("limit", "core", "many", "0"), "limit"),
        (("bind", "relative", "/a", ""), "relative path"),
        (("bind", "/proc", "a", ""), "not an absolute path"),
        (("bind", "/nowhere/at/all", "/a", ""), "cannot bind /nowhere/at/all"),
        (("intercept", "ready", ""), "needs the variable SAMPAN_READY"),
        (("intercept", "enter", ""), "needs the variable SAMPAN_PAYLOAD"),
        (("intercept", "enter", "1 2"), "it has a root or mounts"),
    ],
)
def test_what_is_wrong_is_named(native, records, tmp_path, change, sentence):
    (tmp_path / "outside/owners").touch()
    changed = [change if change[0] == record[0] == "root-tree" else record for record in records]
    if change not in changed:
        changed.insert(7, change)
    done = run(native, encode(changed), tmp_path)
    assert done.returncode == 125
    assert sentence in done.stderr.decode(), done.stderr


@pytest.mark.parametrize(
    ("process", "sentence"),
    [
        ("1", "by a pid and its start time"),
        ("x 1", "by a pid and its start time"),
        ("1 x", "by a pid and its start time"),
        ("4194304 7", "4194304 stood for is not running any more"),
        ("{own} 7", "is not running any more"),
        ("{own} {start}", "is in no container of this interception engine"),
    ],
)
def test_a_container_that_cannot_be_entered_is_named(native, tmp_path, process, sentence):
    start = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    enter = ("intercept", "enter", process.format(own=os.getpid(), start=start))
    done = run(native, encode([("image", "x"), enter, ("args", "append"), ("exec", "true")]), tmp_path)
    assert (done.returncode, sentence in done.stderr.decode()) == (125, True), done.stderr
