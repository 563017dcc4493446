"""The reader under attack.

Invariant: whatever the bytes of a launch file, `sampan-run --check` ends with 0 or 125, never by a signal or a sanitizer's report.
Most mutations go through the fuzz target's code in one process; some through the real program.
"""

from __future__ import annotations

import os
import random
import subprocess

import pytest

from sampan.engine.encoding import encode, header

SEEDS = [
    encode(
        [
            ("owner", "1000"), ("image", "debian:12"), ("label", "sampan:a:b"), ("touch", "used"), ("unshare", "user,mount,uts,net"),
            ("uid-map", "0", "caller", "1"), ("gid-map", "0", "1000", "1"), ("hostname", "h"), ("loopback",),
            ("root-overlay", "tree", "/u", "/w", "read-only"), ("fallback-tmpfs", "/tmp", "1777", "1000"), ("bind", "/a", "/b", "ro,rslave"),
            ("tmpfs", "/t", "0755", "0", "ro"), ("file", "/f", "644", "", "a\nb"), ("mkdir", "/d", "0700"), ("symlink", "x", "/y"),
            ("dev", "/dev"), ("mask", "/m"), ("read-only", "/"), ("env", "A=b"), ("env-from", "HOME"), ("env-prefix", "S_"),
            ("cwd", "/", "create"), ("umask", "022"), ("limit", "nofile", "10", "unlimited"), ("cpus", "0-3,8"), ("fds", "3,4"),
            ("no-new-privs",), ("args", "replace"), ("default-arg", ""), ("exec", "sh", "-c", "echo"),
        ],
        header("/x/sampan-run"),
    ),
    encode([("unshare", "mount"), ("root-tree", "/t", "ro"), ("exec", "true")]),
    encode([("unshare", "mount"), ("root-memory", "/t", "0", "refuse"), ("watch", "a", "b", "c", "1"), ("exec", "true")], header("/a b")),
    encode(
        [
            ("unshare", "user,mount,pid,cgroup"), ("uid-map", "0", "caller", "1"), ("uid-map", "1", "100000", "65536"), ("gid-map", "0", "5", "9"),
            ("map-tools", "/a", "b"), ("cgroup", "/sys/fs/cgroup/x"), ("root-tree", "tree", "ro"), ("proc", "/proc"),
            ("binfmt", "qemu-a", r"\x7fELF\x02", r"\xff\xff", "/q"), ("watch", "logs,stdin,pty,detach,remove", "state", "15", "0.5", "86400.125"),
            ("log-size", "1000000", "3"), ("attach", "/run/socket"), ("ready", "3"), ("health", "30", "0.5", "3", "0", "sh", "-c", "x"),
            ("helper", "mount", "prog", "a b", ""), ("user", "1", "2", "3,4,5"), ("outside",), ("exec", "true"),
        ],
        header("/x/sampan-run"),
    ),
    encode([("enter", "1", "2", "user,mount,pid"), ("watch", "", "", "64", "10", "0"), ("cwd", "/x", "/"), ("exec", "true", "")]),
]  # fmt: skip
WORDS = [
    b"\0",
    b"exec\0",
    b"unshare\0",
    b"1\0",
    b"0\0",
    b"9999999\0",
    b"4294967296\0",
    b"-1\0",
    b"sampan-launch 1\0",
    b"root-tree\0",
    b"enter\0",
    b"watch\0",
    b"health\0",
    b"0.125\0",
    rb"\x7f",
    b"\n",
    b"=",
    b",",
    b"/",
]


def mutate(choose: random.Random) -> bytes:
    """One to eight changes: bytes set, parts cut, doubled, moved, words put in, two seeds spliced."""
    data = bytearray(choose.choice(SEEDS))
    for _ in range(choose.randint(1, 8)):
        at, end = sorted((choose.randrange(len(data) + 1), choose.randrange(len(data) + 1)))
        end = min(end, at + choose.choice((1, 4, 40, 400)))
        kind = choose.randrange(6)
        if kind == 0 and at < len(data):
            data[at] = choose.choice((0, 255, 47, 48, 57, choose.randrange(256)))
        elif kind == 1:
            del data[at:end]
        elif kind == 2:
            data[at:at] = data[at:end] * choose.choice((1, 2, 50))
        elif kind == 3:
            data[at:at] = choose.choice(WORDS)
        elif kind == 4:
            data = data[:at] + bytearray(choose.choice(SEEDS))[at:]
        else:
            data[at:end] = bytes(choose.randrange(256) for _ in range(end - at))
    return bytes(data[: 1 << 16])


def test_many_mutations_in_one_process(compile_c):
    target = compile_c("fuzz/launch_file.c", "launch.c", "check.c", "records.c", extra=("-DREPLAY",))
    choose = random.Random(20260101)
    inputs = [bytes([i & 1]) + mutate(choose) for i in range(20_000)]
    inputs += [bytes([i & 1]) + seed for i, seed in enumerate(SEEDS)]
    inputs += [b"\0" + SEEDS[0][:cut] for cut in range(len(SEEDS[0]))]
    stream = b"".join(len(data).to_bytes(4, "little") + data for data in inputs)
    done = subprocess.run([target], input=stream, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("seed", range(4))
def test_mutations_through_the_program(seed, checked_program, tmp_path):
    choose = random.Random(seed)
    path = tmp_path / "launch"
    for _ in range(50):
        path.write_bytes(mutate(choose))
        done = subprocess.run([checked_program, "--check", str(path)], capture_output=True)
        assert done.returncode in (0, 125), done
        assert b"Sanitizer" not in done.stderr
        assert b"runtime error" not in done.stderr
        assert (done.returncode == 0) == (done.stderr == b"")


def test_whole_starts_under_the_sanitizers(checked_program, launch, roots, tmp_path, both_ways):
    """Every mount and process record once for each kind of root, by the instrumented program."""
    launch.program = checked_program
    records = [
        ("label", "sampan:a:b"), ("bind", str(tmp_path), "/new/place", "ro,nosuid"), ("bind", "/proc", "/proc", ""), ("tmpfs", "/tmp", "1777", "0", "ro"),
        ("file", "/tmp/f", "644", "", "x"), ("file", "/etc/hosts", "644", "ro", "y"), ("mkdir", "/a/b", "755"), ("symlink", "a", "/l"), ("dev", "/dev"),
        ("mask", "/etc/passwd"), ("mask", "/usr"), ("read-only", "/etc"), ("env-prefix", "P"), ("env-unset", "PWD"), ("cwd", "/work/x", "create"),
        ("umask", "0"), ("cpus", "0-7"), ("fds", "9"), ("limit", "core", "0", "0"), ("no-new-privs",), ("die-with-parent",), ("default-arg", "z"),
    ]  # fmt: skip
    for kind in ("ro", "rw", "memory", "overlay"):
        without = ",".join(filter(None, [both_ways]))
        assert launch.sh(roots.record(kind), *records, script="pwd -P; cat /tmp/f", without=without) == "/work/x\nx"
    for kind in ("memory", "overlay"):
        root = (*roots.record(kind)[:-1], "read-only")
        done = launch.run(root, *records, argv=("true",), without=",".join(filter(None, ["overlay", both_ways])))
        assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    # The leak checker traces its own process, which is not allowed in a new user namespace.
    options = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    assert launch.run(roots.record("ro"), argv=("none",), env=options).returncode == 127
