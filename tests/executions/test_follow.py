"""What a follower makes of the ledger, of directories and of the answers of a back-end."""

from __future__ import annotations

import json

import pytest

from sampan.errors import HostError
from sampan.executions import follow, states
from sampan.executions.directory import DirectoryExecutions
from sampan.executions.follow import Follower
from sampan.executions.model import Entry
from sampan.jobs.status import State, Status
from sampan.runtime.session import Session
from sampan.settings import load

from .test_model import from_lists
from .values import execution


class Answers:
    """A back-end that answers what a test says."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, str]] = []
        self.cancelled: list[str] = []

    def poll(self, jobs):
        self.asked.append(dict(jobs))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {id: answer[id] for id in jobs}

    def cancel(self, jobs):
        self.cancelled += jobs


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """A follower of two jobs that a back-end has as a.0 and a.1."""
    executions = DirectoryExecutions(str(tmp_path / "executions"))
    whole = execution(iteration=from_lists(n=[1, 2]))
    executions.add(whole, b"{}")
    executions.record(whole.id, [Entry(n, 1, states.QUEUED, handle=f"a.{n - 1}") for n in (1, 2)])
    for job in (1, 2):
        (tmp_path / "executions" / whole.id / "jobs" / str(job) / "1").mkdir(parents=True)
    session = Session(load({"HOME": str(tmp_path)}, "/nonexistent"))
    found = Follower(executions, whole, session)

    def answer(*answers) -> Answers:
        back_end = Answers(*answers)
        monkeypatch.setattr(follow.batch, "open_backend", lambda *_: back_end)
        return back_end

    found.answer = answer
    found.executions = executions
    return found


def test_a_batch_system_that_does_not_answer_leaves_jobs_unknown_and_never_gone(watched):
    watched.answer(HostError("squeue does not answer"), {"a.0": State("running", phase="run"), "a.1": State("unknown")})
    assert [job.state for job in watched.look()] == [states.UNKNOWN, states.UNKNOWN]
    assert [job.state for job in watched.look()] == [states.RUNNING, states.UNKNOWN]
    assert [job.state for job in watched.executions.jobs(watched.execution.id)] == [states.QUEUED, states.QUEUED]


def test_what_ended_is_written_down_once_and_not_asked_for_again(watched):
    back_end = watched.answer(
        {"a.0": State("lost", "the node went down"), "a.1": State("running", phase="stage-in")}, {"a.1": State("queued")}
    )
    first, second = watched.look()
    assert (first.state, first.last.cause, first.last.lost, second.state) == (
        states.FAILED,
        "the node went down",
        True,
        states.STAGING,
    )
    watched.look()
    assert list(back_end.asked[1]) == ["a.1"]


def test_a_status_is_the_truth_even_when_it_comes_late(watched):
    watched.answer({"a.0": State("lost", "gone"), "a.1": State("done")})

    def say(job: int, **fields) -> None:
        status = Status("done", 0, exit=0, **fields)
        with open(f"{watched.executions.place(watched.execution.id, job, 1)}/status.json", "w") as stream:
            json.dump(status.document(), stream)

    say(2, node="n3", claimed="2026-11-25T05:00:00.000Z", finished="2026-11-25T05:00:02.000Z", seconds=1.5, memory=7)
    first, second = watched.look()
    assert (first.state, second.state, second.last.node, second.last.seconds, second.last.memory) == (
        states.FAILED, states.FINISHED, "n3", 1.5, 7,
    )  # fmt: skip
    say(1, node="n1")
    assert [job.state for job in watched.look()] == [states.FINISHED] * 2


def test_cancelling_reaches_what_was_handed_over_and_ends_what_was_not(watched):
    back_end = watched.answer({"a.0": State("running"), "a.1": State("queued")})
    watched.executions.record(watched.execution.id, [Entry(2, 2)])
    jobs = watched.executions.jobs(watched.execution.id)
    assert watched.cancel(jobs) == 2
    assert back_end.cancelled == ["a.0"]
    assert [job.state for job in watched.executions.jobs(watched.execution.id)] == [states.QUEUED, states.CANCELLED]
