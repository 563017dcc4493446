"""`enter`: another process in a running container."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.native.attaching import EXIT, Client
from tests.native.watching import PIDS, PLAIN, alive, processes, until

both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])
ALL = "user,mount,pid,ipc,uts"


@pytest.fixture
def running(watched):
    """A container that runs, and a way to build plans that enter it."""

    def start(*records, spaces=PIDS, **options):
        options.setdefault("argv", ("sleep", "60"))
        if "pid" not in spaces:
            records = (("bind", "/proc", "/proc", ""), *records)
        watched.detach(*records, spaces=spaces, **options)
        return plan_for(watched, spaces)

    return start


def plan_for(watched, spaces):
    payload = watched.payload()

    def plan(*records, argv=("true",), start=None):
        enter = ("enter", str(payload["pid"]), str(start or payload["start"]), spaces)
        return [enter, *records, ("env", "PATH=/bin"), ("exec", *argv)]

    return plan


@pytest.fixture
def run(watched):
    def run_plan(records, **options):
        with watched.launch.start(records, **options) as process:
            out, err = process.communicate(timeout=20)
        return subprocess.CompletedProcess([], process.returncode, out, err)

    return run_plan


@both_spaces
def test_it_is_inside(spaces, running, run):
    plan = running(("mkdir", "/only", "0755"), ("hostname", "inside"), spaces=spaces + ",uts", ids=(0, 0))
    done = run(plan(argv=("sh", "-c", "ls -d /only; pwd; hostname; id -u; echo $PATH; test -e /root || echo none; exit 6")))
    assert (done.stdout.split(), done.stderr, done.returncode) == (["/only", "/", "inside", "0", "/bin", "none"], "", 6)


def test_it_sees_the_processes(running, run):
    plan = running()
    done = run(plan(argv=("sh", "-c", "cat /proc/1/comm; cat /proc/2/comm; echo $PPID; kill -0 2")))
    assert (done.stdout.split(), done.returncode) == (["init", "sleep", "0"], 0)


@both_spaces
def test_streams_status_and_arguments(spaces, running, run, watched):
    plan = running(spaces=spaces)
    with open("/etc/hosts") as hosts:
        done = run(plan(argv=("cat",)), stdin=hosts)
    assert done.stdout == Path("/etc/hosts").read_text()
    with watched.launch.start(plan(argv=("sh", "-c", 'echo "$0 $1"; kill -KILL $$')), "a", "b c") as process:
        assert (process.communicate(), process.returncode) == (("a b c\n", ""), 137 if "pid" in spaces else -9)


@both_spaces
def test_the_process_records(spaces, running, run):
    plan = running(("mkdir", "/work", "0755"), spaces=spaces)
    records = [
        ("env", "A=b"),
        ("cwd", "/work", "refuse"),
        ("umask", "077"),
        ("limit", "nofile", "64", "64"),
        ("no-new-privs",),
        ("fds", ""),
    ]
    done = run(plan(*records, argv=("sh", "-c", "echo $A; pwd; umask; ulimit -n; grep NoNewPrivs /proc/self/status")))
    assert done.stdout.split() == ["b", "/work", "0077", "64", "NoNewPrivs:", "1"]
    done = run(plan(("cwd", "/none", "refuse")))
    assert (done.returncode, "the directory /none does not exist inside" in done.stderr) == (125, True)
    assert run(plan(("cwd", "/none", "/work"), argv=("pwd",))).stdout == "/work\n"


@both_spaces
def test_its_rights_are_those_inside(spaces, running, run):
    """Joining a user namespace gives all rights in it; the payload has those of its id."""
    script = "grep -E '^Cap(Prm|Eff|Inh|Amb)' /proc/self/status"
    done = run(running(spaces=spaces)(argv=("sh", "-c", script)))
    assert [int(line.split()[1], 16) for line in done.stdout.splitlines()] == (
        [0] * 4 if os.getuid() else pytest.approx([0] * 4, abs=1 << 64)
    )


@both_spaces
def test_failures(spaces, running, run, watched):
    plan = running(spaces=spaces)
    done = run([("image", "web"), *plan(argv=("none",))])
    assert (done.returncode, done.stderr) == (
        127,
        'sampan: cannot start web: there is no program "none" inside in any directory of PATH (/bin)\n',
    )
    payload = watched.payload()
    gone = f"the container that process {payload['pid']} stood for is not running any more"
    done = run(plan(start=payload["start"] + 1))
    assert (done.returncode, gone in done.stderr) == (125, True)
    os.kill(payload["pid"], signal.SIGKILL)
    watched.exit()
    done = run(plan())
    assert (done.returncode, gone in done.stderr) == (125, True)


def test_a_process_that_is_not_ours(run, watched):
    start = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    done = run([("enter", "1", start, ALL), ("exec", "true")])
    assert done.returncode == 125
    assert "cannot look into the container of process 1" in done.stderr


def test_it_ends_with_the_container(running, run, watched, marker):
    plan = running()
    with watched.launch.start(plan(argv=("sleep", marker))) as process:
        until(lambda: processes(f"sleep\0{marker}"))
        os.kill(watched.payload()["pid"], signal.SIGKILL)
        assert process.wait(timeout=10) == 137
    assert not processes(marker)


def test_it_ends_with_its_watcher(running, watched, marker):
    plan = running()
    with watched.launch.start(plan(argv=("sleep", marker))) as process:
        until(lambda: processes(f"sleep\0{marker}"))
        process.kill()
    until(lambda: not processes(marker))
    assert alive(watched.payload()["pid"])


def test_signals_and_stops(running, watched):
    plan = running()
    with watched.launch.start(
        plan(argv=("sh", "-c", "trap 'echo got; exit 3' TERM; echo up; while :; do sleep 0.05; done"))
    ) as process:
        process.stdout.readline()
        process.terminate()
        assert (process.communicate()[0], process.returncode) == ("got\n", 3)


def test_detached_with_a_terminal_and_a_socket(running, run, watched, tmp_path):
    plan = running(("dev", "/dev"))
    place, state = tmp_path / "exec.socket", tmp_path / "state"
    state.mkdir()
    records = [("watch", "detach,pty,logs", str(state), "15", "5", "0"), ("attach", str(place)), ("fds", ""), ("env", "PS1=in> ")]
    done = run(plan(*records, argv=("sh", "-i")))
    assert (done.returncode, done.stderr) == (0, "")
    with Client(place) as client:
        client.type("tty; exit 7\r")
        assert client.read_all()[0] == EXIT
    assert b"/dev/pts/" in client.output[1]
    until((state / "exit").exists)
    assert '"status":7' in (state / "exit").read_text()
    assert alive(watched.payload()["pid"])


@both_spaces
def test_a_time_limit(spaces, running, run, marker):
    plan = running(spaces=spaces)
    done = run(plan(("watch", "", "", "15", "0.2", "0.3"), argv=("sh", "-c", f"trap '' TERM; sleep {marker}; sleep {marker}")))
    assert done.returncode == 124
    assert "it has run for 0.3 s, its limit" in done.stderr


@both_spaces
def test_many_at_once(spaces, running, watched):
    path = watched.launch.write(running(spaces=spaces)(argv=("sh", "-c", "exit 5")))
    started = [subprocess.Popen([watched.launch.program, str(path)], stdin=subprocess.DEVNULL) for _ in range(50)]
    assert [process.wait(timeout=30) for process in started] == [5] * 50
