"""A Slurm that answers late, refuses, loses answers and jobs: doubles on PATH in the place of its programs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.batch import Submission, open_backend, slurm, slurm_calls
from sampan.errors import HostError, ProgramMissing, Unreachable
from sampan.jobs import directory, phases
from sampan.jobs.status import Status
from tests.jobs.conftest import until


class Double:
    """Programs in a folder in front of PATH; each is a shell script that may keep files in `state`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(parents=True)
        for name in ("sbatch", "squeue", "scancel", "scontrol", "sacct", "sinfo"):
            self.says(name, "")

    def says(self, name: str, text: str, status: int = 0, error: str = "") -> None:
        (self.state / f"{name}.out").write_text(text)
        (self.state / f"{name}.err").write_text(error)
        self.does(name, f"cat {self.state}/{name}.out; cat {self.state}/{name}.err >&2; exit {status}")

    def does(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "$@" >>{self.state}/{name}.calls\n{script}\n')
        path.chmod(0o755)

    def calls(self, name: str) -> list[str]:
        path = self.state / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def double(tmp_path, monkeypatch):
    found = Double(tmp_path / "double")
    monkeypatch.setenv("PATH", f"{found.folder}:/usr/bin:/bin")
    monkeypatch.setattr(slurm, "PAUSE", 0.05)
    monkeypatch.setattr(slurm_calls, "SUBMIT_SECONDS", 1.0)
    monkeypatch.setattr(slurm_calls, "QUERY_SECONDS", 1.0)
    return found


@pytest.fixture
def backend(lab, double):
    return open_backend("slurm", lab.session, grace=0.2)


def test_an_answer_that_got_lost_is_found_in_the_queue(lab, double, backend):
    """Sbatch has submitted, and then hangs: it is not asked a second time."""
    double.does("sbatch", f'echo "$1" >{double.state}/mark; sleep 30')
    double.does(
        "squeue",
        f'mark=$(cut -d= -f2 {double.state}/mark); echo "41|0-1|PENDING|other|Priority"; echo "42|0-1|PENDING|$mark|Priority"',
    )
    ids = backend.submit([lab.make("true"), lab.make("true")])
    assert ids == ["42_0", "42_1"]
    assert len(double.calls("sbatch")) == 1


def test_a_busy_controller_is_asked_again(lab, double, backend):
    count = double.state / "count"
    double.does(
        "sbatch",
        f'echo x >>{count}; [ $(wc -l <{count}) -ge 3 ] && echo 7 && exit; echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2; exit 1',
    )
    assert backend.submit([lab.make("true")]) == ["7"]
    assert len(double.calls("sbatch")) == 3


def test_one_that_never_answers(lab, double, backend):
    double.says(
        "sbatch", "", 1, "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)\n"
    )
    place = lab.make("true")
    with pytest.raises(Unreachable, match="sbatch cannot reach Slurm: Batch job submission failed: Unable to contact") as raised:
        backend.submit([place])
    assert raised.value.hint
    assert len(double.calls("sbatch")) == slurm.TRIES
    assert directory.submitted(place) is None


def test_one_that_refuses_says_why(lab, double, backend):
    double.says(
        "sbatch",
        "",
        1,
        "sbatch: error: QOSMaxSubmitJobPerUserLimit\nsbatch: error: Batch job submission failed: Job violates accounting/QOS policy\n",
    )
    with pytest.raises(HostError, match="sbatch refuses: QOSMaxSubmitJobPerUserLimit; Batch job submission failed: Job violates"):
        backend.submit([lab.make("true")])
    assert len(double.calls("sbatch")) == 1


def test_a_site_with_small_arrays(lab, double, backend, monkeypatch):
    monkeypatch.setattr(slurm, "ARRAY", 8)
    double.does(
        "sbatch",
        f'for word; do case $word in --array=0-7) echo "sbatch: error: Batch job submission failed: Invalid job array specification" >&2; exit 1;; esac; done; echo x >>{double.state}/n; wc -l <{double.state}/n',
    )
    double.says("scontrol", "MaxArraySize            = 3\n")
    ids = backend.submit([lab.make("true") for _ in range(8)])
    assert ids == ["1_0", "1_1", "1_2", "2_0", "2_1", "2_2", "3_0", "3_1"]


def test_a_refusal_in_the_middle(lab, double, backend, monkeypatch):
    monkeypatch.setattr(slurm, "ARRAY", 2)
    double.does(
        "sbatch", f'[ -e {double.state}/one ] && echo "sbatch: error: too many" >&2 && exit 1; touch {double.state}/one; echo 5'
    )
    places = [lab.make("true") for _ in range(4)]
    with pytest.raises(HostError, match="only 2 of 4 jobs were submitted: sbatch refuses: too many"):
        backend.submit(places)
    assert [directory.submitted(place) for place in places] == [("slurm", "5_0"), ("slurm", "5_1"), None, None]


def test_nonsense_for_a_number(lab, double, backend):
    double.says("sbatch", "welcome to the cluster\n")
    with pytest.raises(HostError, match="sbatch answers 'welcome"):
        backend.submit([lab.make("true")])
    double.says("sbatch", "a notice\n77;cluster\n")
    assert backend.submit([lab.make("true")]) == ["77"]


def test_no_slurm_at_all(lab, backend, double, monkeypatch):
    monkeypatch.setenv("PATH", str(lab.path))
    with pytest.raises(ProgramMissing, match="no sbatch on PATH"):
        backend.submit([lab.make("true")])


def submitted(lab, backend, double, count: int = 1) -> dict[str, str]:
    double.says("sbatch", "9\n")
    places = [lab.make("true") for _ in range(count)]
    return dict(zip(backend.submit(places), places))


def test_a_queue_that_does_not_answer_makes_nothing_lost(lab, double, backend):
    jobs = submitted(lab, backend, double, 2)
    done = jobs["9_0"]
    directory.write_new(f"{done}/status.json", json.dumps(Status("done", 0).document()).encode())
    for script in ("sleep 20", "echo garbage", 'echo "slurm_load_jobs error: Unable to contact slurm controller" >&2; exit 1'):
        double.does("squeue", script)
        states = backend.poll(jobs)
        assert states["9_0"].word == "done"
        assert states["9_1"].word in ("unknown", "queued"), (script, states)
    assert directory.status_of(jobs["9_1"]) is None


def test_a_lost_job_gets_a_while_for_its_file(lab, double, backend):
    jobs = submitted(lab, backend, double)
    assert backend.poll(jobs)["9"].word == "queued"
    assert "awaited" in backend.poll(jobs)["9"].cause
    state = until(lambda: (found := backend.poll(jobs)["9"]).has_ended and found, 5)
    assert (state.word, "Slurm does not know it any more" in state.cause) == ("lost", True)
    assert phases.may_pass(None)
    assert directory.claim_of(jobs["9"]) is not None  # nobody runs it later


@pytest.mark.parametrize(
    ("state", "word", "code"),
    [
        ("TIMEOUT", "failed", phases.OVER_TIME), ("OUT_OF_MEMORY", "failed", phases.OVER_MEMORY), ("CANCELLED", "cancelled", phases.CANCELLED),
        ("NODE_FAIL", "lost", phases.DEFECT), ("PREEMPTED", "lost", phases.DEFECT), ("FAILED", "lost", phases.DEFECT),
    ],
)  # fmt: skip
def test_what_slurm_knows_becomes_the_status(lab, double, backend, state, word, code):
    jobs = submitted(lab, backend, double)
    double.says("squeue", f"9|N/A|{state}|sampan:x|None\n")
    found = until(lambda: (now := backend.poll(jobs)["9"]).has_ended and now, 5)
    assert (found.word, found.code) == (word, code)
    assert directory.status_of(jobs["9"]).code == code


def test_accounting_is_asked_where_it_is_on(lab, double, backend):
    jobs = submitted(lab, backend, double, 3)
    double.says("scontrol", "AccountingStorageType   = accounting_storage/slurmdbd\n")
    double.says("sacct", "9_0|CANCELLED by 1000|0:15\n9_1|FAILED|41:0\n9_2|NODE_FAIL|1:0\n")
    until(lambda: all(state.has_ended for state in backend.poll(jobs).values()), 5)
    states = backend.poll(jobs)
    assert [states[id].word for id in jobs] == ["cancelled", "failed", "lost"]
    assert (states["9_1"].code, states["9_1"].phase) == (phases.INPUT_DIFFERS, "stage-in")
    assert all(" -j 9 " in call for call in double.calls("sacct"))


def test_cancel_says_when_slurm_could_not_be_told(lab, double, backend):
    jobs = submitted(lab, backend, double, 3)
    double.says("scancel", "", 1, "scancel: error: Unable to contact slurm controller (connect failure)\n")
    with pytest.raises(Unreachable, match="marked as cancelled, but Slurm could not be told"):
        backend.cancel(jobs)
    assert {state.word for state in backend.poll(jobs).values()} == {"cancelled"}
    double.says("scancel", "", 1, "scancel: error: Kill job error on job id 9: Invalid job id specified\n")
    backend.cancel(submitted(lab, backend, double, 3))
    assert double.calls("scancel")[-1] == "9_[0-2]"


def test_the_environment_of_a_query(lab, double, backend):
    """Lists of tasks are never cut, and messages are in one language."""
    double.does("squeue", f"env >{double.state}/env")
    backend.poll({"1": str(lab.path)})
    seen = (double.state / "env").read_text().splitlines()
    assert "SLURM_BITSTR_LEN=0" in seen
    assert "LC_ALL=C" in seen


def test_submission_options(lab, double):
    backend = open_backend("slurm", lab.session, options=("--partition=gpu",))
    double.says("sbatch", "3\n")
    backend.submit([lab.make("true")], Submission(options=("--qos=high",), at_once=5))
    call = double.calls("sbatch")[-1]
    assert "--partition=gpu" in call
    assert "--qos=high" in call
    assert "--array" not in call
    backend.submit([lab.make("true"), lab.make("true")], Submission(at_once=5))
    assert "--array=0-1%5" in double.calls("sbatch")[-1]


@given(st.sets(st.integers(0, 5000), max_size=60))
def test_numbers_of_tasks_survive_their_short_form(numbers):
    assert set(slurm_calls.expanded(slurm_calls.compressed(numbers))) == numbers


@given(st.text(alphabet="0123456789-,:%[]x ", max_size=40))
def test_no_list_of_tasks_surprises(text):
    assert all(number >= 0 for number in slurm_calls.expanded(text))


@given(st.text(max_size=200))
def test_no_answer_of_the_queue_surprises(text):
    slurm_calls.by_id(text)
    slurm_calls.by_accounting(text)
    slurm_calls.bounds_of(text)
    slurm_calls.array_size(text)


def test_ten_thousand_states_are_read_quickly(lab, double, backend):
    """One squeue; the time is for processors, not for a wall."""
    lines = [f"8|{number}|RUNNING|sampan:x|None" for number in range(500)] + ["8|500-9999%40|PENDING|sampan:x|JobArrayTaskLimit"]
    double.says("squeue", "\n".join(lines))
    jobs = {f"8_{number}": f"{lab.path}/none/{number}" for number in range(10_000)}
    before = os.times()
    states = backend.poll(jobs)
    after = os.times()
    assert len(states) == 10_000
    assert len(double.calls("squeue")) == 1
    assert states["8_9999"].word == "queued"
    assert (after.user + after.system) - (before.user + before.system) <= 0.5
