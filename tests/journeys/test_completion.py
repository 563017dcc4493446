"""What the shells ask, and real shells that ask it: each is driven through a terminal, as a person types."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import time

import pytest


def words(sampan, *typed):
    return sampan.good("completion", "--words", "--", *typed).lines


def test_commands_options_values_and_things(sampan, machine_reference):
    assert {"run", "rm", "rmi", "rename", "restart"} <= set(words(sampan, "r"))
    assert words(sampan, "store", "f") == ["fsck"]
    assert "--network" in words(sampan, "run", "--net")
    assert words(sampan, "run", "--network", "") == ["host", "none"]
    assert words(sampan, "run", "--network=n") == ["--network=none"]
    assert words(sampan, "run", "--engine", "name") == ["namespace"]
    assert words(sampan, "kill", "-s", "T") == ["TERM"]
    assert words(sampan, "ps", "--filter", "st") == ["status="]
    assert words(sampan, "config", "keep") == ["keep_blobs"]
    assert words(sampan, "completion", "z") == ["zsh"]
    assert words(sampan, "help", "store", "d") == ["du"]
    assert words(sampan, "--debug", "ver") == ["verify"]
    sampan.good("pull", machine_reference)
    assert words(sampan, "run", "--rm", "127") == [machine_reference]
    assert words(sampan, "run", "-itv", "/x", "127") == [machine_reference]
    assert words(sampan, "inspect", "127") == [machine_reference]
    assert words(sampan, "images", "127") == [machine_reference.rpartition(":")[0]]
    assert words(sampan, "run", machine_reference, "--he") == []
    sampan.good("create", "--name", "boxy", machine_reference)
    assert words(sampan, "start", "bo") == ["boxy"]
    assert words(sampan, "exec", "bo") == []
    assert words(sampan, "run", "--volumes-from", "b") == ["boxy"]
    assert words(sampan, "cp", "b") == ["boxy:"]
    assert words(sampan, "rename", "boxy", "b") == []
    assert words(sampan, "nonsense", "x") == []
    described = sampan.good("completion", "--words", "--described", "--", "ver").lines
    assert described == ["verify\tread an image again and compare it with its digests"]


def test_without_a_store_none_is_made(sampan):
    assert words(sampan, "run", "") == []
    assert not sampan.home.exists()


@pytest.fixture
def shell_environment(sampan, tmp_path):
    """`sampan` on PATH, and its scripts where an installation puts them."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/sampan"
    command.write_text("#!/bin/sh\nexec " + " ".join(sampan.command()) + ' "$@"\n')
    command.chmod(0o755)
    for shell, name in (("bash", "sampan"), ("zsh", "_sampan"), ("fish", "sampan.fish")):
        (tmp_path / shell).mkdir()
        (tmp_path / shell / name).write_text(sampan.good("completion", shell).text)
    passed = {key: value for key, value in sampan.environment().items() if key != "LD_LIBRARY_PATH"}
    return {**passed, "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "TERM": "dumb", "PS1": "$ ", "LC_ALL": "C.UTF-8"}


START = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source {}/bash/sampan"),
    "zsh": (
        ["zsh", "-f", "-i"],
        "fpath=({}/zsh $fpath); autoload -Uz compinit; compinit -u -D; unsetopt automenu; setopt bashautolist",
    ),
}


class Terminal:
    """A shell on a terminal. What it shows is not looked at: the completed line is echoed into a file."""

    def __init__(self, shell: str, environment: dict[str, str], directory) -> None:
        command, setup = START[shell]
        self.out = directory / "typed"
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(directory)
            os.execvpe(command[0], command, environment)
        self.command(setup.format(directory))

    def command(self, line: str) -> str:
        """Type a line, press Enter, wait until it is done."""
        done = self.out.with_suffix(".done")
        self._write(f"{line}\n")
        self._write(f"echo > {done}\n")
        self._wait(done)
        done.unlink()
        return self.out.read_text() if self.out.exists() else ""

    def complete(self, line: str) -> str:
        """The line after Tab."""
        self.out.unlink(missing_ok=True)
        self._write(f"{line}\t")
        # The shell reads no further key before its completion is there.
        return self.command(f"\x01echo '\x05' > {self.out}").removesuffix("\n")

    def _write(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def _wait(self, path) -> None:
        end = time.monotonic() + 60
        shown = b""
        while not path.exists():
            if select.select([self.fd], [], [], 0.05)[0]:
                shown += os.read(self.fd, 65536)
            assert time.monotonic() < end, shown.decode(errors="replace")

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


CASES = (
    ("sampan verif", "sampan verify "),
    ("sampan run --netw", "sampan run --network "),
    ("sampan run --network no", "sampan run --network none "),
    ("sampan run --network=no", "sampan run --network=none "),
    ("sampan store fs", "sampan store fsck "),
    ("sampan start bo", "sampan start boxy "),
    ("sampan run {start}", "sampan run {image} "),
    ("sampan cp bo", "sampan cp boxy:"),
    ("sampan ps --filter sta", "sampan ps --filter status="),
    ("sampan load -i some-arch", "sampan load -i some-archive.tar "),
    ("sampan run {image} some-arch", "sampan run {image} some-archive.tar "),
    ("LANG=C sampan --debug verif", "LANG=C sampan --debug verify "),
)


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_real_shell_completes(shared_sampan, shell_environment, tmp_path, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    environment = {**shell_environment, "SAMPAN_HOME": str(shared_sampan.home)}
    shared_sampan("rm", "-f", "boxy")
    shared_sampan.good("create", "--name", "boxy", shared_sampan.image)
    (tmp_path / "some-archive.tar").touch()
    known = {"image": shared_sampan.image, "start": shared_sampan.image[: len("127.0.0.1:1")]}
    terminal = Terminal(shell, environment, tmp_path)
    try:
        for line, wanted in CASES:
            typed, wanted = line.format(**known), wanted.format(**known)
            # zsh takes its blank away again when the cursor moves.
            assert terminal.complete(typed) == (wanted.rstrip() if shell == "zsh" else wanted)
    finally:
        terminal.close()
        shared_sampan("rm", "-f", "boxy")


def test_a_real_fish_completes(shared_sampan, shell_environment, tmp_path):
    """Fish answers on its command line what it would offer."""
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    environment = {**shell_environment, "SAMPAN_HOME": str(shared_sampan.home)}
    shared_sampan("rm", "-f", "boxy")
    shared_sampan.good("create", "--name", "boxy", shared_sampan.image)
    (tmp_path / "some-archive.tar").touch()

    def offered(line: str) -> list[str]:
        program = f"source {tmp_path}/fish/sampan.fish; complete -C '{line}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", program], capture_output=True, text=True, env=environment, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    try:
        assert offered("sampan verif") == ["verify\tread an image again and compare it with its digests"]
        assert offered("sampan run --network no") == ["none"]
        assert offered("sampan run --network=no") == ["--network=none"]
        assert offered("sampan start bo") == ["boxy"]
        assert offered(f"sampan run {shared_sampan.image[:11]}") == [shared_sampan.image]
        assert offered("sampan load -i some-arch") == ["some-archive.tar"]
        assert len(offered("sampan ")) > 40
    finally:
        shared_sampan("rm", "-f", "boxy")
