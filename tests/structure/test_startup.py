"""The start-up path of `sampan run`: what it imports, and how many instructions it takes until exec. That of `app launch` above it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps.made import document, one, output

ROOT = Path(__file__).parents[2]
ALLOWED = Path(__file__).with_name("startup.txt")
BUDGET = 60_000_000
BUDGET_OF_AN_APPLICATION = 20_000_000
# The start with exec replaced: all that sampan does, and then what was imported.
START = """
import os, sys
def end(*_):
    if os.environ.get("LIST"):
        print(*sorted(sys.modules), file=sys.stderr)
    os._exit(0)
os.execve = end
from sampan.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def started(sampan, *words: str, prefix: tuple[str, ...] = (), **variables: str) -> str:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", START, *words], capture_output=True, text=True, env={**sampan.environment(), **variables},
        cwd=sampan.directory,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.mark.parametrize("command", ["run", "start"])
def test_only_the_allowed_modules_are_imported(shared_sampan, command):
    words = ["run", shared_sampan.image, "true"]
    shared_sampan.good(*words)  # the probe is remembered from now on
    if command == "start":
        shared_sampan("rm", "-f", "startup")
        shared_sampan.good("create", "--name", "startup", shared_sampan.image, "true")
        shared_sampan.good("start", "startup")
        words = ["start", "startup"]
    bare = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, env=shared_sampan.environment()
    ).stdout.split()
    imported = set(started(shared_sampan, *words, LIST="1").split()) - set(bare)
    allowed = {line for line in ALLOWED.read_text().split("\n") if line and not line.startswith("#")}
    assert sorted(imported - allowed) == []


def test_modules_on_the_path_say_so():
    """Whoever edits one of them should know what it costs."""
    for name in ALLOWED.read_text().split("\n"):
        if name.startswith("sampan."):
            path = ROOT / "src" / name.replace(".", "/")
            path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            assert path.name == "__init__.py" or "start-up path" in path.read_text(), (
                f"{name} does not say that it is on the start-up path"
            )


def instructions(text: str) -> int:
    return int(re.search(r"Collected : (\d+)", text)[1])


def test_a_start_costs_at_most_sixty_million_instructions(shared_sampan):
    """Above a bare interpreter; counted, so that a busy machine does not matter."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    counting = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    shared_sampan.good("run", shared_sampan.image, "true")
    ours = instructions(started(shared_sampan, "run", shared_sampan.image, "true", prefix=counting))
    bare = subprocess.run(
        [*counting, sys.executable, "-I", "-S", "-c", "pass"], capture_output=True, text=True, env=shared_sampan.environment()
    )
    assert ours - instructions(bare.stderr) <= BUDGET


# The whole of a launch, but for the program itself.
LAUNCH = """
import os
from sampan.__main__ import main_and_exit
os.posix_spawn = lambda *_, **__: 1
os.waitpid = lambda *_: (1, 0)
main_and_exit()
"""


def test_a_launch_costs_at_most_twenty_million_instructions_above_a_run(shared_sampan, tmp_path):
    """Of a descriptor in a file that this node has seen before: twelve inputs, an output, a group; until its outputs were found."""
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    numbers = [one(f"N{n}", "Number", optional=True, minimum=0, command_line_flag=f"--n{n}") for n in range(8)]
    flags = [one(f"F{n}", "Flag", optional=True, command_line_flag=f"-f{n}") for n in range(2)]
    keys = " ".join(f"[{each['id']}]" for each in (*numbers, *flags))
    made = document(
        f"cp [FILE] [OUT]; echo [TEXT] {keys}",
        [one("FILE", "File"), one("TEXT"), *numbers, *flags],
        output_files=[output("OUT", "[TEXT].out")],
        groups=[{"id": "g", "name": "g", "members": ["F0", "F1"], "mutually-exclusive": True}],
        container_image={"type": "docker", "image": shared_sampan.image},
    )
    (tmp_path / "application.json").write_text(json.dumps(made))
    (tmp_path / "in.txt").write_text("x")
    (tmp_path / "word.out").write_text("x")
    words = ["app", "launch", "application.json", "--FILE", "in.txt", "--TEXT", "word", "--N3", "4"]
    counting = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    shared_sampan.good(*words, cwd=tmp_path)
    done = subprocess.run(
        [*counting, sys.executable, "-c", LAUNCH, *words],
        capture_output=True,
        text=True,
        env=shared_sampan.environment(),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    run = instructions(started(shared_sampan, "run", shared_sampan.image, "true", prefix=counting))
    assert instructions(done.stderr) - run <= BUDGET_OF_AN_APPLICATION
