"""kill -9 at any point of a publish: the old revision stays readable, or the new one is complete; the next publish is right."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.distribute.conftest import Repo
from tests.distribute.test_publish import small
from tests.images.build import file, layer

KILLED = Path(__file__).with_name("killed.py")
POINTS = int(os.environ.get("KILL_POINTS", "15"))


def run(repo: Repo, limit: int, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(KILLED), str(limit), *words], cwd=repo.sampan.directory, env=repo.sampan.environment(), capture_output=True,
        text=True,
    )  # fmt: skip


def test_kills_at_every_rename(repo, faulty, tmp_path):
    layout = small(tmp_path, {"1": b"one", "2": b"two"})
    faulty.add(layout)
    wishes = [f"{faulty.host}/x:{tag}" for tag in "12"]
    assert repo.publish(wishes[0]).status == 0
    # Then: 1 moves, 2 is new, and what 1 led to goes.
    layout.tag("1", layout.image([layer([file("etc/v", b"another"), file("more", b"x" * 3000)])]))
    faulty.add(layout)
    (tmp_path / "wishes.txt").write_text("\n".join(wishes))
    words = ("--quiet", "repo", "publish", "--list", "wishes.txt", "--prune", "--grace", "0")
    whole = Repo(repo.sampan, tmp_path / "whole" / repo.path.name)
    shutil.copytree(repo.path, whole.path)
    done = run(whole, 0, *words, str(whole.path))
    assert done.returncode == 0, done.stderr
    total = int(done.stderr.rpartition("renames ")[2])
    assert total >= POINTS
    ends = []
    points = sorted({1 + at * (total - 1) // (POINTS - 1) for at in range(POINTS)})
    for number, point in enumerate(points):
        here = Repo(repo.sampan, tmp_path / f"k{number}" / repo.path.name)
        shutil.copytree(repo.path, here.path)
        done = run(here, -point if number % 2 else point, *words, str(here.path))
        assert done.returncode == -signal.SIGKILL, (point, done.stderr)
        ends.append(here.revision)
        checked = here("check")
        assert checked.status == 0, (point, checked.text)
        assert here.text(f"/{wishes[0]}/etc/v") == (b"one" if here.revision == 2 else b"another")
        again = here("publish", "--list", "wishes.txt", "--prune", "--grace", "0")
        assert again.status == 0, again.err
        assert here.revision == 3
        assert (here.text(f"/{wishes[0]}/etc/v"), here.text(f"/{wishes[1]}/etc/v")) == (b"another", b"two")
        shutil.rmtree(here.path.parent)
    assert ends[0] == 2
    assert ends[-1] == 3  # the last rename is that of the status files, behind the manifest
