"""An own pid namespace: an init of ours, and everything ends with the payload. And nothing is ever left."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time

import pytest

from tests.native.watching import PIDS, PLAIN, alive, processes, until


def test_the_view_inside(watched):
    done = watched.run(
        argv=(
            "sh",
            "-c",
            "echo $$ $PPID; cat /proc/1/comm; tr '\\0' ' ' < /proc/1/cmdline; ls /proc/1/fd | wc -l; ls /proc/self/fd",
        )
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["2", "1", "init", "init", "1", "0", "1", "2", "3"]


def test_a_callers_group_with_a_stopped_process_is_not_hung_up(watched):
    """A batch job's process group is an orphaned one; the kernel hangs up such a group if a tie to it ends while something in it is
    stopped.
    """
    plan = watched.launch.write(watched.plan(argv=("sleep", "0.1")))
    script = 'sleep 60 & kill -STOP $!; "$0" "$1"; echo $?; kill -KILL $!'
    done = subprocess.run(
        ["setsid", "-w", "sh", "-c", script, watched.launch.program, str(plan)], capture_output=True, text=True, timeout=20
    )  # fmt: skip
    assert (done.stdout, done.returncode) == ("0\n", 0)


def test_a_small_image_needs_no_tr(watched):
    """The init shows nothing of the machine."""
    done = watched.run(argv=("cat", "/proc/1/cmdline"))
    assert done.stdout.strip("\0") == "init"


def test_orphans_are_buried(watched):
    script = "for i in 1 2 3 4 5; do (sleep 0.05 &); done; sleep 0.5; ls -d /proc/[1-9]* | wc -l"
    assert watched.run(argv=("sh", "-c", script)).stdout == "4\n"  # init, sh, ls, wc


def test_everything_ends_with_the_payload(watched, marker):
    script = f"trap '' TERM HUP; (setsid sleep {marker} &) ; sleep {marker} & sleep 0.2; exit 3"
    begun = time.monotonic()
    assert watched.run(argv=("sh", "-c", script)).returncode == 3
    assert time.monotonic() - begun < 30
    assert not processes(marker)


def test_signals_sent_to_the_init_from_inside_reach_the_payload(watched):
    script = "trap 'echo got; exit 5' TERM; kill -TERM 1; while :; do sleep 0.05; done"
    done = watched.run(argv=("sh", "-c", script))
    assert (done.returncode, done.stdout) == (5, "got\n")
    assert watched.run(argv=("sh", "-c", "kill -KILL 1; kill -STOP 1; sleep 0.1; echo lives")).stdout == "lives\n"


def test_the_init_has_no_descriptor_of_the_machine(watched):
    """Root inside may look at it."""
    script = "for fd in /proc/1/fd/*; do readlink $fd; done; readlink /proc/1/cwd"
    done = watched.run(argv=("sh", "-c", script), ids=(0, 0))
    assert [line.partition(":")[0] for line in done.stdout.split()] == ["socket", "/"]


def test_a_payload_that_is_not_root_cannot_look_into_the_init(watched):
    done = watched.run(argv=("sh", "-c", "readlink /proc/1/exe || echo refused"), ids=(4242, 4242))
    assert done.stdout == "refused\n"


def test_the_namespace_is_where_the_limits_and_processors_are_not(watched):
    """What is set for the payload is not set for the init."""
    done = watched.run(("limit", "nproc", "unlimited", "unlimited") if os.getuid() == 0 else ("limit", "core", "0", "0"), ("no-new-privs",),
                       argv=("grep", "NoNewPrivs", "/proc/1/status", "/proc/2/status"))  # fmt: skip
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["0", "1"]


def test_nested(program, watched):
    """A watcher inside of what a watcher runs."""
    inner = watched.launch.write(
        watched.launch.plan(("root-memory", "/opt", "0", "refuse"), ("proc", "/proc"), argv=("true",), spaces=PIDS)
    )
    watched.launch.write([])
    binds = [("bind", str(watched.directory.parent), "/x", ""), ("bind", program, "/run-it", "ro")]
    done = watched.run(*binds, argv=("/run-it", f"/x/plans/{inner.name}"))
    assert (done.returncode, "there is no program" in done.stderr) == (127, True)  # /opt is empty


@pytest.mark.parametrize("victim", ["watcher", "init"])
def test_a_kill_at_any_moment_leaves_nothing(victim, watched, marker):
    """The watcher or the init is killed by -9 between start and end; then no process of it is left."""
    choose = random.Random(victim)
    script = f"(setsid sleep {marker} &); trap '' TERM; sleep {marker} & sleep {marker}"
    plan = watched.launch.write(watched.plan(argv=("sh", "-c", script), flags="logs"))
    for _ in range(25):
        (watched.directory / "payload").unlink(missing_ok=True)
        process = subprocess.Popen([watched.launch.program, str(plan)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if victim == "init":
            target = until(lambda: watched.has("payload") and watched.payload())["pid"]
            time.sleep(choose.random() * 0.01)
        else:
            target = process.pid
            time.sleep(choose.random() * 0.012)
        os.kill(target, signal.SIGKILL)
        assert process.wait(timeout=10) == (-9 if victim == "watcher" else 137)
        until(lambda: not processes(marker) and not processes(plan), 5, f"the end of all after {victim}")


@pytest.mark.parametrize("spaces", [PLAIN, PIDS])
def test_a_payload_that_is_killed(spaces, watched, marker):
    with watched.start(argv=("sleep", marker), spaces=spaces) as process:
        (payload,) = until(lambda: processes(f"sleep\0{marker}"))
        os.kill(payload, signal.SIGKILL)
        assert process.wait(timeout=10) == 137
    assert (watched.exit()["signal"], watched.exit()["reason"]) == (9, "signal")


def test_without_a_pid_namespace_a_killed_watcher_takes_the_payload_along(watched, marker):
    with watched.start(argv=("sleep", marker), spaces=PLAIN) as process:
        until(lambda: processes(f"sleep\0{marker}"))
        process.kill()
    until(lambda: not processes(marker))


def test_a_payload_with_other_credentials_dies_with_its_watcher(watched, marker):
    """Changes of ids and no_new_privs clear PDEATHSIG; it is set after them."""
    user = ("user", str(os.getuid()), str(os.getgid()), "")
    with watched.start(("no-new-privs",), user, ("limit", "core", "0", "0"), argv=("sleep", marker), spaces=PLAIN) as process:
        until(lambda: processes(f"sleep\0{marker}"))
        process.kill()
    until(lambda: not processes(marker))


def test_what_a_payload_leaves_behind_goes_on_without_a_pid_namespace(watched, marker):
    script = f"sleep {marker} >&- 2>&- & exit 4"
    done = watched.run(("bind", "/dev", "/dev", ""), argv=("sh", "-c", script), spaces=PLAIN)
    assert done.returncode == 4
    (left,) = until(lambda: processes(f"sleep\0{marker}"))
    assert alive(left)
    os.kill(left, signal.SIGKILL)
