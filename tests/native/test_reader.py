"""What the reader accepts and refuses, seen through `--check`."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

import sampan
from sampan.engine.encoding import MAX_BYTES, MAX_RECORDS, encode

HEAD = [("unshare", "user,mount,pid,ipc,uts,net,cgroup"), ("uid-map", "0", "caller", "1"), ("gid-map", "0", "1000", "1")]
ROOT = ("root-tree", "/tree", "ro")
EXEC = ("exec", "true")
MINIMAL = [*HEAD, ROOT, EXEC]

GUARDS = [("owner", "1000"), ("image", "debian:12"), ("label", "sampan:1:2"), ("touch", "/used")]
ROOTS = [
    ROOT, ("root-tree", "relative", "rw"), ("root-memory", "/t", "1000000", "read-only"), ("root-memory", "/t", "0", "refuse"),
    ("root-overlay", "/t", "/u", "/w", "read-only"),
]  # fmt: skip
MOUNTS = [
    ("fallback-tmpfs", "/tmp", "1777", "1000"), ("bind", "/a", "/b", ""), ("bind", "a b", "/b'c", "ro,shallow,optional,rprivate"),
    ("bind", "/a", "/b", "rslave,nosuid,nodev,noexec"), ("tmpfs", "/t", "0755", "0", "ro,nosuid"), ("file", "/f", "644", "ro", "a b'c"),
    ("file", "/f", "644", "", ""), ("mkdir", "/d", "0700"), ("symlink", "../x", "/y"), ("proc", "/proc"), ("sysfs", "/sys"),
    ("mqueue", "/q"), ("devpts", "/dev/pts"), ("dev", "/dev"), ("mask", "/m"), ("read-only", "/"),
    ("binfmt", "qemu-a.b_c", r"\x7fELF\x02", r"\xff\xff\xff\xff\xff", "/usr/bin/qemu"),
]  # fmt: skip
PROCESS = [
    ("env", "A="), ("env", "A=b=c"), ("env-from", "HOME"), ("env-prefix", "SLURM_"), ("env-unset", "X"), ("cwd", "/", "refuse"),
    ("cwd", "/", "create"), ("cwd", "/x", "/"), ("cwd-caller", "bind", "/"), ("cwd-caller", "", "/"), ("umask", "022"),
    ("limit", "nofile", "10", "unlimited"), ("cpus", "0-3,8"), ("fds", "3,4"), ("fds", ""), ("no-new-privs",), ("die-with-parent",),
    ("args", "append"), ("args", "replace"), ("args", "refuse"), ("default-arg", ""), ("user", "1", "2", ""), ("user", "0", "0", "3,4"),
    ("outside",),
]  # fmt: skip
WATCHER = [
    ("watch", "", "", "15", "10", "0"), ("watch", "logs,stdin,pty,detach,remove", "state", "64", "0.5", "86400.125"),
    ("attach", "/run/socket"), ("ready", "3"), ("helper", "mount", "prog"), ("helper", "mount", "prog", "a b", ""),
    ("log-size", "1000000", "1"), ("health", "30", "0.5", "3", "0", "sh"), ("health", "1", "1", "1", "1", "sh", "-c", ""),
]  # fmt: skip
NETWORK = [("hostname", "node"), ("loopback",), ("map-tools", "/a", "b"), ("cgroup", "/sys/fs/cgroup/x")]
EVERY = GUARDS + ROOTS + MOUNTS + PROCESS + WATCHER + NETWORK
OPEN_ENDED = ("health", "helper")

LATER = [("join", "tag", "4", "60"), ("root-fuse", "squashfs", "/f"), ("root-cvmfs", "a.b", "/p")]
WATCH = ("watch", "logs", "/state", "15", "10", "0")
ENTER = ("enter", "1", "2", "user,mount")
UNWATCHED = [("unshare", "user,mount"), *HEAD[1:], ROOT]


def check(program, data, folder):
    path = folder / "launch"
    path.write_bytes(data)
    return subprocess.run([program, "--check", str(path)], capture_output=True)


@pytest.fixture
def fault(program, tmp_path):
    """The words behind `FILE cannot be run: `."""

    def refused(records, data=None):
        done = check(program, encode(records) if data is None else data, tmp_path)
        assert (done.returncode, done.stdout) == (125, b"")
        front = f"sampan: {tmp_path}/launch cannot be run: "
        assert done.stderr.decode().startswith(front)
        return done.stderr.decode()[len(front) : -1]

    return refused


def with_record(record):
    """A whole plan with this record at its place."""
    guards = [record] if record in GUARDS else []
    networks = [record] if record in NETWORK else []
    root = record if record in ROOTS else ROOT
    rest = [record] if record in MOUNTS + PROCESS + WATCHER else []
    watch = [] if record[0] == "watch" else [WATCH]
    attach = [("attach", "/socket")] if record[0] == "watch" and "stdin" in record[1] else []
    return [*guards, *HEAD, *networks, root, *watch, *attach, *rest, EXEC]


@pytest.mark.parametrize("record", EVERY, ids=" ".join)
def test_every_record_is_read_and_printed_as_a_shell_reads_it(record, program, tmp_path):
    plan = with_record(record)
    done = check(program, encode(plan), tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    printed, at = shlex.split(done.stdout.decode()), 0
    for expected in plan:
        assert tuple(printed[at : at + len(expected)]) == expected
        at += len(expected)
    assert at == len(printed)


def test_control_characters_are_printed_as_escapes(program, tmp_path):
    done = check(
        program,
        encode([*HEAD, ROOT, ("file", "/f", "644", "", "a\n\x1b'\\b\x7f"), EXEC]),
        tmp_path,
    )
    assert done.stdout.splitlines()[-2] == rb"file /f 644 '' $'a\012\033\'\\b\177'"


@pytest.mark.parametrize("record", LATER, ids=lambda r: r[0])
def test_records_of_later_are_refused_by_name(record, fault):
    plan = [*HEAD, record, ROOT, EXEC]
    assert fault(plan).startswith(f'this sampan-run does not do "{record[0]}" yet')


@pytest.mark.parametrize("record", sorted({r[0]: r for r in EVERY}.values()), ids=lambda r: r[0])
def test_a_wrong_number_of_fields_is_refused(record, fault):
    open_ended = record[0] in OPEN_ENDED
    right = {"health": "at least 5", "helper": "at least 2"}.get(record[0], str(len(record) - 1))
    few = record[: int(right.split()[-1])]
    for wrong in [*([] if open_ended else [(*record, "x")]), *([few] if len(record) > 1 else [])]:
        said = fault([wrong if r == record else r for r in with_record(record)])
        assert f'"{record[0]}", has {len(wrong) - 1} fields instead of {right}' in said


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (("owner", "root"), '"root" is no id'),
        (("owner", "-1"), "is no id"),
        (("owner", "4294967295"), "is no id"),
        (("image", ""), "is empty"),
        (("root-tree", "", "ro"), "is no path"),
        (("root-tree", "/" * 4096, "ro"), "is longer than 4095 bytes"),
        (("root-tree", "/t", "RO"), "is no word that can stand here"),
        (("root-tree", "/t", "ro,rw"), "is no word that can stand here"),
        (("root-memory", "/t", "1k", "refuse"), "is no number"),
        (("root-memory", "/t", "", "refuse"), "is no number"),
        (("root-memory", "/t", "99999999999999999999", "refuse"), "is no number"),
        (("root-memory", "/t", "1", ""), "is no word that can stand here"),
        (("bind", "/a", "b", ""), "is not an absolute path"),
        (("bind", "/a", "", ""), "is no path"),
        (("bind", "/a", "/b", "ro,"), "has a word that is unknown here"),
        (("bind", "/a", "/b", "rw"), "has a word that is unknown here"),
        (("tmpfs", "/a", "888", "0", ""), "is no octal mode"),
        (("tmpfs", "/a", "10000", "0", ""), "is no octal mode"),
        (("tmpfs", "/a", "0755", "+1", ""), "is no number"),
        (("symlink", "", "/a"), "is empty"),
        (("env", "=x"), "is not NAME=VALUE"),
        (("env", "x"), "is not NAME=VALUE"),
        (("env-from", "a=b"), "is no name of a variable"),
        (("cwd", "/", "other"), "is not an absolute path"),
        (("cwd-caller", "bind,x", "/"), "has a word that is unknown here"),
        (("umask", "0x1"), "is no octal mode"),
        (("limit", "files", "1", "1"), "is no word that can stand here"),
        (("limit", "nofile", "-1", "1"), "is no limit"),
        (("cpus", ""), "is no list of numbers that can stand here"),
        (("cpus", "3-1"), "has a range that is none"),
        (("cpus", "0-"), "has a range that is none"),
        (("cpus", "8192"), "is no list of numbers that can stand here"),
        (("cpus", "1,,2"), "is no list of numbers that can stand here"),
        (("fds", "2"), "is no list of numbers that can stand here"),
        (("fds", "3-5"), "is no list of numbers that can stand here"),
        (("args", ""), "is no word that can stand here"),
        (("user", "x", "0", ""), "is no id"),
        (("user", "0", "0", "1,"), "is no list of numbers that can stand here"),
        (("user", "0", "0", "4294967295"), "is no list of numbers that can stand here"),
        (("watch", "log", "/s", "15", "1", "0"), "has a word that is unknown here"),
        (("watch", "", "/s", "0", "1", "0"), "is no number of a signal"),
        (("watch", "", "/s", "65", "1", "0"), "is no number of a signal"),
        (("watch", "", "/s", "TERM", "1", "0"), "is no number of a signal"),
        (("watch", "", "/s", "15", "-1", "0"), "is no number of seconds"),
        (("watch", "", "/s", "15", "1.", "0"), "is no number of seconds"),
        (("watch", "", "/s", "15", ".5", "0"), "is no number of seconds"),
        (("watch", "", "/s", "15", "1", "0.0001"), "is no number of seconds"),
        (("watch", "", "/s", "15", "1", "2147483648"), "is no number of seconds"),
        (("watch", "", "/s", "15", "", "0"), "is no number of seconds"),
        (("log-size", "0", "1"), "is no number above 0"),
        (("log-size", "1", "0"), "is no number above 0"),
        (("attach", "socket"), "is not an absolute path"),
        (("attach", "/" + "s" * 107), "too long for a socket"),
        (("attach", ""), "is no path"),
        (("ready", "2"), "is no descriptor above 2"),
        (("ready", "-1"), "is no descriptor above 2"),
        (("health", "1", "1", "0", "1", "sh"), "is no number above 0"),
        (("health", "x", "1", "1", "1", "sh"), "is no number of seconds"),
        (("health", "1", "1", "1", "1", ""), "is empty"),
        (("helper", "", "prog"), "is empty"),
        (("helper", "name", ""), "is empty"),
        (("binfmt", "a/b", "x", "x", "/q"), 'is no name of letters, digits, ".", "_" and "-"'),
        (("binfmt", "", "x", "x", "/q"), "is no name of letters"),
        (("binfmt", "a", "", "x", "/q"), "is empty"),
        (("binfmt", "a", "x:y", "x", "/q"), r"is no list of bytes as \xHH"),
        (("binfmt", "a", "x", r"\x1", "/q"), r"is no list of bytes as \xHH"),
        (("binfmt", "a", "x", r"\n", "/q"), r"is no list of bytes as \xHH"),
        (("map-tools", "", "/b"), "is no path"),
        (("cgroup", ""), "is no path"),
        (("enter", "0", "1", "mount"), "is no number above 0"),
        (("enter", "1", "x", "mount"), "is no number"),
        (("enter", "1", "1", "time"), "has a word that is unknown here"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_a_wrong_field_is_refused_with_number_name_and_value(record, words, fault):
    plan = [*HEAD, ROOT, record, EXEC]
    if record[0].startswith("root"):
        plan = [*HEAD, record, EXEC]
    if record[0] in ("map-tools", "cgroup", "enter"):
        plan = [*HEAD, record, ROOT, EXEC]
    if record[0] in ("owner", "image"):
        plan = [record, *HEAD, ROOT, EXEC]
    said = fault(plan)
    assert words in said
    assert said.startswith(f'record {plan.index(record) + 1}, "{record[0]}": ')


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([], 'it has no "exec"'),
        ([*HEAD, ROOT], 'it has no "exec"'),
        ([*HEAD, EXEC], "it has no root"),
        ([*HEAD, ROOT, ("args", "refuse"), ("exec",)], '"exec" names no program, and nothing else can'),
        ([*HEAD, ROOT, ("exec", "")], "is empty"),
        ([*HEAD, ROOT, EXEC, ("umask", "0")], 'record 6, "umask", stands behind "exec"'),
        ([*HEAD, ROOT, EXEC, EXEC], 'record 6, "exec", stands behind "exec"'),
        ([*HEAD, ROOT, ROOT, EXEC], 'record 5, "root-tree", is a second root'),
        ([*HEAD, ROOT, ("root-memory", "/t", "0", "refuse"), EXEC], 'record 5, "root-memory", is a second root'),
        ([*HEAD, ("bind", "/a", "/b", ""), ROOT, EXEC], 'record 4, "bind", stands before the root'),
        ([*HEAD, ("fallback-tmpfs", "/a", "0", "0"), ROOT, EXEC], "stands before the root"),
        ([*HEAD, ROOT, ("bind", "/a", "/b", ""), ("hostname", "x"), EXEC], 'record 6, "hostname", stands too late'),
        ([*HEAD, ("image", "x"), ROOT, EXEC], 'record 4, "image", stands too late'),
        ([*HEAD, ROOT, ("owner", "1"), EXEC], 'record 5, "owner", stands too late'),
        ([("owner", "1"), ("owner", "1"), *MINIMAL], 'record 2 is a second "owner"'),
        ([*HEAD, ROOT, ("umask", "0"), ("umask", "0"), EXEC], 'record 6 is a second "umask"'),
        ([*HEAD, HEAD[1], ROOT, EXEC], '"uid-map" of more than one id needs "map-tools"'),
        ([*HEAD, HEAD[2], ROOT, EXEC], '"gid-map" of more than one id needs "map-tools"'),
        ([*HEAD, ROOT, ("cwd", "/", "refuse"), ("cwd-caller", "", "/"), EXEC], 'it has both "cwd" and "cwd-caller"'),
        ([ROOT, EXEC], 'it asks for no "mount" namespace'),
        ([("unshare", "user"), *HEAD[1:], ROOT, EXEC], 'it asks for no "mount" namespace'),
        ([("unshare", ""), ROOT, EXEC], "names nothing"),
        ([("unshare", "mount,time"), ROOT, EXEC], "has a word that is unknown here"),
        ([("unshare", "mount"), HEAD[1], ROOT, EXEC], '"uid-map" needs a new "user" namespace'),
        ([("unshare", "user,mount"), HEAD[1], ROOT, EXEC], 'needs "uid-map" and "gid-map"'),
        ([("unshare", "user,mount"), *HEAD[1:], ("hostname", "x"), ROOT, EXEC], '"hostname" needs a new "uts" namespace'),
        ([("unshare", "user,mount"), *HEAD[1:], ("loopback",), ROOT, EXEC], '"loopback" needs a new "net" namespace'),
        ([HEAD[0], ("uid-map", "0", "caller", "2"), HEAD[2], ROOT, EXEC], 'of more than one id needs "map-tools"'),
        ([("unshare", "mount"), ("map-tools", "/a", "/b"), ROOT, EXEC], '"map-tools" needs a new "user" namespace'),
        ([*HEAD, ROOT, ("cwd", "/", "refuse"), ("outside",), EXEC], 'it has both "cwd" and "outside"'),
        ([*HEAD, ROOT, ("user", "0", "0", ",".join(["1"] * 65)), EXEC], '"user" names more than 64 groups'),
        *[
            (
                [*UNWATCHED, record, EXEC] if record[0] != "cgroup" else [*UNWATCHED[:-1], record, ROOT, EXEC],
                f'"{record[0]}" needs "watch"',
            )
            for record in [("cgroup", "/g"), *[r for r in WATCHER if r[0] != "watch"]]
        ],
        ([*HEAD, ROOT, ("watch", "logs", "", "15", "0", "0"), EXEC], 'the flag "logs" of "watch" needs a directory'),
        ([*HEAD, ROOT, ("watch", "remove", "", "15", "0", "0"), EXEC], 'the flag "remove" of "watch" needs a directory'),
        ([*HEAD, ROOT, ("watch", "stdin", "/s", "15", "0", "0"), EXEC], 'the flag "stdin" of "watch" needs "attach"'),
        ([*HEAD, ROOT, ("health", "1", "1", "1", "1", "sh"), EXEC], '"health" needs a directory in "watch"'),
        ([*HEAD, ROOT, ("log-size", "1", "1"), EXEC], '"log-size" needs the flag "logs" of "watch"'),
        (
            [*HEAD, ROOT, ("watch", "detach", "", "15", "0", "0"), ("die-with-parent",), EXEC],
            '"die-with-parent" cannot stand beside the flag "detach"',
        ),
        ([*HEAD, ROOT, WATCH, ("log-size", "1", "1001"), EXEC], '"log-size" keeps more than 1000 files'),
        ([*HEAD, ROOT, WATCH, WATCH, EXEC], 'record 6 is a second "watch"'),
        ([ENTER, ROOT, EXEC], 'it has a root, and "enter" brings one'),
        ([ENTER, ENTER, EXEC], 'record 2 is a second "enter"'),
        *[
            ([ENTER, record, EXEC], f'record 2, "{record[0]}", cannot stand beside "enter"')
            for record in [
                *HEAD,
                *NETWORK[:3],
                ("outside",),
                ("cwd-caller", "", "/"),
                ("helper", "n", "p"),
                ("health", "1", "1", "1", "1", "p"),
            ]
        ],
        ([ENTER, ("bind", "/a", "/b", ""), EXEC], "stands before the root"),
        ([ENTER, ("watch", "remove", "/s", "15", "0", "0"), EXEC], 'the flag "remove" of "watch" cannot stand beside "enter"'),
        ([ENTER, ("cwd", "/x", "create"), EXEC], '"cwd" makes no directory beside "enter"'),
        ([*HEAD, ROOT, ("bogus", "x"), EXEC], 'record 5, "bogus", is unknown to this sampan-run'),
        ([*HEAD, ROOT, ("", "x"), EXEC], 'record 5, "", is unknown'),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_holds_between_records(records, words, fault):
    assert words in fault(records)


@pytest.mark.parametrize(
    "records",
    [
        [("unshare", "user,mount"), ("uid-map", "0", "caller", "1"), ("uid-map", "1", "100000", "65536"), ("gid-map", "0", "5", "9"),
         ("map-tools", "/a", "/b"), ROOT],
        [ENTER], [ENTER, ("cwd", "/x", "/")], [("enter", "1", "2", "pid"), ("attach", "/s"), ("cwd", "/x", "refuse"), ("user", "1", "1", "")],
        [("enter", "1", "2", "mount"), ("cgroup", "/g"), ("watch", "pty,logs,detach", "/d", "15", "0", "0")],
    ],
)  # fmt: skip
def test_what_may_stand_together(records, program, tmp_path):
    done = check(program, encode([*records, EXEC]), tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


def test_exec_may_be_empty_where_something_else_names_the_program(program, tmp_path):
    for records in ([], [("default-arg", "sh"), ("args", "refuse")], [("args", "replace")]):
        assert check(program, encode([*HEAD, ROOT, *records, ("exec",)]), tmp_path).returncode == 0


def test_process_records_may_stand_anywhere(program, tmp_path):
    plan = [("umask", "0"), ("env", "A=1"), *HEAD, ("cpus", "0"), ROOT, ("env", "B=2"), ("mkdir", "/x", "0755"), EXEC]
    assert check(program, encode(plan), tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it has no header"),
        (b"sampan-launch 1", "it has no header"),
        (b"\0", "its header does not end with"),
        (b"#!/bin/sh\nexit 1\n\0", "its header does not end with"),
        (b"sampan-launch 1\n\0", "its header does not end with"),
        (b"x sampan-launch 1\0", "its header does not end with"),
        (b"sampan-launch 2\0", "it is of format 2, and this sampan-run reads format 1"),
        (b"sampan-launch 10\0", "it is of format 10"),
        (b"sampan-launch 1\0umask", "it is cut off in record 1"),
        (b"sampan-launch 1\0umask\0", "it is cut off in record 1"),
        (b"sampan-launch 1\0umask\x001", "it is cut off in record 1"),
        (b"sampan-launch 1\0umask\x001\x000", "it is cut off in record 1"),
        (b"sampan-launch 1\0exec\x003\0a\0b\0", "it is cut off in record 1"),
        (b"sampan-launch 1\0exec\x009999999\0a\0", "it is cut off in record 1"),
        (b"sampan-launch 1\0exec\x0099999999\0a\0", "is no number of fields"),
        (b"sampan-launch 1\0umask\0\x000\0", "is no number of fields"),
        (b"sampan-launch 1\0umask\0-1\x000\0", "is no number of fields"),
        (b"sampan-launch 1\0umask\x001 \x000\0", "is no number of fields"),
        (b"sampan-launch 1\0umask\x000x1\x000\0", "is no number of fields"),
    ],
)
def test_the_grammar(data, words, fault):
    assert words in fault([], data)


@pytest.mark.parametrize("head", [b"#!/x/sampan-run\n", b'#!/bin/sh\nexec \'/a b/sampan-run\' "$0" "$@"\n', b"\n\n"])
def test_any_lines_may_stand_in_the_header(head, program, tmp_path):
    assert check(program, encode(MINIMAL, head + b"sampan-launch 1"), tmp_path).returncode == 0


def test_size_and_number_of_records_are_bounded(program, fault, tmp_path):
    fill = MAX_BYTES - len(encode([*MINIMAL[:-1], ("env", "A="), EXEC]))
    largest = encode([*MINIMAL[:-1], ("env", "A=" + "x" * fill), EXEC])
    assert len(largest) == MAX_BYTES
    assert check(program, largest, tmp_path).returncode == 0
    assert fault([], largest + b"\0") == "it is longer than 8 MiB"
    many = [*HEAD, ROOT, *[("env", "A=1")] * (MAX_RECORDS - 5), EXEC]
    assert len(many) == MAX_RECORDS
    assert check(program, encode(many), tmp_path).returncode == 0
    data = encode(many[:-1]) + b"env\x001\0B=2\0" + b"exec\x001\0true\0"
    assert fault([], data) == "it has more than 65,536 records"


def test_relative_paths_need_a_file(program, launch):
    plan = launch.plan(("root-tree", "tree", "ro"))
    fd = os.memfd_create("plan")
    os.write(fd, encode(plan))
    done = subprocess.run([program, f"--fd={fd}"], pass_fds=[fd], capture_output=True, text=True)
    os.close(fd)
    assert done.returncode == 125
    assert '"tree" is not an absolute path' in done.stderr


@pytest.mark.parametrize(
    "words", [[], ["--fd=x"], ["--fd="], ["--check"], ["--nonsense"], ["--version", "x"], ["--probe"], ["--fd=3x"]], ids=" ".join
)
def test_usage(words, program):
    done = subprocess.run([program, *words], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (125, "")
    assert done.stderr.startswith("sampan: usage: sampan-run ")


def test_command_line(program, tmp_path):
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"sampan-run {sampan.__version__} format 1\n"
    done = subprocess.run([program, "--without=overlay,sleep", "x"], capture_output=True, text=True)
    assert (done.returncode, "--without takes" in done.stderr) == (125, True)
    done = subprocess.run([program, str(tmp_path / "none")], capture_output=True, text=True)
    assert done.returncode == 125
    assert done.stderr == f"sampan: cannot read {tmp_path}/none: No such file or directory\n"
    done = subprocess.run([program, "--check", str(tmp_path)], capture_output=True, text=True)
    assert done.stderr == f"sampan: cannot read {tmp_path}: Is a directory\n"
    done = subprocess.run([program, "--fd=77"], capture_output=True, text=True)
    assert done.stderr == "sampan: cannot read the launch file: Bad file descriptor\n"
    done = subprocess.run([program, "--fd=0"], capture_output=True, text=True)
    assert "above 2" in done.stderr


def test_control_characters_in_messages_are_escaped(fault):
    assert "\\x1b[31mred" in fault([*HEAD, ROOT, ("\x1b[31mred", "x"), EXEC])
