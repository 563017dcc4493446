"""Executions on a Slurm of four nodes: the same commands, memory limits, cancelling, refusals, a crate from there."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.journeys.launches import Lab
from tests.journeys.test_executions import until
from tests.peers.guarded import guarded
from tests.peers.slurm import Cluster


@pytest.fixture
def slurm(lab: Lab, cluster: Cluster) -> Lab:
    variables = {**lab.sampan.variables, "SLURM_CONF": str(cluster.configuration)}
    return replace(lab, sampan=replace(lab.sampan, variables=variables))


def queue(cluster: Cluster) -> list[str]:
    done = subprocess.run(["squeue", "-h", "--me", "-o", "%i"], env=cluster.environment(), capture_output=True, text=True)
    return done.stdout.split()


def test_from_a_descriptor_to_results_on_four_nodes(slurm):
    slurm.texts(*range(1, 9))
    words = ("--over", "text=t*.txt", "--back-end", "slurm", "--time", "5m")
    done = slurm.good("app", "launch", *words, slurm.descriptor(), "--word", "cat")
    assert "sampan: 8 jobs: one for each text" in done.err
    assert done.text.endswith(": all 8 finished\n")
    found = slurm.show("last")
    assert found["back_end"] == "slurm"
    assert len({job["node"] for job in found["job_list"]}) > 1
    slurm.good("job", "fetch", "last", "results")
    assert [(slurm.place / f"results/{n}/t{n}.txt.count").read_text() for n in range(1, 9)] == [f"{n}\n" for n in range(1, 9)]


def test_a_crate_made_here_is_repeated_there_with_the_same_digests(slurm):
    slurm.texts(1, 2, 3)
    slurm.good("job", "submit", "--over", "text=t*.txt", "--wait", slurm.descriptor(), "--word", "cat")
    slurm.good("job", "fetch", "--crate", "--with-inputs", "last", "crate")
    done = slurm.good("rerun", "--back-end", "slurm", "crate")
    assert "nothing differs: 3 results have the digests that the crate states" in done.err
    assert slurm.show("last")["back_end"] == "slurm"


def test_a_memory_limit_is_the_cause_and_more_memory_helps(slurm, cluster):
    if not cluster.has_memory_limits:
        pytest.skip("this Slurm cannot bound memory")
    command = "python3 -c 'x = bytearray(300_000_000); print(len(x))' > [OUT]"
    done = slurm("job", "submit", "--back-end", "slurm", "--memory", "60m", "--wait", slurm.program(command))
    assert done.status == 1
    (attempt,) = slurm.attempts("last", 1)
    assert (attempt["phase"], attempt["code"]) == ("run", 52)
    assert "memory" in attempt["cause"]
    assert slurm.good("job", "retry", "last", "--memory", "600m", "--wait").text.endswith(": finished\n")
    assert [one["code"] for one in slurm.attempts("last", 1)] == [52, 0]


def test_the_failed_are_tried_again_in_their_places(slurm):
    slurm.texts(1, 2)
    (slurm.place / "t3.txt").write_text("a dog\n")
    done = slurm("job", "submit", "--over", "text=t*.txt", "--back-end", "slurm", "--wait", slurm.descriptor(), "--word", "cat")
    assert (done.status, done.text.partition(": ")[2]) == (1, "2 of 3 finished, 1 failed\n")
    assert "no line holds the word" in done.err
    slurm.texts(1, 2, 3)
    assert slurm.good("job", "retry", "last", "--wait").text.endswith(": all 3 finished\n")
    assert [len(slurm.attempts("last", job)) for job in (1, 2, 3)] == [1, 1, 2]


@pytest.mark.parametrize("kind", ["file", "env"])
def test_inputs_that_need_settings_on_the_nodes(slurm, tmp_path, kind):
    """A token of a server, and a repository below a directory of the submitter's; of the token nothing is left, in Slurm neither."""
    secret = f"tell-nobody-{kind}"
    (tmp_path / "token").write_text(secret)
    (tmp_path / "repositories/r.example.org").mkdir(parents=True)
    (tmp_path / "repositories/r.example.org/t2.txt").write_text("a cat\n" * 2)
    source = f"file:{tmp_path}/token" if kind == "file" else "env:LAB_TOKEN"
    with guarded(secret) as server:
        server.files["/t1.txt"] = b"a cat\n"
        more = {
            "SAMPAN_CVMFS_MOUNTS": str(tmp_path / "repositories"),
            "SAMPAN_TOKENS": f"{server.host}={source}",
            "LAB_TOKEN": secret,
        }
        words = [
            "--over",
            f"text={server.url}/t1.txt,cvmfs://r.example.org/t2.txt",
            "--back-end",
            "slurm",
            slurm.descriptor(),
            "--word",
            "cat",
        ]
        done = slurm("job", "submit", "--wait", *words, **more)
    assert (done.status, done.text.partition(": ")[2]) == (0, "all 2 finished\n"), done.err
    slurm.good("job", "fetch", "last", "results")
    assert [(slurm.place / f"results/{n}/t{n}.txt.count").read_text() for n in (1, 2)] == ["1\n", "2\n"]
    told = subprocess.run(["scontrol", "show", "job"], env=slurm.sampan.environment(), capture_output=True, text=True).stdout
    assert secret not in told
    found = subprocess.run(["grep", "-rlF", secret, tmp_path], capture_output=True, text=True).stdout.splitlines()
    assert found == [str(tmp_path / "token")]


def test_cancel_leaves_nothing_in_the_queue_or_on_the_nodes(slurm, cluster):
    id = slurm.submit("--over", "n=1..12", "--back-end", "slurm", slurm.program("sleep 87654"))
    until(lambda: slurm.states(id).count("running") >= 4, 30)
    assert slurm.good("job", "cancel", id).text == f"{id}: 0 of 12 finished, 12 cancelled\n"
    until(lambda: not queue(cluster), 30)
    until(lambda: subprocess.run(["pgrep", "-f", "sleep 87654"], capture_output=True).returncode == 1)


def test_a_refusal_of_the_batch_system_is_said_and_carried_on_from(slurm):
    app = slurm.program("echo [N] > [OUT]")
    done = slurm("job", "submit", "--over", "n=1..2", "--back-end", "slurm", "--option=--partition=none", app)
    assert done.status == 125
    assert "partition" in done.err
    assert "goes on from here" in done.err
    (id,) = slurm.good("job", "list", "--ids").lines
    assert slurm.states(id) == ["waiting", "waiting"]
    record = Path(slurm.sampan.variables["SAMPAN_EXECUTIONS"]) / id / "execution.json"
    assert json.loads(record.read_text())["settings"]["words"] == ["--partition=none"]
    assert slurm.good("job", "cancel", id).text == f"{id}: 0 of 2 finished, 2 cancelled\n"
