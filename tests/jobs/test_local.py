"""The back-end `local`: its runner outlives who submits, takes no more than there is, and what it leaves when it is killed is found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sampan import settings
from sampan.batch import Submission, open_backend
from sampan.batch.queue import Entry, Queue, Waiting
from sampan.batch.slots import Capacity, Slots
from sampan.errors import UsageError
from sampan.jobs import directory, phases
from sampan.jobs.spec import Input, Limits, Output
from sampan.runtime.session import Session
from tests.jobs.conftest import Many, until


def runner_of(backend) -> int:
    """The pid of the runner of a queue, by its command line."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if backend._queue.path.encode() in words and int(entry) != os.getpid():
                return int(entry)
    return 0


@pytest.fixture
def submitted(local):
    jobs = {}

    def submit(places, *rest):
        found = dict(zip(local.submit(places, *rest), places))
        jobs.update(found)
        return Many(local, found)

    yield submit
    local.cancel(jobs)


def test_jobs_survive_their_starter(lab, local):
    """Who submits ends at once, and its whole process group is killed."""
    places = [lab.make("sleep 0.7; echo yes") for _ in range(3)]
    code = (
        "import os, sys; from sampan import settings; from sampan.runtime.session import Session; from sampan.batch import open_backend\n"
        "b = open_backend('local', Session(settings.load(os.environ)), directory=sys.argv[1]); print(*b.submit(sys.argv[2:]))"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, local._queue.path, *places], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    ids = starter.communicate(timeout=60)[0].split()
    try:
        os.killpg(starter.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    assert [state.word for state in Many(local, dict(zip(ids, places))).end()] == ["done"] * 3


def test_a_killed_runner_loses_what_ran_and_nothing_else(lab, local, submitted):
    running = [lab.make("echo begun >>$OUT; sleep 6091", request=out(lab), limits=Limits(cpus=os.cpu_count()))]
    waiting = [lab.make("echo ran >>$OUT", request=out(lab)) for _ in range(3)]
    many = submitted([*running, *waiting])
    until((lab.path / "out").exists)
    os.kill(runner_of(local), signal.SIGKILL)
    states = many.end()
    assert [state.word for state in states] == ["lost", "done", "done", "done"]
    assert "its worker was killed" in states[0].cause
    assert (lab.path / "out").read_text().splitlines() == ["begun", "ran", "ran", "ran"]
    until(lambda: "sleep 6091" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout)


def test_a_runner_that_is_asked_to_end_cancels_and_keeps_the_queue(lab, local, submitted):
    many = submitted([lab.make("sleep 60", limits=Limits(cpus=os.cpu_count())), lab.make("echo later")])
    until(lambda: "running" in many.words())
    os.kill(runner_of(local), signal.SIGTERM)
    states = many.end()
    assert [state.word for state in states] == ["cancelled", "done"]
    assert "the runner of local jobs was ended by SIGTERM" in states[0].cause


def test_many_submissions_at_once_have_one_runner(lab, local):
    places = [lab.make("true") for _ in range(8)]
    code = (
        "import os, sys; from sampan import settings; from sampan.runtime.session import Session; from sampan.batch import open_backend\n"
        "b = open_backend('local', Session(settings.load(os.environ)), directory=sys.argv[1]); print(*b.submit(sys.argv[2:]))"
    )
    words = [sys.executable, "-c", code, local._queue.path]
    starters = [subprocess.Popen([*words, place], stdout=subprocess.PIPE, text=True) for place in places]
    ids = [starter.communicate(timeout=60)[0].strip() for starter in starters]
    many = Many(local, dict(zip(ids, places)))
    assert {state.word for state in many.end()} == {"done"}
    claims = [directory.claim_of(place)["pid"] for place in places]
    assert len(set(claims)) <= 2  # one, or a second that came when the first had gone


def test_processors_and_numbers_are_kept(lab, local, submitted):
    many = submitted([lab.make("sleep 0.2") for _ in range(6)], Submission(at_once=1))
    assert {state.word for state in many.end()} == {"done"}
    spans = sorted((directory.status_of(place).claimed, directory.status_of(place).finished) for place in many.jobs.values())
    assert all(spans[at][1] <= spans[at + 1][0] for at in range(5))


def test_each_job_runs_under_the_settings_of_its_own_submission(lab, local, tmp_path):
    """One runner, started by the first, and three submitters who have repositories mounted at different places; what another one says is wrong."""
    jobs = {}
    for name in ("first", "second", "third"):
        (tmp_path / name / "r.example.org").mkdir(parents=True)
        (tmp_path / name / "r.example.org/who").write_text(name)
        own = Session(lab.session.settings.override("cvmfs_mounts", str(tmp_path / name)))
        script = f"cat who >out; [ {name} != first ] || for n in $(seq 200); do [ -e $OUT.go ] && exit; sleep 0.05; done"
        place = lab.make(
            script, inputs=(Input("who", "cvmfs://r.example.org/who"),), outputs=(Output("out", "out"),), request=out(lab),
        )  # fmt: skip
        (id,) = open_backend("local", own, directory=local._queue.path).submit([place])
        jobs[id] = place
    until(lambda: directory.claim_of(next(iter(jobs.values()))))
    broken = lab.make("true")
    wrong = {**lab.session.settings.document(), "parallel": "many"}
    local._queue.add(Entry(local._queue.new_name(), (Waiting.of("x.0", broken, Limits()),), (), 0, wrong))
    refused = until(lambda: directory.status_of(broken))
    assert (refused.code, refused.phase) == (phases.BAD_NODE, "prepare")
    assert "the settings of its submission do not hold here" in refused.cause
    (lab.path / "out.go").touch()
    assert [state.word for state in Many(local, jobs).end()] == ["done"] * 3
    assert [Path(place, "outputs/out").read_text() for place in jobs.values()] == ["first", "second", "third"]
    assert len({directory.claim_of(place)["pid"] for place in (*jobs.values(), broken)}) == 1


def test_options_that_it_has_not(lab, local):
    with pytest.raises(UsageError, match="has no options of its own"):
        local.submit([lab.make("true")], Submission(options=("--partition=x",)))
    with pytest.raises(UsageError, match="no back-end 'none'"):
        open_backend("none", lab.session)
    with pytest.raises(UsageError, match="cannot be opened so"):
        open_backend("local", lab.session, colour="red")


def out(lab) -> dict:
    return {"environment": (f"OUT={lab.path}/out",), "volumes": (f"{lab.path}:{lab.path}",)}


def waiting(number: int, cpus: int = 1, memory: int = 0, gpus: int = 0) -> Waiting:
    return Waiting(str(number), f"/j/{number}", cpus, memory, gpus)


def taken(slots: Slots) -> list[str]:
    found = []
    while True:
        one = slots.next()
        if one is None:
            return found
        found.append(one.job.id)


def test_a_large_job_is_not_overtaken():
    slots = Slots(Capacity(4, 100, []), lambda _: True)
    slots.add(Entry("a", (waiting(1, 3), waiting(2, 2), waiting(3, 1)), (), 0))
    assert taken(slots) == ["1"]  # 3 would fit, and 2 would never start


def test_a_full_submission_lets_others_pass():
    slots = Slots(Capacity(4, 0, []), lambda _: True)
    slots.add(Entry("a", (waiting(1), waiting(2)), (), 1))
    slots.add(Entry("b", (waiting(3),), (), 0))
    assert taken(slots) == ["1", "3"]


def test_memory_and_gpus_come_back():
    slots = Slots(Capacity(4, 100, ["0", "1"]), lambda _: True)
    slots.add(Entry("a", (waiting(1, memory=80, gpus=2), waiting(2, memory=80, gpus=1)), (), 0))
    first = slots.next()
    assert first.gpus == ("0", "1")
    assert slots.next() is None
    assert not slots.ended(first)
    second = slots.next()
    assert second.gpus == ("0",)
    assert slots.ended(second)
    assert slots.is_idle


@pytest.mark.parametrize(("outcome", "expected"), [(None, []), (True, ["1"]), (False, ["1"])])
def test_what_waits_for_others(outcome, expected):
    slots = Slots(Capacity(4, 0, []), lambda _: outcome)
    slots.add(Entry("a", (waiting(1),), ("/j/0",), 0))
    one = slots.next()
    assert ([one.job.id] if one else []) == expected
    assert one is None or one.is_refused is (outcome is False)


def test_a_damaged_queue_is_passed_over(tmp_path):
    queue = Queue(str(tmp_path))
    queue.make()
    (tmp_path / "queue/1.json").write_text("{")
    (tmp_path / "queue/2.json").write_text('{"jobs": [[1]]}')
    queue.add(Entry("3", (waiting(1),), (), 0, settings.load({"HOME": "/h", "SAMPAN_STORES": "/a:/b"}).document()))
    assert settings.of_document(dict(queue.entry("3").settings), "x").texts("stores") == ("/a", "/b")
    assert queue.names() == ["1", "2", "3"]
    assert [queue.entry(name) is not None for name in queue.names()] == [False, False, True]
