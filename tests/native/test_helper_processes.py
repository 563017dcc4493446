"""Helper processes: ready before the payload's namespaces exist, ended behind it, never left."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.native.watching import PIDS, PLAIN, processes, until

both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])
READY = 'eval "echo ok >&$SAMPAN_READY; exec $SAMPAN_READY>&-";'


def helper(script, name="mount"):
    return ("helper", name, "/bin/bash", "-c", script)


@both_spaces
def test_the_payload_waits_until_all_are_ready(spaces, watched, tmp_path, marker):
    one, two = tmp_path / "one", tmp_path / "two"
    # Side by side: each waits for the other to have begun.
    helpers = [
        helper(
            f"touch {own}.begun; until [ -e {other}.begun ]; do sleep 0.05; done; sleep 0.3; touch {own}; {READY} exec sleep {marker}"
        )
        for own, other in ((one, two), (two, one))
    ]
    done = watched.run(*helpers, ("bind", str(tmp_path), "/t", ""), argv=("ls", "/t/one", "/t/two"), spaces=spaces)
    assert (done.stdout, done.stderr, done.returncode) == ("/t/one\n/t/two\n", "", 0)
    assert not processes(marker)


def test_what_a_helper_gets(watched, tmp_path, monkeypatch):
    monkeypatch.setenv("CALLERS", "word")
    out = tmp_path / "out"
    script = f"exec > {out}; echo $CALLERS; pwd; readlink /proc/self/fd/0; ls /proc/self/fd; test $SAMPAN_READY -gt 2 && echo number; {READY}"
    done = watched.run(helper(script), argv=("true",), popen={"cwd": tmp_path})
    assert (done.returncode, done.stderr) == (0, "")
    lines = out.read_text().split()
    assert lines[:3] == ["word", str(tmp_path), "/dev/null"]
    assert lines[-1] == "number"
    assert len(lines[3:-1]) == 5  # three streams, the one of ls itself, and SAMPAN_READY


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ('echo "no such file system" >&$SAMPAN_READY; sleep 5', "its helper mount: no such file system"),
        ("printf 'half a word' >&$SAMPAN_READY", "its helper mount: half a word"),
        ("exit 3", "its helper mount ended with status 3 before it was ready"),
        ("kill -SEGV $$", "its helper mount was ended by signal 11 before it was ready"),
        ('eval "exec $SAMPAN_READY>&-"; sleep 0.2; exit 5', "its helper mount ended with status 5 before it was ready"),
    ],
)
def test_one_that_is_never_ready_ends_the_start(script, sentence, watched, marker):
    other = helper(f"{READY} exec sleep {marker}", "other")
    done = watched.run(("image", "debian:12"), other, helper(script), argv=("echo", "ran"))
    assert (done.returncode, done.stdout, done.stderr) == (125, "", f"sampan: cannot start debian:12: {sentence}\n")
    found = watched.read("exit")
    assert (found["status"], found["reason"], found["message"]) == (125, "not-started", sentence)
    assert not processes(marker)


def test_one_that_cannot_be_run(watched):
    done = watched.run(("image", "x"), ("helper", "fuse", "/none/such"), argv=("true",))
    assert done.stderr == "sampan: cannot start x: its helper fuse: /none/such cannot be run: No such file or directory\n"


def test_its_output_goes_where_messages_go(watched):
    script = f"echo early; {READY} sleep 0.3; echo late; echo err >&2; sleep 60"
    done = watched.run(helper(script), argv=("sleep", "0.6"))
    assert done.stderr == "early\nlate\nerr\n"
    done = watched.run(helper(script), ("fds", ""), argv=("sleep", "0.6"), flags="detach,logs")
    assert (done.returncode, done.stderr) == (0, "early\n")
    watched.exit()
    assert watched.lines("stderr") == ["late", "err"]


def test_a_stubborn_one_is_killed(watched, marker):
    script = f"trap '' TERM; {READY} sleep {marker}; sleep {marker}; exec sleep {marker}"
    begun = time.monotonic()
    assert watched.run(helper(script), argv=("true",)).returncode == 0
    assert 4.9 < time.monotonic() - begun < 60
    for pid in processes(f"sleep\0{marker}"):  # the shell's own child is nobody's
        os.kill(pid, signal.SIGKILL)
    until(lambda: not processes(marker))


def test_it_ends_after_the_payload(watched, tmp_path):
    script = f"trap 'date +%s%N > {tmp_path}/helper; exit' TERM; {READY} while :; do sleep 0.02; done"
    bind = ("bind", str(tmp_path), "/t", "")
    watched.run(helper(script), bind, argv=("sh", "-c", "trap '' TERM; sleep 0.3; touch /t/payload"))
    assert int((tmp_path / "helper").read_text()) > (tmp_path / "payload").stat().st_mtime_ns - 10_000_000


def test_it_ends_when_the_watcher_is_killed(watched, marker):
    with watched.start(helper(f"{READY} exec sleep {marker}"), argv=("sleep", marker)) as process:
        until(lambda: len(processes(f"sleep\0{marker}")) == 2)
        process.kill()
    until(lambda: not processes(marker))


def test_one_that_ends_early_does_not_end_the_payload(watched):
    done = watched.run(helper(READY), argv=("sh", "-c", "sleep 0.2; exit 4"))
    assert (done.returncode, done.stderr) == (4, "")


def test_too_many(watched):
    done = watched.run(("image", "x"), *[helper(READY, f"h{i}") for i in range(17)])
    assert done.stderr == "sampan: cannot start x: it has more than 16 helpers\n"
    assert watched.run(*[helper(READY, f"h{i}") for i in range(16)]).returncode == 0


def test_a_time_limit_spares_it_until_the_end(watched, tmp_path):
    """It may serve the root that the payload needs to end well."""
    script = f"trap 'touch {tmp_path}/told; exit' TERM; {READY} while :; do sleep 0.02; done"
    done = watched.run(
        helper(script), argv=("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"), limit="0.2", grace="0.2", spaces=PLAIN
    )
    assert done.returncode == 124
    assert (tmp_path / "told").exists()
