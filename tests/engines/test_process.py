"""A payload is a process like any other: streams, status, signals, environment, descriptors, terminal."""

from __future__ import annotations

import hashlib
import os
import pty
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

# Engines that are no payload themselves: somebody stays who has seen the end, and tells it as a shell does.
STAYING = ("proot", "oci-runtime")


def test_streams_are_the_payloads_byte_for_byte(box):
    data = bytes(range(256)) * 40000 + "é\n".encode() + b"\xff\xfe"
    done = box.run("sh", "-c", "tee /dev/stderr | sha256sum; exec cat >/dev/null", stdin=data)
    assert done.status == 0
    assert done.lines == [f"{hashlib.sha256(data).hexdigest()}  -"]
    assert box.run("cat", stdin=data).out == data


def test_stdout_and_stderr_stay_apart(box):
    done = box.run("sh", "-c", "echo out; echo err >&2")
    assert done.out == b"out\n"
    assert [line for line in done.err.splitlines() if not line.startswith("sampan: ")] == ["err"]


def test_the_last_word_of_a_short_process_is_not_lost(box):
    assert box.run("sh", "-c", "head -c 300000 /dev/zero").out == bytes(300000)


@pytest.mark.parametrize("status", [0, 1, 7, 124, 125, 126, 127, 128, 255])
def test_exit_status_is_the_commands(box, status):
    """Also without a terminal, where udocker's R modes always ended with 1 (its defect D1)."""
    assert box.run("sh", "-c", f"exit {status}").status == status


@pytest.mark.parametrize("name", ["SIGTERM", "SIGKILL", "SIGSEGV", "SIGPIPE", "SIGXFSZ"])
def test_death_by_a_signal_is_seen_as_such(box, place, name):
    """A shell shows 128+n; udocker said 255 (D13)."""
    number = getattr(signal, name)
    expected = 128 + number if place[0] in STAYING else -number
    assert box.run("sh", "-c", f"ulimit -c 0; kill -{int(number)} $$").status == expected


