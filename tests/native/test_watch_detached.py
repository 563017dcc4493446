"""Detached containers: what the starter is told, what is written down, and that nothing of the caller is kept."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.native.watching import PIDS, PLAIN, alive, processes, start_time, until

both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@both_spaces
def test_a_life(spaces, watched):
    payload = watched.detach(script="echo up; sleep 0.5; echo err >&2; exit 7", spaces=spaces)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert (payload["format"], payload["boot"], payload["node"]) == (1, boot, os.uname().nodename)
    assert start_time(payload["pid"]) == payload["start"]
    assert start_time(payload["watcher"]["pid"]) == payload["watcher"]["start"]
    assert alive(payload["watcher"]["pid"])
    assert not watched.has("exit")
    found = watched.exit()
    assert {k: found[k] for k in ("format", "pid", "start", "status", "signal", "reason", "message")} == {
        "format": 1, "pid": payload["pid"], "start": payload["start"], "status": 7, "signal": None, "reason": "exited", "message": None,
    }  # fmt: skip
    assert MOMENT.fullmatch(found["started"])
    assert MOMENT.fullmatch(found["finished"])
    assert found["started"] < found["finished"]
    assert watched.records() == [("stdout", "F", "up"), ("stderr", "F", "err")]
    assert sorted(p.name for p in watched.directory.iterdir()) == ["exit", "log", "payload"]


@both_spaces
def test_a_second_run_continues_the_log_and_replaces_the_exit(spaces, watched):
    for status in (3, 4):
        payload = watched.detach(script=f"echo run {status}; exit {status}", spaces=spaces)
        found = watched.exit()
        assert (found["status"], found["pid"]) == (status, payload["pid"])
    assert watched.lines() == ["run 3", "run 4"]


@both_spaces
def test_sessions(spaces, watched, marker):
    """The watcher leads a session without a terminal, the payload another; the caller's group gets no child to wait for."""
    payload = watched.detach(argv=("sleep", marker), spaces=spaces)
    watcher = payload["watcher"]["pid"]
    (sleeper,) = until(lambda: processes(f"sleep\0{marker}"))
    assert os.getsid(watcher) == watcher
    assert os.getsid(sleeper) not in (watcher, os.getsid(0))
    fields = Path(f"/proc/{watcher}/stat").read_text().rpartition(")")[2].split()
    assert int(fields[4]) == 0  # no terminal
    assert os.readlink(f"/proc/{watcher}/cwd") == "/"
    for fd in (0, 1, 2):
        assert os.readlink(f"/proc/{watcher}/fd/{fd}") == "/dev/null"


def test_streams_are_null_without_logs(watched, marker):
    watched.detach(argv=("sleep", marker), flags="")
    assert not watched.has("log")
    (payload,) = until(lambda: processes(f"sleep\0{marker}"))
    assert [os.readlink(f"/proc/{payload}/fd/{fd}") for fd in (0, 1, 2)] == ["/dev/null"] * 3


@both_spaces
def test_nothing_of_the_caller_is_kept(spaces, watched):
    """Neither its pipes nor a descriptor that it left open."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    watched.detach(script="sleep 60", spaces=spaces, popen={"pass_fds": [write]})
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)


def test_start_errors_are_the_callers_to_read(watched):
    done = watched.run(("image", "debian:12"), argv=("none",), flags="detach,logs")
    assert (done.returncode, done.stderr) == (
        127, 'sampan: cannot start debian:12: there is no program "none" inside in any directory of PATH (/bin)\n',
    )  # fmt: skip
    assert watched.exit()["reason"] == "not-started"
    assert (watched.directory / "log").read_bytes() == b""
    done = watched.run(("bind", "/nowhere", "/mnt", ""), flags="detach")
    assert done.returncode == 125
    assert "there is no /nowhere" in done.stderr
    done = watched.run(directory=str(watched.directory / "none"), flags="detach")
    assert (done.returncode, f"cannot use its directory {watched.directory}/none: No such file" in done.stderr) == (125, True)


@pytest.mark.parametrize("flags", ["", "detach", "detach,logs"])
@pytest.mark.parametrize("way", ["well", "not found", "no bind", "no directory"])
def test_ready(way, flags, watched):
    """One descriptor tells how it went; it closes at once, while the payload runs."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    records = [("ready", str(write)), ("fds", "")] + ([("bind", "/nowhere", "/mnt", "")] if way == "no bind" else [])
    options = {"directory": str(watched.directory / "none")} if way == "no directory" else {}
    argv = ("none",) if way == "not found" else ("sleep", "60")
    process = watched.start(*records, argv=argv, flags=flags, popen={"pass_fds": [write]}, **options)
    os.close(write)
    with os.fdopen(read) as stream:
        said = stream.read()
    assert (
        said
        == {
            "well": "ok\n",
            "not found": 'there is no program "none" inside in any directory of PATH (/bin)\n',
            "no bind": "there is no /nowhere on this machine to bind at /mnt\n",
            "no directory": f"cannot use its directory {watched.directory}/none: No such file or directory\n",
        }[way]
    )
    if way == "well" and flags == "":
        process.kill()
    status = process.wait(timeout=10)
    process.communicate()
    assert status == {"well": 0 if flags else -9, "not found": 127}.get(way, 125)


