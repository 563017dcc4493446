"""What the shells ask, and a real bash that asks it."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def words(sampan, *typed):
    return sampan.good("completion", "--words", "--", *typed).lines


def test_commands_options_values_and_things(sampan, machine_reference):
    assert {"run", "rm", "rmi", "rename", "restart"} <= set(words(sampan, "r"))
    assert words(sampan, "store", "f") == ["fsck"]
    assert "--network" in words(sampan, "run", "--net")
    assert words(sampan, "run", "--network", "") == ["host", "none"]
    assert words(sampan, "run", "--network=n") == ["--network=none"]
    sampan.good("pull", machine_reference)
    assert words(sampan, "run", "--rm", "127") == [machine_reference]
    assert words(sampan, "run", machine_reference, "--he") == []
    sampan.good("create", "--name", "boxy", machine_reference)
    assert words(sampan, "start", "bo") == ["boxy"]
    assert words(sampan, "nonsense", "x") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_accepted_by_their_shells(sampan, shell):
    script = sampan.good("completion", shell).text
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    check = {"bash": ["bash", "-n"], "zsh": ["zsh", "-n"], "fish": ["fish", "-n"]}[shell]
    done = subprocess.run([*check, "/dev/stdin"], input=script, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_real_bash_completes(sampan, tmp_path):
    script = tmp_path / "completion"
    script.write_text(sampan.good("completion", "bash").text)
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/sampan"
    command.write_text("#!/bin/sh\nexec " + " ".join(sampan.command()) + ' "$@"\n')
    command.chmod(0o755)
    program = f"source {script}; COMP_WORDS=(sampan run --netw); COMP_CWORD=2; compopt() {{ :; }}; _sampan; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    environment = {**sampan.environment(), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, env=environment)
    assert done.stdout == "--network\n", done.stderr
