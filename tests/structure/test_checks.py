"""The linters are tests: a finding fails the run, with its own words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.mark.parametrize(
    "words",
    [
        ["ruff", "check", "--no-cache", "src", "tests", "scripts", "hatch_build.py"],
        ["ruff", "format", "--no-cache", "--check", "src", "tests", "hatch_build.py"],
        ["mypy", "--cache-dir", "/tmp/sampan-mypy"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_clean(words, tmp_path):
    command = [str(BIN / words[0]), *(str(tmp_path) if w == "/tmp/sampan-mypy" else w for w in words[1:])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