def test_a_ready_descriptor_that_is_not_open(watched):
    said = watched.launch.refused(*[r for r in watched.plan(("ready", "77")) if r[0] in ("root-memory", "watch", "ready")])
    assert '"ready" names the descriptor 77, which is not open' in said


def test_a_caller_that_is_interrupted_while_it_waits_starts_nothing(watched, marker):
    helper = ("helper", "slow", "sh", "-c", f"echo waiting; exec sleep {marker}")
    process = watched.start(("fds", ""), helper, flags="detach")
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=10) == -2
    process.communicate()
    assert watched_exit_without_payload(watched)["reason"] == "not-started"
    until(lambda: not processes(marker))


def watched_exit_without_payload(watched):
    until(lambda: watched.has("exit"))
    return watched.read("exit")


def test_remove(watched):
    """Also what an overlay leaves, deep trees, directories without rights, and names that look like ours."""
    upper, work = watched.directory / "upper", watched.directory / "work"
    for path in (upper, work):
        path.mkdir()
    deep = watched.directory / "deep"
    deep.mkdir()
    fd = os.open(deep, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d" * 50, dir_fd=fd)
        new = os.open("d" * 50, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = new
    os.close(fd)
    closed = watched.directory / "closed"
    (closed / "inner").mkdir(parents=True)
    (closed / "inner/file").touch()
    (closed / "inner").chmod(0o500)
    closed.chmod(0)
    for number in range(3):
        (watched.directory / f".removed.{number}/x").mkdir(parents=True)
    (watched.directory / "link").symlink_to("/etc")
    root = ("root-overlay", watched.root[1], str(upper), str(work), "refuse")
    with watched.start(
        ("fds", ""), root=root, argv=("sh", "-c", "rm /etc/hosts; mkdir /new; exit 6"), flags="logs,remove"
    ) as process:
        assert (process.communicate(timeout=20), process.returncode) == (("", ""), 6)
    assert not watched.directory.exists()
    assert os.path.exists("/etc/passwd")


def test_a_directory_that_was_moved_is_not_removed(watched):
    with watched.start(argv=("sh", "-c", "echo up; sleep 0.4"), flags="remove") as process:
        process.stdout.readline()
        watched.directory.rename(watched.directory.with_name("moved"))
        watched.directory.mkdir()
        (watched.directory / "precious").touch()
        assert process.wait(timeout=10) == 0
        process.communicate()
    assert (watched.directory / "precious").exists()


def test_the_whole_is_killed_by_its_payload_file(watched):
    payload = watched.detach(script="trap '' TERM; sleep 60; sleep 60")
    os.kill(payload["pid"], signal.SIGKILL)
    found = watched.exit()
    assert (found["status"], found["signal"], found["reason"]) == (137, 9, "signal")


def test_stop_is_passed_on(watched):
    payload = watched.detach(script="trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done")
    until(lambda: processes("echo bye"))
    time.sleep(0.1)
    os.kill(payload["watcher"]["pid"], signal.SIGTERM)
    assert (watched.exit()["reason"], watched.lines()) == ("exited", ["bye"])


def test_a_stopped_payload_does_not_stop_a_detached_watcher(watched):
    payload = watched.detach(script="echo one; kill -STOP $$; echo two")
    until(lambda: watched.lines() == ["one"])
    time.sleep(0.2)
    assert Path(f"/proc/{payload['watcher']['pid']}/stat").read_text().rpartition(")")[2].split()[0] == "S"
    os.kill(payload["watcher"]["pid"], signal.SIGCONT)
    assert (watched.exit()["status"], watched.lines()) == (0, ["one", "two"])


def test_a_terminal_of_its_own(watched):
    script = "tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo all; echo $$ $(cut -d' ' -f 7 /proc/self/stat)"
    watched.detach(("dev", "/dev"), script=script, flags="logs,pty")
    assert watched.exit()["status"] == 0
    lines = [line.rstrip("\r") for line in watched.lines()]
    assert lines[0:3] == ["/dev/pts/0", "24 80", "all"]
    assert lines[3].split()[1] != "0"  # a controlling terminal


def test_a_terminal_where_the_image_has_no_dev(watched):
    watched.detach(script="test -t 0 && echo yes", flags="logs,pty")
    assert watched.exit()["status"] == 0
    assert watched.lines() == ["yes\r"]


def test_a_detached_watcher_survives_its_callers_session(watched):
    plan = watched.launch.write(watched.plan(("fds", ""), argv=("sh", "-c", "sleep 0.6; echo survived"), flags="detach,logs"))
    subprocess.run(["setsid", "-w", watched.launch.program, str(plan)], check=True, stdin=subprocess.DEVNULL)
    assert watched.exit()["status"] == 0
    assert watched.lines() == ["survived"]
