"""An attached watcher: it must be as if it were not there."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest

from sampan.engine.encoding import encode
from tests.native.terminals import Shell
from tests.native.watching import PIDS, PLAIN, alive, cpu_ticks, private_kilobytes, processes, until

DEV = ("bind", "/dev", "/dev", "")
both_spaces = pytest.mark.parametrize("spaces", [PLAIN, PIDS])


@both_spaces
@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -TERM $$", 143), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)],
)
def test_the_exit_status_is_the_payloads(script, status, spaces, watched, both_ways):
    plan = watched.plan(argv=("sh", "-c", script), spaces=spaces, directory="")
    with watched.launch.start(plan, without=both_ways) as process:
        assert (process.communicate(), process.returncode) == (("", ""), status)


@both_spaces
def test_a_program_that_cannot_be_run(spaces, watched):
    done = watched.run(("image", "debian:12"), argv=("none",), spaces=spaces)
    assert (done.returncode, done.stderr) == (
        127, 'sampan: cannot start debian:12: there is no program "none" inside in any directory of PATH (/bin)\n',
    )  # fmt: skip
    found = watched.read("exit")
    assert (found["status"], found["signal"], found["reason"], found["started"]) == (127, None, "not-started", None)
    assert found["message"] == 'there is no program "none" inside in any directory of PATH (/bin)'
    assert watched.run(argv=("/etc",), spaces=spaces).returncode == 126
    done = watched.run(("bind", "/nowhere", "/mnt", ""), spaces=spaces)
    assert (done.returncode, watched.read("exit")["status"]) == (125, 125)
    assert "there is no /nowhere on this machine" in watched.read("exit")["message"]


@both_spaces
def test_streams_are_the_callers(spaces, watched):
    with watched.start(
        argv=("sh", "-c", "read x; echo $x; echo err >&2"), spaces=spaces, popen={"stdin": subprocess.PIPE}
    ) as process:
        assert process.communicate("typed\n") == ("typed\n", "err\n")


@both_spaces
def test_the_readers_of_streams_do_not_wait_for_the_watcher(spaces, watched):
    """When the payload closes its output, or a descriptor of the caller, nobody else holds it."""
    read, write = os.pipe()
    script = "exec >&- 9>&-; read x"
    plan = watched.plan(argv=("sh", "-c", script), spaces=spaces, directory="")
    prefix = ["bash", "-c", f'exec 9>&{write} {write}>&-; exec "$@"', "sh"]
    with watched.launch.start(plan, prefix=prefix, pass_fds=[write], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        os.close(write)
        assert process.stdout.read() == ""
        assert os.read(read, 1) == b""
        assert process.poll() is None
    os.close(read)


@both_spaces
def test_closed_standard_streams(spaces, watched):
    plan = watched.plan(argv=("sh", "-c", "for i in 0 1 2; do test -e /proc/self/fd/$i && echo $i; done; exit 5"), spaces=spaces)
    if spaces == PLAIN:
        plan.insert(-2, ("bind", "/proc", "/proc", ""))
        plan.sort(key=lambda r: r[0] in ("env", "exec"))
    with watched.launch.start(plan, prefix=["sh", "-c", 'exec "$@" <&- 2>&-', "sh"]) as process:
        assert (process.communicate()[0], process.returncode) == ("1\n", 5)


@both_spaces
def test_dispositions_and_mask_are_the_callers(spaces, watched):
    def caller():
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])

    extra = [] if spaces == PIDS else [("bind", "/proc", "/proc", "")]
    done = watched.run(
        *extra, argv=("grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"), spaces=spaces,
        popen={"preexec_fn": caller, "restore_signals": False},
    )  # fmt: skip
    values = {line.split()[0]: int(line.split()[1], 16) for line in done.stdout.splitlines()}
    assert done.returncode == 0
    assert values["SigBlk:"] == 1 << (signal.SIGUSR2 - 1)
    for number in (signal.SIGUSR1, signal.SIGCHLD):
        assert values["SigIgn:"] & 1 << (number - 1)


@both_spaces
@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2", "ALRM", "WINCH", "QUIT"])
def test_signals_sent_to_the_watcher_reach_the_payload(name, spaces, watched):
    script = f"trap 'echo got; exit 3' {name}; echo ready; while :; do sleep 0.05; done"
    with watched.start(argv=("sh", "-c", script), spaces=spaces) as process:
        process.stdout.readline()
        process.send_signal(signal.Signals[f"SIG{name}"])
        assert process.communicate(timeout=10)[0] == "got\n"
    assert process.returncode == 3


@both_spaces
def test_a_signal_that_ends_the_payload(spaces, watched):
    with watched.start(argv=("sh", "-c", "echo ready; exec sleep 60"), spaces=spaces) as process:
        process.stdout.readline()
        process.terminate()
        assert process.wait(timeout=10) == 143
    found = watched.exit()
    assert (found["status"], found["signal"], found["reason"]) == (143, 15, "signal")


@both_spaces
def test_signals_from_inside_have_no_echo(spaces, watched):
    """`kill 0` reaches the whole group, the watcher too: the payload must see it once."""
    script = "n=0; trap 'n=$((n+1))' USR1; kill -USR1 0; sleep 0.3; echo $n"
    with watched.start(argv=("sh", "-c", script), spaces=spaces, popen={"start_new_session": True}) as process:
        assert process.communicate(timeout=10)[0] == "1\n"


@both_spaces
def test_stop_and_continue(spaces, watched):
    """Of the payload alone, by SIGSTOP; for Ctrl-Z a shell is needed, below."""
    script = "echo ready; read x; echo $x; # stopped"
    with watched.start(argv=("sh", "-c", script), spaces=spaces, popen={"stdin": subprocess.PIPE}) as process:
        process.stdout.readline()
        (payload,) = processes(script)
        os.kill(payload, signal.SIGSTOP)
        until(lambda: os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED | os.WNOHANG)[1]))
        process.send_signal(signal.SIGCONT)
        until(lambda: os.WIFCONTINUED(os.waitpid(process.pid, os.WCONTINUED | os.WNOHANG)[1]))
        assert process.communicate("on\n", timeout=10)[0] == "on\n"


@pytest.fixture
def shell():
    made = Shell()
    yield made
    made.close()


@both_spaces
def test_job_control_under_a_shell(spaces, watched, shell):
    script = "echo up; sleep 1; echo done; exit 9"
    command = f"{watched.launch.program} {watched.launch.write(watched.plan(DEV, argv=('sh', '-c', script), spaces=spaces))}"
    for line in ("fg", "bg; wait %1", "bg; sleep 0.1; fg"):
        shell.type(command + "\n")
        shell.read("\nup\n")
        shell.type("\x1a")
        assert "Stopped" in shell.read("@@ ")
        states = dict(reversed(line.split()) for line in shell.run("ps -o stat=,pid=").splitlines() if "sampan" not in line)
        stopped = [pid for pid, state in states.items() if state.startswith("T")]
        assert len(stopped) >= 2, states  # the watcher and the payload's shell, at least
        assert "done\n" in shell.run(line)
        assert shell.status() == 9, line


@both_spaces
def test_interrupts_of_the_terminal_come_once(spaces, watched, shell, marker):
    script = "n=0; trap 'n=$((n+1))' INT; echo up; sleep 0.5; sleep 0.5; echo n=$n; exit 4"
    command = f"{watched.launch.program} {watched.launch.write(watched.plan(DEV, argv=('sh', '-c', script), spaces=spaces))}"
    shell.type(command + "\n")
    shell.read("\nup\n")
    shell.type("\x03")
    shell.read("n=1\n@@ ")
    assert shell.status() == 4
    sleeping = f"{watched.launch.program} {watched.launch.write(watched.plan(DEV, argv=('sleep', marker), spaces=spaces))}"
    shell.type(sleeping + "\n")
    until(lambda: processes(f"sleep\0{marker}"))
    shell.type("\x03")
    shell.read("@@ ")
    assert shell.status() == 130


@both_spaces
def test_an_interactive_shell_inside(spaces, watched, shell):
    plan = watched.launch.write(watched.plan(DEV, ("env", "PS1=in> "), argv=("sh", "-i"), spaces=spaces))
    shell.type(f"{watched.launch.program} {plan}\n")
    shell.read("in> ")
    shell.type("sleep 60\n")
    time.sleep(0.3)
    shell.type("\x03")
    shell.read("in> ")
    shell.type("sleep 60\n")
    time.sleep(0.3)
    shell.type("\x1a")
    assert "Stopped" in shell.read("in> ")
    shell.type("kill %1; sleep 0.1; exit 3\n")
    shell.read("in> |@@ ")
    shell.type("exit 3\n")
    shell.read("@@ ")
    assert shell.status() == 3


@both_spaces
def test_the_terminal_comes_back_after_a_shell_that_was_killed(spaces, watched, shell):
    """The shell inside has made itself the foreground; a script that called us must be able to read the terminal afterwards."""
    plan = watched.launch.write(watched.plan(DEV, ("env", "PS1=in> "), argv=("sh", "-i"), spaces=spaces))
    shell.type(f"sh -c '{watched.launch.program} {plan}; read x; echo got $x'\n")
    shell.read("in> ")
    shell.type("kill -9 $$\n")
    time.sleep(0.3)
    shell.type("typed\n")
    assert "got typed" in shell.read("got typed\n")


@both_spaces
def test_reading_the_terminal_in_the_background_stops_both(spaces, watched, shell):
    plan = watched.launch.write(watched.plan(DEV, argv=("sh", "-c", "read x < /dev/tty; echo got $x"), spaces=spaces))
    shell.run(f"{watched.launch.program} {plan} &")
    until(lambda: "Stopped" in shell.run("jobs"))
    shell.type("fg\n")
    shell.read("sampan-run .*\n")
    shell.type("typed\n")
    shell.read("got typed\n@@ ")


@both_spaces
def test_nohup_and_logout(spaces, watched):
    shell = Shell()
    script = "trap '' TERM; sleep 1; echo over > /out/done"
    out = watched.directory / "out"
    out.mkdir()
    plan = watched.launch.write(watched.plan(("bind", str(out), "/out", ""), argv=("sh", "-c", script), spaces=spaces))
    shell.run(f"nohup {watched.launch.program} {plan} > /dev/null 2>&1 &")
    until(lambda: watched.has("payload"))
    time.sleep(0.3)
    os.close(shell.fd)  # the terminal hangs up
    os.waitpid(shell.pid, 0)
    assert watched.exit()["reason"] == "exited"
    assert (out / "done").exists()


@both_spaces
def test_without_nohup_a_hangup_ends_the_payload(spaces, watched):
    shell = Shell()
    plan = watched.launch.write(watched.plan(argv=("sleep", "60"), spaces=spaces))
    shell.type(f"{watched.launch.program} {plan}\n")
    until(lambda: watched.has("payload"))
    time.sleep(0.3)
    os.close(shell.fd)
    os.waitpid(shell.pid, 0)
    assert watched.exit()["status"] == 129


@both_spaces
def test_the_thread_that_started_it_may_end(spaces, watched):
    held = []
    argv = ("sh", "-c", "sleep 0.5; echo survived")
    thread = threading.Thread(target=lambda: held.append(watched.start(argv=argv, spaces=spaces)))
    thread.start()
    thread.join()
    with held[0] as process:
        assert (process.communicate(timeout=10)[0], process.returncode) == ("survived\n", 0)


@both_spaces
def test_it_dies_with_its_parent_only_if_asked_to(spaces, watched, marker):
    for records, survives in (([], True), ([("die-with-parent",)], False)):
        path = watched.launch.write(watched.plan(*records, argv=("sleep", marker), spaces=spaces))
        script = f"{watched.launch.program} {path} & echo $!; read wait"
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
            watcher = int(parent.stdout.readline())
            payload = until(lambda: processes(f"sleep\0{marker}"))
            time.sleep(0.1)
            parent.kill()
            parent.wait()
            time.sleep(0.3)
            assert alive(watcher) == alive(payload[0]) == survives
            watched.end()
            parent.stdin.close()
        until(lambda: not processes(f"sleep\0{marker}"))


@both_spaces
def test_a_limit(spaces, watched):
    begun = time.monotonic()
    done = watched.run(("image", "debian:12"), argv=("sleep", "60"), spaces=spaces, limit="0.3")
    assert (done.returncode, done.stderr) == (124, "sampan: debian:12: it has run for 0.3 s, its limit, and is ended\n")
    assert 0.3 <= time.monotonic() - begun < 30
    found = watched.read("exit")
    assert (found["status"], found["signal"], found["reason"]) == (124, 15, "timeout")


@both_spaces
def test_a_payload_that_ends_well_within_its_grace_has_still_timed_out(spaces, watched):
    script = "trap 'echo bye; exit 0' USR1; while :; do sleep 0.05; done"
    done = watched.run(argv=("sh", "-c", script), spaces=spaces, limit="0.2", stop="10")
    assert (done.returncode, done.stdout, watched.read("exit")["signal"]) == (124, "bye\n", None)
    assert watched.run(argv=("sh", "-c", "exit 3"), spaces=spaces, limit="30").returncode == 3


@both_spaces
def test_after_the_grace_everything_is_killed(spaces, watched, marker):
    """Also what has gone into sessions of its own."""
    script = f"trap '' TERM; (setsid sh -c \"trap '' TERM; sleep {marker}; sleep {marker}\" &); sleep {marker}; sleep {marker}"
    begun = time.monotonic()
    done = watched.run(argv=("sh", "-c", script), spaces=spaces, limit="0.3", grace="0.3")
    assert done.returncode == 124
    assert time.monotonic() - begun < 30
    until(lambda: not processes(marker), 2)


@both_spaces
def test_the_limit_is_said_in_the_log_too(spaces, watched):
    watched.run(argv=("sleep", "60"), spaces=spaces, limit="0.2", flags="logs")
    assert watched.records() == [("stderr", "F", "sampan: it has run for 0.2 s, its limit, and is ended")]


@both_spaces
def test_it_is_small_and_sleeps(spaces, watched, marker):
    """With a large plan, too."""
    large = ("file", "/tmp/x", "644", "", "y" * 3_000_000)
    with watched.start(large, argv=("sleep", marker), spaces=spaces) as process:
        until(lambda: processes(f"sleep\0{marker}"))
        time.sleep(0.1)
        ticks = cpu_ticks(process.pid)
        time.sleep(0.5)
        used, size = cpu_ticks(process.pid) - ticks, private_kilobytes(process.pid)
        process.kill()
    print("private memory of an attached watcher:", size, "kB")
    assert used == 0
    assert size <= 300


def test_200_in_parallel(watched):
    path = watched.launch.write(
        watched.plan(argv=("sh", "-c", "exit 6"), directory="", root=("root-tree", *watched.root[1:2], "ro"))
    )
    running = [subprocess.Popen([watched.launch.program, str(path)], stdin=subprocess.DEVNULL) for _ in range(200)]
    assert [process.wait(timeout=60) for process in running] == [6] * 200


def test_a_start_is_interrupted(watched, marker):
    """While a helper is not ready yet; by Ctrl-C or by a signal."""
    helper = ("helper", "slow", "sh", "-c", f"echo $$; exec sleep {marker}")
    with watched.start(helper, ("image", "x")) as process:
        assert process.stderr.readline().strip().isdigit()
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=10)[1] == "sampan: cannot start x: it was interrupted by signal 2\n"
        assert process.returncode == 130
    assert watched.read("exit")["message"] == "it was interrupted by signal 2"
    assert not processes(marker)


def test_pid_implies_a_watcher(launch, roots):
    plan = launch.plan(
        roots.record("memory"), ("proc", "/proc"), argv=("sh", "-c", "echo $$; cat /proc/1/comm; exit 4"), spaces=PIDS
    )
    with launch.start(plan) as process:
        assert (process.communicate(), process.returncode) == (("2\ninit\n", ""), 4)


def test_a_plan_from_a_descriptor(program, watched):
    fd = os.memfd_create("plan")
    os.write(fd, encode(watched.plan(argv=("echo", "a"))))
    done = subprocess.run([program, f"--fd={fd}", "b"], pass_fds=[fd], capture_output=True, text=True)
    os.close(fd)
    assert (done.returncode, done.stdout) == (0, "a b\n")
