"""`sampan.pyz`: one file, any Python from 3.9 on, an empty environment."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pyz():
    """Built by the set-up, because pip is needed for it."""
    path = Path(os.environ.get("SAMPAN_TEST_BASE", "build")) / "sampan.pyz"
    if not path.exists():
        pytest.skip(f"{path} was not built (make pyz)")
    return path.absolute()


def interpreters() -> list[str]:
    base = Path(os.environ.get("SAMPAN_TEST_BASE", "/nonexistent"))
    return [sys.executable, *(str(path) for path in sorted(base.glob("venv-client-*/bin/python")))]


@pytest.mark.parametrize("python", interpreters(), ids=lambda path: Path(path).parents[1].name)
def test_pull_and_run_with_nothing_else(pyz, tmp_path, machine_reference, python):
    def run(*words):
        return subprocess.run(
            [python, "-I", "-S", pyz, *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"SAMPAN_HOME": f"{tmp_path}/store", "SAMPAN_RUNTIME_DIR": f"{tmp_path}/run"},
        )

    pulled = run("pull", machine_reference)
    assert pulled.returncode == 0, pulled.stderr
    done = run("run", machine_reference, "sh", "-c", "hello; id -u; exit 3")
    assert (done.returncode, done.stdout.splitlines()[1]) == (3, str(os.getuid())), done.stderr
    assert run("images", "-q").stdout.count("\n") == 1
    assert "Traceback" not in run("pull", "127.0.0.1:9/x").stderr


def test_sixteen_first_starts_at_once(pyz, tmp_path, machine_reference):
    environment = {"SAMPAN_HOME": f"{tmp_path}/store", "SAMPAN_RUNTIME_DIR": f"{tmp_path}/run"}

    def run(number: int):
        words = [sys.executable, pyz, "run", machine_reference, "sh", "-c", f"exit {number}"]
        return subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, env=environment)

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(run, range(16)))
    assert [done.returncode for done in found] == list(range(16)), [done.stderr for done in found]
    assert len(os.listdir(tmp_path / "store/programs")) == 1


def test_a_home_that_cannot_be_written(pyz, tmp_path, shared_sampan):
    """Images of a site's store run from a read-only home."""
    (tmp_path / "home").mkdir(mode=0o500)
    environment = {"HOME": f"{tmp_path}/home", "SAMPAN_RUNTIME_DIR": f"{tmp_path}/run", "SAMPAN_STORES": str(shared_sampan.home)}
    done = subprocess.run(
        [sys.executable, pyz, "run", shared_sampan.image, "hello"], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert (done.returncode, done.stdout[:5]) == (0, "hello"), done.stderr
