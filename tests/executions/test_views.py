"""What a person and a program see of jobs under way."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sampan.errors import UsageError
from sampan.executions import fetch, retry, states
from sampan.executions.model import Entry, Job
from sampan.terminal import jobs as views

from .test_model import from_lists
from .values import execution

WHOLE = execution(iteration=from_lists(t1=["a.nii", "b.nii", "c\n.nii"]))
FAILED = Entry(
    2, 2, states.FAILED, "run", 52, 137, "it was ended at the memory limit", "ask for more", "n3",
    "2026-11-25T05:00:00.500Z", "2026-11-25T05:02:00.500Z", 1.5, 2_000_000,
)  # fmt: skip
JOBS = (
    Job(1, (Entry(1, 1, states.RUNNING),)),
    Job(2, (Entry(2, 1, states.FAILED), FAILED)),
    Job(3, (Entry(3, 1, states.QUEUED),)),
)


def test_a_failure_says_phase_exit_status_cause_and_last_lines():
    text = views.failures(WHOLE, JOBS, lambda _: ["last words"], {137: "out of memory"}.get)
    assert text.splitlines() == [
        "job 2 (t1=b.nii) failed in phase run, exit status 137: it was ended at the memory limit",
        "  out of memory",
        "  hint: ask for more",
        "  | last words",
    ]


def test_only_the_first_failures_are_told_at_length():
    many = tuple(Job(1, (Entry(1, 1, states.FAILED, cause="x"),)) for _ in range(8))
    assert views.failures(WHOLE, many, lambda _: [], lambda _: "").splitlines()[5:] == ["and 3 more"]


def test_lines_say_failures_at_once_and_the_rest_seldom(capsys, monkeypatch):
    view = views.Lines(WHOLE)
    view.show(JOBS, JOBS)
    monkeypatch.setattr(views.time, "monotonic", lambda: 1e12)
    view.show(JOBS, ())
    view.show(JOBS, ())
    view.show(JOBS[1:2], JOBS[1:2])
    view.close()
    assert capsys.readouterr().err.splitlines() == [
        "sampan: job 2 (t1=b.nii) failed in phase run, exit status 137: it was ended at the memory limit",
        "sampan: 0 of 3 finished, 1 failed, 1 running, 1 queued",
    ]


def test_events_are_one_object_a_line(capfdbinary):
    views.Events(WHOLE).show(JOBS, JOBS[1:])
    events = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["job", "job", "execution"]
    assert (events[0]["job"], events[0]["attempt"], events[0]["cause"]) == (2, 2, "it was ended at the memory limit")
    assert (events[2]["state"], events[2]["counts"]) == ("running", {"failed": 1, "running": 1, "queued": 1})


def test_how_long_an_attempt_took():
    assert views.took(FAILED) == "2 min" or views.took(FAILED) == "120 s"
    assert views.took(Entry(1, 1)) == ""


SCRIPT = """
import sys
from tests.executions.test_views import JOBS, WHOLE, views
board = views.view_for(WHOLE, events=False, quiet=False)
board.show(JOBS, JOBS)
board.close()
sys.stderr.write("after")
"""


def test_a_table_on_a_terminal_that_is_taken_away_again():
    terminal, theirs = pty.openpty()
    root = Path(__file__).parents[2]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "24"}
    done = subprocess.run([sys.executable, "-c", SCRIPT], stderr=theirs, stdout=subprocess.PIPE, cwd=root, env=environment)
    os.close(theirs)
    assert (done.returncode, done.stdout) == (0, b"")
    text = os.read(terminal, 1 << 20).decode()
    os.close(terminal)
    for word in (
        "JOB",
        "▶ running",
        "✗ failed",
        "2 (attempt 2)",
        "it was ended at the memory limit",
        "0 of 3 finished, 1 failed",
    ):
        assert word in text
    assert text.endswith("after")


def test_who_is_tried_again():
    jobs = (*JOBS[1:2], Job(3, (Entry(3, 1, states.CANCELLED),)), Job(1, (Entry(1, 1, states.FINISHED),)))
    assert [job.number for job in retry.chosen(jobs)] == [2]
    assert [job.number for job in retry.chosen(jobs, cancelled=True)] == [2, 3]
    assert [job.number for job in retry.chosen(jobs, [3])] == [3]
    for number in (1, 9):
        with pytest.raises(UsageError):
            retry.chosen(jobs, [number])


def test_the_table_of_results_has_a_line_a_job_whatever_the_names():
    lines = fetch.table(WHOLE, JOBS, []).split("\n")
    assert lines == [
        "job\tstate\texit\tt1\toutputs",
        "1\trunning\t\ta.nii\t",
        "2\tfailed\t137\tb.nii\t",
        "3\tqueued\t\tc\\n.nii\t",
        "",
    ]
    assert [fetch.folder(execution(iteration=from_lists(n=list(range(size)))), 1) for size in (1, 9, 10, 1000)] == [
        "",
        "1",
        "01",
        "0001",
    ]
