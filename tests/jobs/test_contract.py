"""One suite for every back-end: what is submitted runs once, its state is told, it can be cancelled, and nothing stays."""

from __future__ import annotations

import os
import subprocess

import pytest

from sampan.batch import Submission, open_backend
from sampan.errors import UsageError
from sampan.jobs import directory, phases, work
from sampan.jobs.spec import Input, Limits, Output
from tests.jobs.conftest import until


def processes_with(word: str) -> list[str]:
    """Command lines on this machine with a word in them; the nodes of the test's Slurm are on it too."""
    found = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if word in line and "ps -eo" not in line]


def test_jobs_run_once_and_tell_how_they_ended(lab, submit, tmp_path):
    for name in "abc":
        (tmp_path / name).write_text(name * 3)
    made = [
        lab.make(
            "cat in >out; echo said; echo wrong >&2", inputs=(Input("in", f"file://{tmp_path}/{name}", "in"),), outputs=(Output("out", "out"),)
        )
        for name in "abc"
    ]  # fmt: skip
    failing = lab.make("exit 7")
    many = submit([*made, failing], Submission("some words/of mine"))
    states = many.end()
    assert [state.word for state in states] == ["done", "done", "done", "failed"]
    assert (states[3].code, states[3].phase) == (phases.ENDED, "run")
    assert "status 7" in states[3].cause
    for place, name in zip(made, "abc"):
        with open(f"{place}/outputs/out") as stream:
            assert stream.read() == name * 3
        found = directory.status_of(place)
        assert found.exit == 0
        assert directory.last_lines(place, "stdout") == ["said"]
        assert directory.submitted(place)[0] == many.backend.name
        assert [event["event"] for event in directory.events_of(place)].count("end") == 1
        assert not os.path.exists(f"{place}/work")


def test_a_job_is_submitted_once_and_run_once(lab, backend, submit):
    place = lab.make("echo ran >>$OUT", request={"environment": (f"OUT={lab.path}/ran",), "volumes": (f"{lab.path}:{lab.path}",)})
    many = submit([place])
    with pytest.raises(UsageError, match="was submitted already"):
        backend.submit([place])
    again = work.work(place, lab.session) if many.end() else None
    assert again is not None
    assert again.code == phases.TAKEN
    assert (lab.path / "ran").read_text() == "ran\n"
    assert directory.status_of(place).state == "done"


def test_states_on_the_way(lab, submit):
    places = [lab.make("sleep 1.5"), lab.make("true")]
    many = submit(places)
    seen = {place: set() for place in places}
    while True:
        states = many.backend.poll(many.jobs)
        for id, state in states.items():
            seen[many.jobs[id]].add(state.word)
        if all(state.has_ended for state in states.values()):
            break
    assert seen[places[0]] <= {"queued", "running", "done"}
    assert {"running", "done"} <= seen[places[0]]
    assert "done" in seen[places[1]]


def test_cancel_leaves_nothing(lab, submit, backend):
    """Running ones and waiting ones; a payload that does not listen is killed."""
    mark = f"31{os.getpid()}"
    deaf = lab.make(f"trap '' TERM; sleep {mark}; sleep {mark}", request={"stop_timeout": "1"})
    places = [deaf, *(lab.make(f"sleep {mark}") for _ in range(11))]
    many = submit(places)
    until(lambda: "running" in many.words() and processes_with(f"sleep {mark}"))
    backend.cancel(many.jobs)
    states = many.end(30)
    assert {state.word for state in states} == {"cancelled"}
    until(lambda: not processes_with(f"sleep {mark}"), 15)
    assert all(directory.status_of(place).code == phases.CANCELLED for place in places)


def test_what_waits_for_others(lab, submit):
    first = submit([lab.make("sleep 0.5; echo first >$OUT", request=into(lab, "order"))])
    second = submit([lab.make("cat $OUT", request=into(lab, "order"))], Submission(after=first.jobs))
    assert [state.word for state in second.end()] == ["done"]
    assert directory.last_lines(next(iter(second.jobs.values())), "stdout") == ["first"]
    failing = submit([lab.make("exit 1")])
    never = submit([lab.make("touch $OUT", request=into(lab, "never"))], Submission(after=failing.jobs))
    assert [state.word for state in never.end()] == ["cancelled"]
    assert "did not end well" in directory.status_of(next(iter(never.jobs.values()))).cause
    assert not (lab.path / "never").exists()


def into(lab, name: str) -> dict:
    return {"environment": (f"OUT={lab.path}/{name}",), "volumes": (f"{lab.path}:{lab.path}",)}


def test_limits_of_time_and_number(lab, submit):
    places = [lab.make("sleep 30", limits=Limits(time=0.5)), *(lab.make("sleep 0.3") for _ in range(5))]
    many = submit(places, Submission(at_once=2))
    states = many.end()
    assert states[0].code == phases.OVER_TIME
    assert "time limit of 0.5 s" in states[0].cause
    assert {state.word for state in states[1:]} == {"done"}
    spans = sorted((directory.status_of(place).claimed, directory.status_of(place).finished) for place in places[1:])
    assert all(spans[at + 2][0] >= min(spans[at][1], spans[at + 1][1]) for at in range(3))


def test_more_than_there_is_is_refused_before_anything_starts(lab, backend):
    place = lab.make("true", limits=Limits(cpus=100_000))
    with pytest.raises(Exception, match="100000 processors|refuses") as raised:
        backend.submit([place])
    assert raised.value.hint is None or raised.value.hint
    assert directory.submitted(place) is None
    assert backend.bounds().cpus >= 1


def test_a_directory_that_is_no_job(lab, backend, tmp_path):
    with pytest.raises(UsageError, match=r"is no job: it has no job\.json"):
        backend.submit([str(tmp_path)])


def test_a_job_whose_directory_vanishes(lab, submit):
    place = lab.make("sleep 1")
    many = submit([place])
    while subprocess.run(["rm", "-rf", place], check=False).returncode:
        continue  # the job may make a file while it is being removed
    assert many.end(30)[0].word in ("lost", "cancelled")


def test_names_with_blanks_quotes_and_newlines(lab, submit):
    places = [
        lab.make("true", name=name)
        for name in ("a b", "it's", 'a "quoted"', "$(touch gone)", "new\nline", "ümlaut", "-dash", "a;b|c&")
    ]
    many = submit(places)
    assert {state.word for state in many.end()} == {"done"}


def test_another_process_can_ask(lab, submit, backend):
    """Nothing is kept in the back-end's own memory."""
    many = submit([lab.make("true")])
    many.end()
    words = {"directory": backend._queue.path} if backend.name == "local" else {}
    other = open_backend(backend.name, lab.session, **words)
    assert [state.word for state in other.poll(many.jobs).values()] == ["done"]
    assert directory.submitted(next(iter(many.jobs.values())))[0] == backend.name