def test_a_signal_to_the_command_reaches_the_payload(box):
    """The command has become the payload: a batch system's SIGTERM ends it (udocker left an orphan, D4)."""
    with box.popen(
        "run",
        *box.options,
        box.image,
        "sh",
        "-c",
        'trap "echo caught; exit 3" TERM; echo ready; while :; do sleep 0.05; done',
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == b"caught\n"
    assert process.returncode == 3


def test_sigkill_leaves_no_orphan(box):
    mine = f"sleep 1000.{os.getpid()}{time.monotonic_ns()}"
    with box.popen("run", *box.options, box.image, "sh", "-c", f"echo $$; exec {mine}", stdout=subprocess.PIPE) as process:
        assert process.stdout.readline().strip()
        process.kill()
    deadline = time.monotonic() + 10
    while subprocess.run(["pgrep", "-f", f"^{mine}$"], capture_output=True).returncode == 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert subprocess.run(["pgrep", "-f", f"^{mine}$"], capture_output=True).returncode == 1


def test_signals_are_not_ignored_behind_pythons_back(box):
    """Python ignores SIGPIPE; a payload must not inherit that."""
    done = box.run("sh", "-c", "grep SigIgn /proc/self/status")
    assert int(done.text.split()[1], 16) & ((1 << 12) | (1 << 24)) == 0


def test_a_program_that_is_missing_or_cannot_be_executed(box):
    for words, status, sentence in (
        (["no-such-program"], 127, "no-such-program"),
        (["/no/such/program"], 127, "/no/such/program"),
        (["/etc/passwd"], 126, "not executable"),
        (["/etc"], 126, "/etc"),
    ):
        done = box.run(*words)
        assert (done.status, sentence in done.err) == (status, True), done.err
        assert "Traceback" not in done.err


def test_a_script_whose_interpreter_is_missing_says_so(box):
    script = box.directory / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    done = box.run(str(script))
    assert (done.status, "/no/such/interpreter" in done.err) == (127, True)


def test_environment(box):
    done = box.run("-e", "A=1 2", "-e", "FROM_HERE", "--", "env", "-0", FROM_HERE="x", SECRET="s", SLURM_JOB_ID="7", LC_ALL="C")
    seen = dict(item.split("=", 1) for item in done.text.split("\0") if item)
    assert (seen["A"], seen["FROM_HERE"], seen["SLURM_JOB_ID"], seen["LC_ALL"], seen["MADE_BY"]) == (
        "1 2",
        "x",
        "7",
        "C",
        "machine_image",
    )
    assert "SECRET" not in seen
    assert "LC_CTYPE" not in seen


def test_a_locale_that_python_made_up_is_not_passed_on(box):
    environment = {name: value for name, value in box.environment().items() if not name.startswith(("LANG", "LC_"))}
    done = subprocess.run(
        [*box.command(), "run", *box.options, box.image, "env"],
        env=environment,
        capture_output=True,
        text=True,
        cwd=box.directory,
    )
    assert done.returncode == 0
    assert "LC_CTYPE" not in done.stdout


def test_non_ascii_arguments_and_variables(box):
    """Udocker's R modes crashed on any non-ASCII output (D2)."""
    done = box.run("-e", "W=naïve ☃", "--", "sh", "-c", 'printf "%s %s" "$1" "$W"', "sh", os.fsdecode(b"\xff\xe9\x00"[:2]))
    assert done.out == b"\xff\xe9 " + "naïve ☃".encode()


def test_descriptors_of_the_caller_stay_and_none_is_added(box):
    reader, writer = os.pipe()
    program = f"import os; os.write({writer}, b'through'); print(*os.listdir('/proc/self/fd'))"
    try:
        with box.popen(
            "run", *box.options, box.image, "python3", "-c", program, stdout=subprocess.PIPE, pass_fds=(writer,)
        ) as process:
            listed = process.communicate(timeout=30)[0].split()
        os.close(writer)
        assert os.read(reader, 100) == b"through"
        assert {int(number) for number in listed} <= {0, 1, 2, 3, writer}  # 3 is the listing's own
    finally:
        os.close(reader)


def test_a_terminal_is_the_callers(box):
    controller, terminal = pty.openpty()
    try:
        with box.popen(
            "run",
            *box.options,
            "-it",
            box.image,
            "sh",
            "-c",
            "test -t 0 && test -t 1 && stty size && tty",
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        ) as process:
            assert process.wait(30) == 0
        seen, deadline = "", time.monotonic() + 10
        while "/dev/pts/" not in seen and time.monotonic() < deadline:  # what the engine says comes in a piece of its own
            seen += os.read(controller, 10000).decode()
    finally:
        os.close(controller)
        os.close(terminal)
    assert "/dev/pts/" in seen


def test_t_without_a_terminal_is_refused(box):
    done = box.run("-t", "--", "true")
    assert (done.status, "-t asks for a terminal" in done.err) == (125, True)


def test_umask_and_limits_are_the_callers(box):
    done = box.run("sh", "-c", "umask; ulimit -n")
    here = subprocess.run(["sh", "-c", "umask; ulimit -n"], capture_output=True, text=True)
    assert done.text == here.stdout


def test_many_at_once(box, can, writable):
    count = 40 if "shared-root" in can else 8  # each is a copy of the image
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(
                lambda number: box.run("sh", "-c", f"cd {writable}; touch made-{number}; ls | grep -c made; exit {number}"),
                range(count),
            )
        )
    assert [(done.status, done.out) for done in found] == [(number, b"1\n") for number in range(count)]


def test_two_hundred_processes_at_once(box):
    program = (
        "import os, subprocess\n"
        "many = [subprocess.Popen(['sh', '-c', 'cat; exit $1', 'sh', str(n)], stdin=-1, stdout=-1) for n in range(200)]\n"
        "ends = [(p.communicate(str(n).encode())[0], p.returncode) for n, p in enumerate(many)]\n"
        "print(ends == [(str(n).encode(), n) for n in range(200)])"
    )
    assert box.run("python3", "-c", program).lines == ["True"]


def test_nothing_stays_of_an_anonymous_run(box, shared_sampan):
    before = sorted(os.listdir(shared_sampan.home / "containers")), sorted(os.listdir(shared_sampan.home / "tmp"))
    box.run("sh", "-c", "date > /left-behind")
    assert box.run("ls", "/left-behind").status == 2
    assert (sorted(os.listdir(shared_sampan.home / "containers")), sorted(os.listdir(shared_sampan.home / "tmp"))) == before
