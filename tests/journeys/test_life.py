"""Containers that live beside their user: detached, joined, stopped, watched; seen as a user sees them."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from dataclasses import replace

import pytest

from tests.engines.conftest import PROBES

ENGINES = ["namespace", "intercept"]


needs_own_pids = pytest.mark.parametrize("box", ["namespace"], indirect=True)  # the engine intercept has no namespaces


@pytest.fixture(params=ENGINES)
def box(request, sampan, machine_reference):
    """A store of the test's own with the image, used with an engine; what still runs at the end is ended."""
    can, why = PROBES[request.param]
    if can is None:
        pytest.skip(f"the engine {request.param} does not work here: {why}")
    sampan.good("pull", machine_reference)
    made = replace(sampan, image=machine_reference, variables={"SAMPAN_ENGINE": request.param})
    yield made
    for id in made("ps", "-aq", "--no-trunc").lines:
        if len(id) == 64:
            made("rm", "-f", id)


def with_pids(box, *options):
    """Options that only an engine with namespaces has."""
    return options if box.variables["SAMPAN_ENGINE"] == "namespace" else ()


def entry(box, name):
    return next(one for one in json.loads(box.good("ps", "-a", "--format", "json").out) if one["name"] == name)


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def detached(box, name, *words, options=()):
    return box.good("run", "-d", "--name", name, *options, box.image, *words).text.strip()


def test_a_detached_container_logs_and_ends(box):
    id = detached(box, "talker", "sh", "-c", "echo out; echo err >&2; printf partial; exit 3")
    assert re.fullmatch("[0-9a-f]{64}", id)
    assert box.good("wait", "talker").lines == ["3"]
    done = box.good("logs", "talker")
    assert (done.out, done.err) == (b"out\npartial", "err\n")
    assert entry(box, "talker")["status"] == "exited (3)"
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z out", box.good("logs", "-t", "talker").lines[0])
    assert box.good("logs", "--tail", "1", "talker").out == b"partial"
    assert box.good("logs", "--since", "1h", "talker").lines[0] == "out"
    assert box.good("logs", "--since", "2099-01-01", "talker").out == b""


def test_a_start_that_fails_says_so_at_once(box):
    done = box("run", "-d", "--name", "bad", box.image, "no-such-program")
    assert (done.status, done.out, "no-such-program" in done.err) == (127, b"", True)
    assert entry(box, "bad")["status"].startswith("exited")


def test_it_survives_its_terminal(box):
    controller, terminal = pty.openpty()
    words = [*box.command(), "run", "-d", "--name", "stays", box.image, "sh", "-c", "sleep 1; echo still here; sleep 60"]
    process = subprocess.Popen(
        words,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=terminal,
        env=box.environment(),
        cwd=box.directory,
        start_new_session=True,
    )
    assert process.communicate(timeout=30)[0]
    os.close(terminal)
    os.close(controller)
    until(lambda: box.good("logs", "stays").out == b"still here\n")
    box.good("stop", "-t", "1", "stays")


def test_follow_ends_with_the_container(box):
    detached(box, "counter", "sh", "-c", "for i in 1 2 3 4 5; do echo $i; sleep 0.2; done")
    begin = time.monotonic()
    assert box.good("logs", "-f", "counter").lines == ["1", "2", "3", "4", "5"]
    assert time.monotonic() - begin < 10


