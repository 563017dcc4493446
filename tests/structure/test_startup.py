"""The start-up path of `sampan run`: what it imports, and how many instructions it takes until exec."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = Path(__file__).with_name("startup.txt")
BUDGET = 60_000_000
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
