"""A day's work: many runs at once, much data, terminals and shells, threads, logging out, a compiler, sampan inside sampan."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest

import sampan
from sampan import settings
from sampan.runtime.session import Session
from tests.journeys.test_services import image

GIGABYTE = 1 << 30
COMPILER = "gcc/ libc6-dev/ make"


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_two_hundred_runs_at_once(shared_sampan):
    runs = [
        shared_sampan.popen(
            "run", shared_sampan.image, "sh", "-c", f"echo {n}; exit {n % 5}", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(200)
    ]
    for n, run in enumerate(runs):
        out, err = run.communicate(timeout=120)
        assert (run.returncode, out, err) == (n % 5, f"{n}\n".encode(), b"")
    assert list((shared_sampan.home / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "options", [[], ["--init"], ["--engine", "intercept"]], ids=["nobody stays", "a watcher stays", "without namespaces"]
)
def test_a_gigabyte_through_a_pipe(shared_sampan, options):
    head = subprocess.Popen(["head", "-c", str(GIGABYTE), "/dev/zero"], stdout=subprocess.PIPE)
    with shared_sampan.popen("run", *options, shared_sampan.image, "cat", stdin=head.stdout, stdout=subprocess.PIPE) as run:
        head.stdout.close()
        count = subprocess.run(["wc", "-c"], stdin=run.stdout, capture_output=True, text=True)
    assert (head.wait(10), run.returncode, int(count.stdout)) == (0, 0, GIGABYTE)


def test_a_thread_that_ends_does_not_take_its_container_along(shared_sampan, tmp_path):
    """A death signal would count from the thread that started it, not from the process (prctl(2), PR_SET_PDEATHSIG)."""
    session = Session(settings.load({**os.environ, **shared_sampan.environment()}))
    found = []

    def start():
        command = ["sh", "-c", "read x; echo got $x"]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        found.extend(sampan.Popen(shared_sampan.image, command, init=init, session=session, **streams) for init in (False, True))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    time.sleep(0.3)
    for process in found:
        with process:
            assert process.communicate("it\n", timeout=20)[0] == "got it\n"
        assert process.returncode == 0


def test_logging_out_leaves_what_was_told_to_go_on(shared_sampan, tmp_path):
    """`nohup ... &` in a shell on a terminal that goes away."""
    place = tmp_path / "out"
    controller, terminal = pty.openpty()
    line = f"nohup {' '.join(shared_sampan.command())} run -v {tmp_path}:/o {shared_sampan.image} sh -c 'echo up; sleep 1.5; echo end > /o/out' &\n"
    shell = subprocess.Popen(
        ["bash", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, cwd=tmp_path, env=shared_sampan.environment(), start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )  # fmt: skip
    os.close(terminal)
    os.write(controller, line.encode())
    until(lambda: (tmp_path / "nohup.out").exists() and "up" in (tmp_path / "nohup.out").read_text())
    os.close(controller)
    shell.wait(20)
    until(place.exists)
    until(lambda: place.read_text() == "end\n")


class Terminal:
    """A shell on a terminal of ours."""

    def __init__(self, product, directory: Path) -> None:
        self.controller, terminal = pty.openpty()
        self.resize(24, 80)
        self.shell = subprocess.Popen(
            ["bash", "--norc", "-i"], stdin=terminal, stdout=terminal, stderr=terminal, cwd=directory, start_new_session=True,
            env={**product.environment(), "PS1": "ready> ", "TERM": "dumb"}, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        os.close(terminal)
        self.seen = ""

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.controller, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: str) -> None:
        self.seen = ""
        os.write(self.controller, text.encode())

    def expect(self, text: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, f"{text!r} did not come: {self.seen!r}"
            if select.select([self.controller], [], [], 0.1)[0]:
                self.seen += os.read(self.controller, 4096).decode(errors="replace")

    def close(self) -> None:
        os.close(self.controller)
        self.shell.kill()
        self.shell.wait()


@pytest.fixture
def terminal(shared_sampan, tmp_path):
    made = Terminal(shared_sampan, tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    "options", ["", "--init ", "--engine intercept "], ids=["nobody stays", "a watcher stays", "without namespaces"]
)
def test_job_control_in_a_shell(shared_sampan, terminal, options):
    command = " ".join(shared_sampan.command())
    terminal.expect("ready> ")
    # Without children: dash starts them by vfork, and one that is stopped before its exec keeps dash from stopping.
    script = 'trap "stty size" WINCH; trap "echo going on" CONT; echo begun; while :; do :; done'
    terminal.type(f"{command} run {options}{shared_sampan.image} sh -c '{script}'\n")
    terminal.expect("begun\r\n")
    terminal.resize(50, 132)
    terminal.expect("50 132")
    terminal.type("\x1a")
    terminal.expect("Stopped")
    terminal.type("jobs\n")
    terminal.expect("Stopped")
    terminal.type("fg\n")
    terminal.expect("going on\r\n")
    terminal.type("\x03")
    terminal.expect("ready> ")
    terminal.type("echo ended with $?\n")
    terminal.expect("ended with 130")


def test_a_program_is_compiled_and_runs(sampan, engine, registry, tmp_path):
    if not os.path.exists("/usr/bin/make"):
        pytest.skip("make is not installed on this machine, from whose packages the image is made")
    reference = image(registry, "compiler", COMPILER)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.c").write_text(
        '#include <stdio.h>\n#include <math.h>\nint main(void) { printf("%.3f\\n", sqrt(ANSWER)); return 0; }\n'
    )
    (tmp_path / "src/Makefile").write_text("main: main.c\n\tgcc -O2 -Wall -DANSWER=42.0 -o $@ $< -lm\n")
    done = sampan.good(
        "run",
        "--engine",
        engine,
        "-w",
        str(tmp_path / "src"),
        "-v",
        f"{tmp_path}/src",
        reference,
        "sh",
        "-c",
        "make -s && ./main",
    )
    assert done.lines == ["6.481"]
    assert (tmp_path / "src/main").stat().st_uid == os.getuid()


def test_sampan_inside_sampan(shared_sampan, tmp_path):
    """The image has Python; sampan and the store are those of the host, seen through a bind."""
    words = [
        "-v",
        f"{Path(sampan.__file__).parents[1]}:/sampan:ro",
        "-e",
        "PYTHONPATH=/sampan",
        "-v",
        f"{shared_sampan.home}:/store",
        "-v",
        str(tmp_path),
    ]
    words += ["-e", "SAMPAN_HOME=/store", "-e", f"SAMPAN_RUNTIME_DIR={tmp_path}/runtime"]
    programs = os.environ.get("SAMPAN_PROGRAMS")
    words += ["-v", f"{programs}:/programs:ro", "-e", "SAMPAN_PROGRAMS=/programs"] if programs else []
    inner = ["python3", "-m", "sampan", "run", "--read-only", shared_sampan.image, "hello"]
    done = shared_sampan.good("run", *words, shared_sampan.image, *inner)
    assert done.text.startswith("hello from ")
