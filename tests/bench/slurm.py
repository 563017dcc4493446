"""A batch system: the poll of ten thousand states, and what a launch file adds to `srun`. usage: slurm.py [ROUNDS]

SAMPAN_TEST_SLURM names the directory of a Slurm that tests/peers/slurm.sh has started; without it only the poll is measured. The poll
is measured alone: what one call of the back-end takes of this process's own CPU, with a `squeue` that prints what Slurm would.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[2]))

from sampan import settings
from sampan.batch import open_backend
from sampan.runtime.session import Session
from tests.bench.measure import Work, fresh, rounds, table
from tests.bench.medium import WORK, prepared, sampan
from tests.peers.slurm import Cluster

MANY = 10_000
# What stands behind an id in squeue's answer: state, comment and reason, as batch/slurm_calls.py asks for them.
RUNS, WAITS = "RUNNING|sampan-x|None", "PENDING|sampan-x|Resources"


def answers() -> dict[str, str]:
    """Name -> all that `squeue` prints for ten thousand jobs."""
    arrays = range(1, MANY // 1000 + 1)
    return {
        "all wait, a line an array": "".join(f"{base}|[0-999]|{WAITS}\n" for base in arrays),
        "all wait, a line a job": "".join(f"{base}|{task}|{WAITS}\n" for base in arrays for task in range(1000)),
        "half of them run": "".join(f"{base}|{task}|{RUNS if task % 2 else WAITS}\n" for base in arrays for task in range(1000)),
    }


def poll(count: int) -> None:
    """CPU of this process and calls of `squeue` for one poll."""
    place = fresh(WORK / "slurm")
    calls = place / "calls"
    (place / "squeue").write_text(f'#!/bin/sh\necho >>{calls}\nexec cat "{place}/answer"\n')
    (place / "squeue").chmod(0o755)
    jobs = {f"{base}_{task}": f"{place}/jobs/{base}-{task}" for base in range(1, MANY // 1000 + 1) for task in range(1000)}
    print(f"### One poll of {MANY} jobs\n\n| | own CPU, s | calls of squeue |\n|---|---|---|")
    with mock.patch.dict(os.environ, PATH=f"{place}:{os.environ['PATH']}"):
        backend = open_backend("slurm", Session(settings.load(os.environ)))
        for name, text in answers().items():
            (place / "answer").write_text(text)
            taken = []
            for _ in range(count):
                calls.unlink(missing_ok=True)
                before = resource.getrusage(resource.RUSAGE_SELF)
                states = backend.poll(jobs)
                after = resource.getrusage(resource.RUSAGE_SELF)
                taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
                assert {state.word for state in states.values()} <= {"queued", "running"}
                assert len(states) == MANY
            print(f"| {name} | {min(taken):.3f} | {len(calls.read_text())} |")
    print()


def launch_files(store: Path, reference: str, cluster: Cluster, count: int) -> None:
    """`srun true` with the host's `true`, and with that of an image."""
    file = WORK / "launch-true"
    subprocess.run(sampan(store, "wrap", "--force", "-o", str(file), "--read-only", reference, "true"), check=True)
    conf = {"SLURM_CONF": str(cluster.configuration)}
    works = [
        Work("srun true", ["srun", "-n", "1", "true"], environment=conf),
        Work("srun ./launch-file", ["srun", "-n", "1", str(file)], environment=conf),
    ]
    print(table("A program by srun", rounds(works, count), works[0].name))


def main(count: int = 20) -> None:
    poll(min(count, 5))
    cluster = Cluster.found()
    if cluster is None:
        print("no Slurm: SAMPAN_TEST_SLURM names the directory of one", file=sys.stderr)
        return
    fresh(WORK / "runtime").chmod(0o700)
    with prepared() as (store, reference, _):
        launch_files(store, reference, cluster, count)


if __name__ == "__main__":
    os.umask(0o077)
    main(*map(int, sys.argv[1:]))
