"""Many jobs of one launch: a thousand small ones against xargs with a launch file, the runner's memory, listing ten thousand. usage: executions.py [ROUNDS]

The runner of local jobs is no child of the command, so wall times are what compares with xargs; two jobs run at a time in both.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sampan.executions import states
from sampan.executions.directory import DirectoryExecutions
from sampan.executions.iterate import Axis, combine
from sampan.executions.model import Application, Entry, Execution
from tests.bench.measure import Work, fresh, once, rounds, table
from tests.bench.medium import WORK, prepared, sampan
from tests.bench.start import environment

JOBS, MANY = 1000, 10_000
LINGER = 2.0
"""Seconds after which a runner with nothing to do has ended."""


def descriptor(reference: str, command: str) -> str:
    """A descriptor with a number as its only input; its path."""
    path = WORK / "descriptor.json"
    number = {"id": "n", "name": "n", "type": "Number", "value-key": "[N]"}
    image = {"type": "docker", "image": reference}
    path.write_text(
        json.dumps(
            {
                "name": "bench", "tool-version": "1", "description": "d", "schema-version": "0.5", "command-line": command,
                "inputs": [number], "container-image": image,
            }
        )
    )  # fmt: skip
    return str(path)


def small_jobs(store: Path, reference: str, count: int) -> None:
    """`echo N`, a thousand times, two at a time; beside the barest launch file one that makes the container that a job has."""
    file, like = WORK / "launch-echo", WORK / "launch-like-a-job"
    subprocess.run(sampan(store, "wrap", "--force", "-o", str(file), "--read-only", reference, "echo"), check=True)
    job = ["--init", "--isolate", "--ipc", "host", "--uts", "host"]  # a watcher, processes of its own, the bare view
    subprocess.run(sampan(store, "wrap", "--force", "-o", str(like), *job, reference, "/bin/sh", "-c", "echo $0"), check=True)
    words = ["job", "submit", "--at-once", "2", "--over", f"n=1..{JOBS}", descriptor(reference, "echo [N]")]
    works = [
        Work("xargs with a launch file", ["sh", "-c", f"seq {JOBS} | xargs -P 2 -n 1 {file} >{WORK}/out"]),
        Work("xargs with the same container", ["sh", "-c", f"seq {JOBS} | xargs -P 2 -n 1 {like} >{WORK}/out"]),
        Work("sampan job submit --wait", sampan(store, "-q", *words[:2], "--wait", *words[2:]), environment=environment(store)),
    ]
    found = rounds(works, count)
    found["of that, until all are submitted"] = [once(Work("", sampan(store, "-q", *words), environment=environment(store)))]
    subprocess.run(sampan(store, "-q", "job", "wait", "last"), check=True, stdout=subprocess.DEVNULL)
    print(table(f"{JOBS} jobs of one line, two at a time", found, works[1].name, "s"))


def cost_of_a_job(store: Path, reference: str) -> None:
    """What the runner and its payloads take of the processor for each of a thousand jobs, from the process while it lingers."""
    words = ["-q", "job", "submit", "--at-once", "2", "--over", f"n=1..{JOBS}", descriptor(reference, "echo [N]")]
    time.sleep(LINGER)
    id = subprocess.run(sampan(store, *words), check=True, capture_output=True, text=True).stdout.strip()
    ours = theirs = 0.0
    pid = runner(store, id)
    while True:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            break
        ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:15]]
        ours, theirs = ticks[0] + ticks[1], ticks[2] + ticks[3]
        time.sleep(0.05)
    print(f"CPU of a job: {ours / JOBS * 1000:.2f} ms in the runner, {theirs / JOBS * 1000:.2f} ms in its container\n")


def runner(store: Path, id: str) -> int:
    """The pid of the runner, from the first job that it has claimed."""
    claim = Path(f"{store}-executions/{id}/jobs/1/1/claim")
    while not claim.exists() or not claim.read_text():
        time.sleep(0.01)
    return int(json.loads(claim.read_text())["pid"])


def memory_of_the_runner(store: Path, reference: str) -> None:
    """Its largest size while it runs a thousand jobs, from the process that has claimed one."""
    words = ["-q", "job", "submit", "--over", f"n=1..{JOBS}", descriptor(reference, "sleep 0.02; echo [N]")]
    id = subprocess.run(sampan(store, *words), check=True, capture_output=True, text=True).stdout.strip()
    pid = runner(store, id)
    largest = 0
    while Path(f"/proc/{pid}").exists():
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            break
        largest = max([largest, *(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))])
        time.sleep(0.2)
    print(f"the runner's largest size with {JOBS} jobs: {largest / 1000:.0f} MB\n")


def listing(store: Path) -> None:
    """An execution of ten thousand jobs that all ended, as `job list` shows it."""
    executions = DirectoryExecutions(f"{store}-executions")
    application = Application("bench", "1", "sha256:" + "a" * 64)
    many = Execution(
        "29990101-000000-0000", "many", "2026-11-25T05:00:00Z", application, {}, combine([Axis("n", tuple(range(MANY)))])
    )
    executions.add(many, b"{}")
    ended = (
        Entry(job, 1, states.FINISHED, exit=0, node="n1", started=many.created, ended=many.created) for job in range(1, MANY + 1)
    )
    executions.record(many.id, ended)
    work = Work("sampan job list -n 1", sampan(store, "job", "list", "-n", "1"), environment=environment(store))
    print(table(f"An execution of {MANY} jobs", rounds([work], 3), work.name))
    executions.remove(many.id)


def main(count: int = 3) -> None:
    fresh(WORK / "runtime").chmod(0o700)
    with prepared() as (store, reference, _):
        small_jobs(store, reference, count)
        cost_of_a_job(store, reference)
        memory_of_the_runner(store, reference)
        listing(store)
        subprocess.run(["rm", "-rf", f"{store}-executions", f"{store}-batch"], check=False)


if __name__ == "__main__":
    os.umask(0o077)
    main(*map(int, sys.argv[1:]))
