"""What a container writes, as records in DIRECTORY/log: nothing lost, nothing cut, nothing mixed, and no slower than a disk."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.native.watching import PIDS, PLAIN, private_kilobytes, processes, until

LONGEST = 16384
both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])


@pytest.fixture
def logged(watched, tmp_path):
    """Runs a container that writes these bytes, and returns it when all is over."""

    def run(data, *records, command=("cat", "/data"), **options):
        (tmp_path / "data").write_bytes(data)
        done = watched.run(("bind", str(tmp_path / "data"), "/data", "ro"), *records, argv=command, flags="logs", **options)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        return watched

    return run


def joined(records, stream="stdout"):
    """The bytes of a stream: a part has no newline of its own."""
    parts = [text + ("\n" if kind == "F" else "") for of, kind, text in records if of == stream]
    return "".join(parts).encode(errors="surrogateescape")


def test_records(watched):
    script = "echo one; sleep 0.05; echo two >&2; sleep 0.05; printf 'three\\n\\nfive\\n'; printf 'no end'"
    watched.run(argv=("sh", "-c", script), flags="logs")
    records = watched.records()
    assert [r for r in records if r[0] == "stderr"] == [("stderr", "F", "two")]
    assert [r for r in records if r[0] == "stdout"] == [
        ("stdout", "F", "one"), ("stdout", "F", "three"), ("stdout", "F", ""), ("stdout", "F", "five"), ("stdout", "P", "no end"),
    ]  # fmt: skip
    times = re.findall(r"^(\S+)Z ", (watched.directory / "log").read_text(), re.MULTILINE)
    assert times == sorted(times)
    now = time.strftime("%Y-%m-%dT%H:%M", time.gmtime())
    assert times[0][:16] <= now


def test_a_line_longer_than_a_record_comes_in_parts(logged):
    for length in (LONGEST - 1, LONGEST, LONGEST + 1, 3 * LONGEST, 100_000):
        container = logged(b"x" * length + b"\nend\n")
        records = container.records()
        assert all(len(text) <= LONGEST for _, _, text in records)
        assert joined(records) == b"x" * length + b"\nend\n"
        assert records[-1] == ("stdout", "F", "end")
        (container.directory / "log").unlink()


def test_a_prompt_is_written_after_a_moment(watched):
    watched.detach(script="printf 'name: '; sleep 3; echo x")
    until(lambda: watched.has("log") and watched.records() == [("stdout", "P", "name: ")], 2)


def test_parts_of_both_streams_do_not_mix(watched):
    script = "for i in 1 2 3 4; do printf out$i; printf err$i >&2; sleep 0.02; done; echo; echo >&2"
    watched.run(argv=("sh", "-c", script), flags="logs")
    assert joined(watched.records()) == b"out1out2out3out4\n"
    assert joined(watched.records(), "stderr") == b"err1err2err3err4\n"


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_written_stands_in_the_log(seed, logged):
    """Any bytes, in any pieces."""
    choose = random.Random(seed)
    data = b""
    for _ in range(200):
        length = choose.choice((0, 1, 15, 16, 17, 79, 500, LONGEST - 1, LONGEST, LONGEST + 1, choose.randrange(40_000)))
        data += bytes(choose.randrange(256) for _ in range(min(length, 64))) * (length // 64 + 1)
        data += choose.choice((b"\n", b"\n\n", b"", b"\0"))
    data += b"\n"
    size = choose.choice((1, 7, 4096, 65536, 100_000))
    data = data[: size * 20_000]
    data = data if data.endswith(b"\n") else data + b"\n"
    container = logged(data, ("log-size", str(1 << 30), "1"), command=("dd", "if=/data", f"bs={size}", "status=none"))
    assert joined(container.records()) == data


@pytest.mark.parametrize("files", [2, 3, 5])
def test_rotation_keeps_whole_lines(files, logged):
    lines = [f"line {i} {'x' * (i % 50)}" for i in range(2000)]
    container = logged("".join(f"{line}\n" for line in lines).encode(), ("log-size", "10000", str(files)))
    names = sorted(p.name for p in container.directory.glob("log*"))
    assert names == ["log", *[f"log.{i}" for i in range(1, files)]]
    for name in names:
        size = (container.directory / name).stat().st_size
        assert size <= 10_000
        assert name == "log" or size > 9_800
    kept = container.lines()
    assert kept == lines[-len(kept) :]
    assert len(kept) > (files - 1) * 10_000 // 100


def test_one_file_begins_anew(logged):
    lines = [f"line {i}" for i in range(1000)]
    container = logged("".join(f"{line}\n" for line in lines).encode(), ("log-size", "5000", "1"))
    assert sorted(p.name for p in container.directory.glob("log*")) == ["log"]
    assert (container.directory / "log").stat().st_size <= 5000
    kept = container.lines()
    assert 0 < len(kept) < 120
    assert kept == lines[-len(kept) :]


def test_a_line_larger_than_the_log_has_a_file_of_its_own(logged):
    container = logged(b"a\n" + b"b" * 5000 + b"\nc\n", ("log-size", "1000", "4"))
    assert container.lines() == ["a", "b" * 5000, "c"]


def test_a_reader_that_follows_by_name_misses_nothing(watched):
    """As `logs -f` does it: the open file to its end, then the next one."""
    watched.detach(("log-size", "3000", "3"), script="i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); sleep 0.002; done")
    text, ended = b"", False
    with ExitStack() as opened:
        stream = opened.enter_context(open(watched.directory / "log", "rb"))
        while True:
            more = stream.read()
            text += more
            if not more:
                try:
                    following = opened.enter_context(open(watched.directory / "log", "rb"))
                except FileNotFoundError:
                    continue  # the old one has its other name already, and the new one is still to come
                if not os.path.sameopenfile(stream.fileno(), following.fileno()):
                    text += stream.read()
                    stream = following
                elif ended:
                    break
                ended = watched.has("exit")
                time.sleep(0.005)
    assert re.findall(rb"F line (\d+)\n", text) == [str(i).encode() for i in range(400)]


def test_a_full_disk_loses_what_it_must_and_says_so(watched, tmp_path):
    """The payload is not held up; nothing stands in the log by halves; the number of lost bytes is said when there is room again."""
    small = tmp_path / "small"
    small.mkdir()
    script = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; until test -e /go/go; do sleep 0.05; done; echo room; sleep 0.1; echo end"
    go = tmp_path / "go"
    go.mkdir()
    plan = watched.launch.write(
        watched.plan(("bind", str(go), "/go", ""), argv=("sh", "-c", script), flags="logs", directory=str(small))
    )
    outer = f"""
        mount -t tmpfs -o size=200k x {small} || exit 9
        head -c 160k /dev/zero > {small}/ballast
        "$1" {plan} & sleep 1.5; rm {small}/ballast; touch {go}/go; wait; cat {small}/log"""
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", outer, "sh", watched.launch.program], capture_output=True, text=True, timeout=60
    )  # fmt: skip
    assert done.stderr == ""
    lines = [line.split(" ", 3)[3] for line in done.stdout.splitlines()]
    (at,) = [i for i, line in enumerate(lines) if line.startswith("sampan: ")]
    assert lines[:at] == [f"line {i}" for i in range(at)]
    assert re.fullmatch(r"sampan: \d+ bytes of the log could not be written: No space left on device", lines[at])
    written = sum(len(line) + 41 for line in lines[:at])
    whole = sum(len(f"line {i}") + 41 for i in range(3000))
    assert int(lines[at].split()[1]) == whole - written
    assert lines[at + 1 :] == ["room", "end"]


@both_spaces
def test_what_is_in_the_pipe_at_the_end_is_recorded(spaces, logged):
    data = b"".join(b"%d\n" % i for i in range(20_000))
    assert joined(logged(data, spaces=spaces).records()) == data


def test_something_that_keeps_the_output_open_is_not_waited_for(watched, marker):
    begun = time.monotonic()
    script = f"echo a; sleep {marker} & exit 3"
    done = watched.run(("bind", "/dev", "/dev", ""), argv=("sh", "-c", script), spaces=PLAIN, flags="logs")
    assert done.returncode == 3
    assert 1 <= time.monotonic() - begun < 30
    said = "sampan: something that outlives the payload keeps its output open; what it writes from now on is not recorded"
    assert watched.records() == [("stdout", "F", "a"), ("stderr", "F", said)]
    for pid in processes(f"sleep\0{marker}"):
        os.kill(pid, signal.SIGKILL)


def test_1_gb_through_pipes_of_the_caller(watched):
    plan = watched.launch.write(watched.plan(argv=("cat",)))
    done = subprocess.run(
        ["sh", "-c", 'head -c 1000000000 /dev/zero | "$0" "$1" | wc -c', watched.launch.program, str(plan)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout.strip(), done.stderr) == ("1000000000", "")


def test_no_line_is_lost_at_full_speed(watched, tmp_path):
    """How fast that is stands in tests/bench/life.py."""
    size = 100_000_000
    line = b"x" * 99 + b"\n"
    (tmp_path / "data").write_bytes(b"".join(b"%09d " % i + line[10:] for i in range(size // 100)))
    binds = [("bind", str(tmp_path / "data"), "/data", "ro"), ("log-size", str(1 << 40), "1")]
    assert watched.run(*binds, argv=("cat", "/data"), flags="logs").returncode == 0
    with open(watched.directory / "log", "rb") as log:
        for number, record in enumerate(log):
            assert record[40:49] == b"%09d" % number
            assert len(record) == 140
    assert number + 1 == size // 100
    (tmp_path / "data").unlink()
    (watched.directory / "log").unlink()


def test_memory_with_logs(watched, marker):
    large = ("file", "/tmp/x", "644", "", "y" * 3_000_000)
    watched.detach(
        large, script=f"i=0; while [ $i -lt 5000 ]; do echo $i {'x' * 200}; i=$((i+1)); done; printf part; exec sleep {marker}"
    )
    until(lambda: processes(f"sleep\0{marker}"))
    time.sleep(0.3)
    size = private_kilobytes(watched.payload()["watcher"]["pid"])
    print("private memory of a watcher with logs:", size, "kB")
    assert size <= 3000
    assert Path(f"/proc/{watched.payload()['pid']}").exists()