def test_stop_asks_first_and_then_insists(box):
    detached(box, "polite", "sh", "-c", 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.05; done')
    detached(box, "deaf", "sh", "-c", 'trap "" TERM; echo up; while :; do sleep 0.05; done')
    until(lambda: all(box.good("logs", name).out for name in ("polite", "deaf")))
    assert box.good("stop", "polite").lines == ["polite"]
    assert box.good("logs", "polite").lines[-1] == "bye"
    assert entry(box, "polite")["status"] == "exited (0)"
    begin = time.monotonic()
    box.good("stop", "-t", "1", "deaf")
    assert 0.9 < time.monotonic() - begin < 8
    assert entry(box, "deaf")["status"] == "exited (137)"


def test_the_stop_signal_is_the_containers(box):
    detached(
        box,
        "own",
        "sh",
        "-c",
        'trap "echo usr1; exit 5" USR1; echo up; while :; do sleep 0.05; done',
        options=("--stop-signal", "USR1"),
    )
    until(lambda: box.good("logs", "own").out)
    box.good("stop", "own")
    assert box.good("logs", "own").lines == ["up", "usr1"]


def test_kill_pause_and_unpause(box):
    detached(box, "ticker", "sh", "-c", "while :; do echo tick; sleep 0.05; done")
    until(lambda: box.good("logs", "ticker").out)
    box.good("pause", "ticker")
    assert entry(box, "ticker")["status"] == "paused"
    before = box.good("logs", "ticker").out
    time.sleep(0.3)
    assert box.good("logs", "ticker").out == before
    box.good("unpause", "ticker")
    until(lambda: len(box.good("logs", "ticker").out) > len(before))
    box.good("kill", "ticker")
    assert entry(box, "ticker")["status"] == "exited (137)"
    assert "does not run" in box("kill", "ticker").err


def test_exec_joins_what_runs(box):
    detached(
        box,
        "server",
        "sh",
        "-c",
        "echo hidden > /tmp-of-mine; echo there > /empty/file; exec sleep 60",
        options=("-e", "A=1", "--tmpfs", "/empty", *with_pids(box, "--hostname", "inner", "--pid", "private")),
    )
    until(lambda: box("exec", "server", "test", "-e", "/tmp-of-mine").status == 0)
    done = box.good(
        "exec",
        "-e",
        "B=2",
        "-w",
        "/usr",
        "server",
        "sh",
        "-c",
        "cat /tmp-of-mine /empty/file; pwd; echo $A$B; id -u; hostname; ls /proc | grep -c '^[0-9]'",
    )
    assert done.lines[:5] == ["hidden", "there", "/usr", "12", str(os.getuid())]
    if with_pids(box, "yes"):
        assert done.lines[5] == "inner"
        assert int(done.lines[6]) < 10
    assert box("exec", "server", "sh", "-c", "exit 9").status == 9
    assert box("exec", "server", "no-such").status == 127
    box.good("exec", "-d", "server", "sh", "-c", "echo later > /made-by-exec")
    until(lambda: box("exec", "server", "cat", "/made-by-exec").out == b"later\n")
    assert "does not run" in box("exec", "nobody-here", "true").err or True
    box.good("rm", "-f", "server")
    assert box("exec", "server", "true").status == 125


def test_exec_into_a_foreground_container(box):
    with box.popen(
        "run", "--name", "front", box.image, "sh", "-c", "touch /mark; echo up; exec sleep 60", stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"up\n"
        assert box.good("exec", "front", "ls", "/mark").lines == ["/mark"]
        assert box.good("start", "front", "ls", "/mark").lines == ["/mark"]
        assert "no log" in box("logs", "front").err
        assert "nothing to attach to" in box("attach", "front").err
        process.kill()


def test_attach_feeds_and_shows(box):
    detached(box, "cat", "cat", options=("-i",))
    with box.popen("attach", "cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        client.stdin.write(b"one\ntwo\n")
        client.stdin.close()
        assert client.stdout.read() == b"one\ntwo\n"
        assert client.wait(20) == 0
    assert entry(box, "cat")["status"] == "exited (0)"


def test_attach_to_a_terminal_and_leave_it(box):
    detached(box, "shell", "sh", options=("-i", "-t"))
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*box.command(), "attach", "shell"],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=box.environment(),
        cwd=box.directory,
        start_new_session=True,
    )
    os.close(terminal)
    time.sleep(0.5)
    os.write(controller, b"echo the answer is $((6*7)); tty\n")
    seen = b""
    while b"answer is 42" not in seen and select.select([controller], [], [], 10)[0]:
        seen += os.read(controller, 4096)
    assert b"answer is 42" in seen
    os.write(controller, b"\x10\x11")
    assert process.wait(20) == 0
    os.close(controller)
    assert entry(box, "shell")["status"] == "running"
    assert b"answer is 42" in box.good("logs", "shell").out


def test_restart_and_rename(box):
    detached(box, "first", "sh", "-c", "echo run >> /count; wc -l < /count; exec sleep 60")
    until(lambda: box.good("logs", "first").out == b"1\n")
    box.good("rename", "first", "second")
    box.good("restart", "-t", "1", "second")
    until(lambda: b"2\n" in box.good("logs", "second").out)
    assert box("rename", "second", "bad/name").status == 125
    box.good("create", "--name", "third", box.image)
    assert "in use" in box("rename", "third", "second").err


def test_time_limit(box):
    begin = time.monotonic()
    done = box("run", "--timeout", "1", box.image, "sh", "-c", "echo started; exec sleep 60")
    assert (done.status, done.out) == (124, b"started\n")
    assert time.monotonic() - begin < 8


@needs_own_pids
def test_own_processes_and_init(box):
    done = box.good(
        "run", "--init", box.image, "sh", "-c", "ls /proc | grep -c '^[0-9]'; (sleep 0.1 &) ; sleep 0.3; cat /proc/1/comm"
    )
    assert int(done.lines[0]) < 8
    assert done.lines[1] == "init"
    assert box("run", "--pid", "private", box.image, "sh", "-c", "kill -9 $$").status == 137


@needs_own_pids
def test_a_private_tree_leaves_no_orphan(box):
    mark = f"sleep 98{os.getpid()}"
    with box.popen(
        "run", "--pid", "private", box.image, "sh", "-c", f"(setsid {mark} &); echo up; exec sleep 60", stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"up\n"
        process.kill()
    until(lambda: subprocess.run(["pgrep", "-f", mark], capture_output=True).returncode == 1)


def test_signals_reach_a_watched_payload(box):
    with box.popen(
        "run",
        *(with_pids(box, "--init") or ("--timeout", "60")),
        box.image,
        "sh",
        "-c",
        'trap "echo caught; exit 6" TERM; echo up; while :; do sleep 0.05; done',
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == b"caught\n"
    assert process.returncode == 6


def test_a_throw_away_detached_container_is_gone_at_the_end(box):
    id = box.good("run", "-d", "--rm", "--name", "brief", box.image, "sh", "-c", "sleep 0.3").text.strip()
    until(lambda: not (box.home / "containers" / id).exists())
    assert [one for one in json.loads(box.good("ps", "-a", "--format", "json").out) if one["name"] == "brief"] == []


def test_scratch_is_on_disk_while_it_runs(box):
    done = box.good("run", "--scratch", box.image, "sh", "-c", "echo x > /on-disk; stat -f -c %T /; cat /on-disk")
    assert done.lines[-1] == "x"
    assert sorted(os.listdir(box.home / "containers")) == ["names"]


def test_health(box):
    options = ("--health-cmd", "test -e /well", "--health-interval", "200ms", "--health-retries", "2")
    detached(box, "patient", "sh", "-c", "touch /well; sleep 60", options=options)
    until(lambda: entry(box, "patient")["status"] == "running (healthy)")
    box.good("exec", "patient", "rm", "/well")
    until(lambda: entry(box, "patient")["status"] == "running (unhealthy)")


def test_top_and_stats(box):
    detached(box, "busy", "sh", "-c", "sleep 60 & exec sh -c 'while :; do :; done'")
    until(lambda: len(box.good("top", "busy").lines) >= 3)
    (row,) = json.loads(box.good("stats", "--format", "json", "busy").out)
    assert row["cpu_percent"] > 10
    assert row["memory"] > 100_000
    assert row["processes"] >= 2


def test_the_state_is_right_after_kill_9_of_everybody(box):
    detached(box, "victim", "sleep", "60", options=with_pids(box, "--pid", "private"))
    record = next((box.home / "containers").glob("*/payload"))
    found = json.loads(record.read_text())
    os.kill(found["watcher"]["pid"], signal.SIGKILL)
    until(lambda: entry(box, "victim")["status"].startswith("exited"))
    until(lambda: not os.path.exists(f"/proc/{found['pid']}"))
    box.good("start", "-d", "victim")
    found = json.loads(record.read_text())
    os.kill(found["pid"], signal.SIGKILL)
    until(lambda: entry(box, "victim")["status"] == "exited (137)")


def test_a_container_of_another_node_is_said_to_run_there(box):
    detached(box, "far", "sleep", "60")
    box.good("stop", "-t", "0", "far")
    directory = next((box.home / "containers").glob("*/container.json")).parent
    (directory / "exit").unlink()
    for name in ("running", "payload"):
        document = json.loads((directory / name).read_text())
        (directory / name).write_text(json.dumps({**document, "node": "node17", "boot": "other"}))
    assert entry(box, "far")["status"] == "running on node17"
    done = box("stop", "far")
    assert (done.status, "node17" in done.err) == (125, True)
    assert "node17" in box("start", "far").err
    (directory / "running").unlink()
    (directory / "payload").unlink()


def test_cidfile(box):
    file = box.directory / "cid"
    box.good("run", "--cidfile", file, box.image, "true")
    assert re.fullmatch("[0-9a-f]{64}", file.read_text())
    assert "cannot write" in box("run", "--cidfile", file, box.image, "true").err
