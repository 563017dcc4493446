"""The back-end `slurm` on a real Slurm: what only it can do, and what only it can do wrong."""

from __future__ import annotations

import os
import subprocess

import pytest

from sampan.batch import Submission, open_backend
from sampan.errors import HostError, UsageError
from sampan.jobs import directory, phases
from sampan.jobs.spec import Limits
from tests.jobs.conftest import Many, until


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Programs on PATH that note how they were called, and call the real ones."""
    folder, log = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel", "sacct", "scontrol", "sinfo"):
        real = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True).stdout.strip()
        (folder / name).write_text(f'#!/bin/sh\necho {name} >>{log}\nexec {real} "$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return lambda: log.read_text().split() if log.exists() else []


def running(slurm, submitted: dict[str, str]) -> Many:
    return Many(slurm, submitted)


@pytest.fixture
def submit(slurm):
    jobs = {}

    def submit(places, *rest):
        found = dict(zip(slurm.submit(places, *rest), places))
        jobs.update(found)
        return Many(slurm, found)

    yield submit
    slurm.cancel(jobs)


def test_an_array_is_one_sbatch_and_a_poll_one_squeue(lab, submit, slurm, calls):
    many = submit([lab.make("true") for _ in range(20)], Submission("array"))
    assert calls().count("sbatch") == 1
    assert {id.partition("_")[0] for id in many.jobs} == {next(iter(many.jobs)).partition("_")[0]}
    before = len(calls())
    slurm.poll(many.jobs)
    assert calls()[before:] == ["squeue"]
    assert {state.word for state in many.end()} == {"done"}


def test_jobs_of_different_limits_are_submitted_apart(lab, submit, calls):
    many = submit(
        [lab.make("true"), lab.make("true", limits=Limits(time=60)), lab.make("true"), lab.make("true", limits=Limits(time=60))]
    )
    assert calls().count("sbatch") == 2
    ids = list(many.jobs)
    assert ids[0].partition("_")[0] == ids[2].partition("_")[0] != ids[1].partition("_")[0]
    assert {state.word for state in many.end()} == {"done"}


def test_what_a_job_asks_for_reaches_slurm(lab, submit):
    script = "echo $SLURM_CPUS_PER_TASK $SLURM_MEM_PER_NODE $SLURM_JOB_NAME"
    many = submit(
        [lab.make(script, limits=Limits(time=100, memory=200 << 20, cpus=2))],
        Submission("a name/with $(signs)", options=("--partition=main",)),
    )
    shown = subprocess.run(["scontrol", "show", "job", next(iter(many.jobs))], capture_output=True, text=True).stdout
    assert "TimeLimit=00:04:00" in shown
    assert "Requeue=0" in shown
    assert [state.word for state in many.end()] == ["done"]
    assert directory.last_lines(next(iter(many.jobs.values())), "stdout") == ["2 264 a_name_with___signs_"]


def test_the_kernel_ends_a_payload_that_takes_too_much_memory(lab, submit, cluster):
    if not cluster.has_memory_limits:
        pytest.skip("the nodes of this Slurm do not bound memory: no control groups of version 1 on this machine")
    # Faster than any watching: the control group of the job ends it.
    many = submit(
        [
            lab.make(
                "exec dd if=/dev/zero of=/dev/null bs=900M count=1",
                limits=Limits(memory=100 << 20),
                request={"read_only": True},
            )
        ]
    )
    state = many.end()[0]
    assert (state.word, state.code, state.phase) == ("failed", phases.OVER_MEMORY, "run"), state
    assert "its limit of 104857600 bytes" in state.cause


def test_cancel_by_slurm_s_own_program(lab, submit):
    mark = f"77{os.getpid()}"
    many = submit([lab.make(f"sleep {mark}") for _ in range(3)])
    until(lambda: many.words().count("running") == 3)
    until(lambda: all(directory.phase_now(place) == "run" for place in many.jobs.values()))
    subprocess.run(["scancel", next(iter(many.jobs)).partition("_")[0]], check=True, timeout=20)
    states = many.end()
    assert {state.word for state in states} == {"cancelled"}
    assert "SIGTERM" in states[0].cause
    until(lambda: mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout)


def test_a_controller_that_restarts_while_jobs_run(lab, submit, cluster, slurm):
    many = submit([lab.make("sleep 2; echo whole") for _ in range(4)])
    until(lambda: "running" in many.words())
    cluster.ask("restart")
    states = many.end()
    assert [state.word for state in states] == ["done"] * 4
    assert all(directory.last_lines(place, "stdout") == ["whole"] for place in many.jobs.values())


def test_a_controller_that_is_down(lab, submit, cluster, slurm, monkeypatch):
    """What has ended is known all the same; the rest is unknown until it is back. Nothing is submitted twice."""
    monkeypatch.setattr("sampan.batch.slurm.TRIES", 1)
    monkeypatch.setattr("sampan.batch.slurm_calls.SUBMIT_SECONDS", 1.0)
    monkeypatch.setattr("sampan.batch.slurm_calls.QUERY_SECONDS", 1.0)
    many = submit([lab.make("sleep 1"), lab.make("sleep 4")])
    until(lambda: many.words() == ["running", "running"])
    cluster.ask("down")
    try:
        first = next(iter(many.jobs.values()))
        until(lambda: directory.status_of(first))
        states = list(slurm.poll(many.jobs).values())
        assert [state.word for state in states] == ["done", "unknown"]
        assert "squeue" in states[1].cause
        extra = lab.make("true")
        with pytest.raises(Exception, match="sbatch") as raised:
            slurm.submit([extra])
        assert raised.value.hint
        assert directory.submitted(extra) is None
    finally:
        cluster.ask("up")
    assert [state.word for state in many.end()] == ["done", "done"]


def test_a_killed_worker_is_told_by_slurm(lab, submit):
    many = submit([lab.make("sleep 60")])
    place = next(iter(many.jobs.values()))
    until(lambda: directory.phase_now(place) == "run")
    os.kill(directory.claim_of(place)["pid"], 9)
    state = many.end()[0]
    assert state.word == "lost"
    assert "its worker left no status; Slurm says FAILED" in state.cause
    assert directory.status_of(place).state == "lost"  # written down, for when Slurm has forgotten it


def test_slurm_s_own_words_when_it_refuses(lab, slurm):
    place = lab.make("true")
    with pytest.raises(HostError, match=r"sbatch refuses: .*partition"):
        slurm.submit([place], Submission(options=("--partition=none",)))
    assert directory.submitted(place) is None
    for option, words in (("partition=x", "is not an option of sbatch"), ("--array=1-9", "is set by sampan"), ("-o/x", None)):
        if words:
            with pytest.raises(UsageError, match=words):
                slurm.submit([place], Submission(options=(option,)))


def test_a_node_without_the_worker_s_program(lab, cluster, monkeypatch):
    monkeypatch.setenv("SLURM_CONF", str(cluster.configuration))
    slurm = open_backend("slurm", lab.session, command=("/nonexistent/python3", "x"), grace=1.0)
    place = lab.make("true")
    many = Many(slurm, dict(zip(slurm.submit([place]), [place])))
    state = many.end()[0]
    assert state.word == "lost"
    assert any("/nonexistent/python3" in line for line in directory.last_lines(place, "log"))


def test_what_is_left_of_an_environment(lab, submit, monkeypatch):
    """Only what a worker needs travels; a secret of the shell does not."""
    monkeypatch.setenv("MY_SECRET", "xyzzy")
    many = submit([lab.make("env", request={"environment_host": True})])
    assert [state.word for state in many.end()] == ["done"]
    said = "\n".join(directory.last_lines(next(iter(many.jobs.values())), "stdout", 200))
    assert "xyzzy" not in said
    assert "SLURM_JOB_ID=" in said
