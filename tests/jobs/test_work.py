"""One job on one node: every phase that can fail ends with its code and one sentence, and the job is run once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from sampan.errors import UsageError
from sampan.jobs import directory, phases, work
from sampan.jobs.pulse import Pulse
from sampan.jobs.spec import Input, Limits, Output
from sampan.runtime.session import Session
from tests.jobs.conftest import until


def test_a_job_from_claim_to_status(lab):
    place, found = lab.do(
        "pwd; cat; echo wrong >&2", stdin="in", files={"in": b"standard input\n"}, inputs=(Input("in", "inputs/in"),)
    )
    assert (found.state, found.code, found.exit, found.phase) == ("done", 0, 0, "")
    assert directory.last_lines(place, "stdout") == ["/work", "standard input"]
    assert directory.last_lines(place) == ["wrong"]
    assert [event.get("phase") for event in directory.events_of(place)] == ["prepare", "stage-in", "image", "run", None]
    assert found.claimed <= found.started <= found.ended <= found.finished
    assert found.image["digest"].startswith("sha256:")
    assert sorted(os.listdir(place)) == [
        "claim",
        "events",
        "exit",
        "inputs",
        "job.json",
        "payload",
        "status.json",
        "stderr",
        "stdout",
    ]
    assert os.stat(place).st_mode & 0o777 == 0o700


FAILURES = [
    ("exit 3", {}, phases.ENDED, "run", "the program ended with status 3"),
    ("echo out of luck >&2; exit 1", {}, phases.ENDED, "run", "the program ended with status 1: out of luck"),
    ("kill -SEGV $$; sleep 1", {}, phases.SIGNALLED, "run", "the program was ended by SIGSEGV"),
    ("sleep 9", {"limits": Limits(time=0.3)}, phases.OVER_TIME, "run", "its time limit of 0.3 s"),
    ("x=$(yes | head -c 200000000); sleep 9", {"limits": Limits(memory=60_000_000)}, phases.OVER_MEMORY, "run", "60000000"),
    ("true", {"image": "127.0.0.1:9/none:1"}, phases.NO_IMAGE, "image", "cannot bring the image 127.0.0.1:9/none:1"),
    ("true", {"digest": "sha256:" + "0" * 64}, phases.NO_IMAGE, "image", "cannot bring the image"),
    ("true", {"source": "inputs/none.tar", "image": "127.0.0.1:9/none:1"}, phases.NO_IMAGE, "image", "none.tar, is missing"),
    ("true", {"request": {"volumes": ("/nonexistent:/x",)}}, phases.NOT_STARTED, "run", "/nonexistent"),
    ("true", {"request": {"engine": "none"}}, phases.NOT_STARTED, "run", "there is no engine 'none'"),
]


@pytest.mark.parametrize(("script", "more", "code", "phase", "words"), FAILURES, ids=[one[4] for one in FAILURES])
def test_failures(lab, script, more, code, phase, words):
    place, found = lab.do(script, tries=1, **more)
    assert (found.state, found.code, found.phase) == ("failed", code, phase)
    assert words in found.cause
    assert "\n" not in found.cause
    assert f"error: {found.cause}" in Path(place, "log").read_text()
    assert phases.CODES[code][0] == phase
    assert not os.path.exists(f"{place}/work")


def test_a_program_that_is_not_there(lab):
    _, found = lab.do("nosuchprogram", "x")
    assert (found.code, found.exit) == (phases.NOT_STARTED, 127)
    assert "nosuchprogram" in found.cause


def test_the_program_s_own_124_is_no_time_limit(lab):
    _, found = lab.do("exit 124", limits=Limits(time=20))
    assert (found.code, found.exit) == (phases.ENDED, 124)


def test_a_claim_is_taken_once(lab):
    """Twenty workers at once, three of them as processes."""
    place = lab.make("echo ran >>$OUT", request={"environment": (f"OUT={lab.path}/ran",), "volumes": (f"{lab.path}:{lab.path}",)})
    workers = [lab.worker(place, stderr=subprocess.DEVNULL) for _ in range(3)]
    found = []
    worker = work.Worker(lab.session, Pulse())
    threads = [threading.Thread(target=lambda: found.append(worker.do(place).code)) for _ in range(17)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = found + [one.wait(60) for one in workers]
    assert sorted(codes) == [0] + [phases.TAKEN] * 19
    assert (lab.path / "ran").read_text() == "ran\n"
    assert directory.status_of(place).state == "done"


def test_exit_codes_of_the_worker(lab):
    places = {
        lab.make(script): code for script, code in (("true", 0), ("exit 9", phases.ENDED), ("no-such-program", phases.ENDED))
    }
    for place, code in places.items():
        assert lab.worker(place, stderr=subprocess.DEVNULL).wait(60) == code
    assert lab.worker(str(lab.path), stderr=subprocess.DEVNULL).wait(60) == phases.BAD_JOB


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_worker_that_is_ended_takes_its_payload_along(lab, number):
    mark = f"4{number}{os.getpid()}"
    place = lab.make(f"echo begun; sleep {mark} & sleep {mark}", outputs=(Output("o", "o"),))
    worker = lab.worker(place)
    until(lambda: directory.last_lines(place, "stdout"))
    worker.send_signal(number)
    assert worker.wait(20) == phases.CANCELLED
    found = directory.status_of(place)
    assert (found.state, found.cause) == ("cancelled", f"the worker was ended by {number.name}")
    until(lambda: mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout)


def test_a_killed_worker_leaves_nothing_and_the_job_is_lost(lab):
    mark = f"59{os.getpid()}"
    place = lab.make(f"echo begun; sleep {mark} & sleep {mark}")
    worker = lab.worker(place)
    until(lambda: directory.last_lines(place, "stdout"))
    assert directory.state_of(place).word == "running"
    worker.kill()
    worker.wait(20)
    until(lambda: mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout)
    assert directory.state_of(place).word == "lost"
    assert phases.may_pass(directory.state_of(place).code)
    assert work.work(place, lab.session).code == phases.TAKEN


def test_cancel_by_the_file(lab):
    place = lab.make("sleep 60")
    worker = lab.worker(place)
    until(lambda: directory.phase_now(place) == "run")
    directory.request_cancel(place)
    assert worker.wait(20) == phases.CANCELLED
    assert directory.status_of(place).cause == "it was cancelled"
    early = lab.make("echo ran")
    directory.request_cancel(early)
    assert work.work(early, lab.session).cause == "it was cancelled before it began"
    assert not os.path.exists(f"{early}/stdout")


def test_it_beats(lab):
    place = lab.make("sleep 1.6", heartbeat=0.4)
    worker = lab.worker(place)
    until(lambda: os.path.exists(f"{place}/heartbeat"))
    beat = until(lambda: json.loads(Path(place, "heartbeat").read_text() or "{}"))
    assert beat["phase"] == "run"
    assert beat["processes"] >= 1
    assert worker.wait(20) == 0


def test_a_claim_of_another_node_counts_while_it_beats(lab):
    place = lab.make("true")
    claim = {"format": 1, "node": "elsewhere", "boot": "b", "pid": 1, "start": 1, "heartbeat": 0.2}
    Path(place, "claim").write_text(json.dumps(claim))
    assert directory.state_of(place).word == "running"
    old = os.stat(f"{place}/claim").st_mtime - 60
    os.utime(f"{place}/claim", (old, old))
    assert directory.state_of(place).word == "lost"
    Path(place, "heartbeat").write_text("{}")
    assert directory.state_of(place).word == "running"


def test_a_second_attempt_is_a_directory_of_its_own(lab):
    place, _ = lab.do("cat in; exit 5", files={"in": b"x" * 10}, inputs=(Input("in", "inputs/in"),))
    new = f"{place}.2"
    directory.again(place, new)
    assert directory.state_of(new).word == "created"
    assert os.stat(f"{new}/inputs/in").st_ino == os.stat(f"{place}/inputs/in").st_ino
    assert work.work(new, lab.session).exit == 5
    assert directory.status_of(place).exit == 5
    with pytest.raises(UsageError, match="is there already"):
        directory.again(place, new)


@pytest.mark.parametrize(
    "status", ["", "{", "[]", '{"format": 2}', '{"format": 1, "state": "done"}', '{"format": 1, "state": "x", "code": 0}']
)
def test_a_damaged_status_is_a_lost_job(lab, status):
    place = lab.make("true")
    Path(place, "status.json").write_text(status)
    assert directory.state_of(place).word == "lost"


def test_an_attempt_to_close_a_job_does_not_replace_its_status(lab):
    place, found = lab.do("true")
    work.close(place, work.Status("lost", phases.DEFECT))
    assert directory.status_of(place) == found
    never = lab.make("true")
    work.close(never, work.Status("lost", phases.DEFECT, cause="gone"))
    assert directory.state_of(never).word == "lost"
    assert work.work(never, lab.session).code == phases.TAKEN


def test_it_runs_where_there_are_no_namespaces(lab):
    """By the other engine: no processes of its own, so what the payload leaves behind is ended."""
    mark = f"67{os.getpid()}"
    place, found = lab.do(
        f"cat in >out; (sleep {mark} &) ; true", request={"engine": "intercept"}, files={"in": b"x"}, inputs=(Input("in", "inputs/in"),),
        outputs=(Output("out", "out"),),
    )  # fmt: skip
    assert found.state == "done", (found, Path(place, "log").read_text() if os.path.exists(f"{place}/log") else "")
    assert Path(place, "outputs/out").read_text() == "x"
    until(lambda: mark not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout)


def test_the_image_of_a_digest_is_run_whatever_the_tag_says(lab):
    _, found = lab.do("true")
    _, again = lab.do("true", digest=found.image["digest"])
    assert (again.state, again.image["digest"]) == ("done", found.image["digest"])


def test_a_status_is_written_where_the_disk_is_full(lab, tmp_path):
    """The job's own directory lies on a file system that the payload fills."""
    small = tmp_path / "small"
    small.mkdir()
    place = f"{small}/job"
    code = (
        "import os, sys; from sampan import settings; from sampan.runtime.session import Session\n"
        "from sampan.container.request import Request; from sampan.jobs import directory, work; from sampan.jobs.spec import *\n"
        "directory.create(sys.argv[1], Job(Request(sys.argv[2], command=('sh', '-c', 'yes >fill; echo never'))))\n"
        "found = work.work(sys.argv[1], Session(settings.load(os.environ)))\n"
        "print(directory.status_of(sys.argv[1]))\n"
    )
    script = f'mount -t tmpfs -o size=1m none {small} && "$@"'
    words = ["unshare", "-Urm", "sh", "-c", script, "sh", os.path.realpath("/proc/self/exe"), "-c", code, place, lab.image]
    done = subprocess.run(
        words, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(__import__("sys").path)}
    )
    if "permission denied" in done.stderr.lower() or "Operation not permitted" in done.stderr:
        pytest.skip(f"no mount in a namespace here: {done.stderr}")
    assert "state='failed'" in done.stdout or "state='done'" in done.stdout, (done.stdout, done.stderr)
    assert "finished='20" in done.stdout


def test_sessions_tell_whom_they_are_told_to(lab):
    other = lab.session.telling(lab.session.notice)
    assert isinstance(other, Session)
    assert other.store is lab.session.store
