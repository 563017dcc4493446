"""From a descriptor to results: many jobs on this machine, what goes wrong with them, and trying again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.journeys.launches import COUNT


def until(condition, seconds: float = 20.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def test_from_a_descriptor_to_results(lab):
    lab.texts(1, 2, 3)
    done = lab.good("job", "submit", "--over", "text=t*.txt", "--wait", "--name", "cats", lab.descriptor(), "--word", "cat")
    assert "sampan: 3 jobs: one for each text" in done.err
    id, _, sentence = done.text.strip().partition(": ")
    assert sentence == "all 3 finished"
    found = lab.show("cats")
    assert (found["id"], found["state"], found["counts"]) == (id, "finished", {"finished": 3})
    assert found["image"]["digest"].startswith("sha256:")
    assert [job["values"] for job in found["job_list"]] == [{"text": f"t{n}.txt"} for n in (1, 2, 3)]
    assert "cats" in lab.good("job", "list").text
    done = lab.good("job", "fetch", "cats", "results")
    assert done.lines == [f"results/{n}/t{n}.txt.count" for n in (1, 2, 3)]
    assert [(lab.place / line).read_text() for line in done.lines] == ["1\n", "2\n", "3\n"]
    assert (lab.place / "results/jobs.tsv").read_text().splitlines()[1] == "1\tfinished\t0\tt1.txt\t1/t1.txt.count"


def test_a_single_job_has_no_folder_of_its_own(lab):
    lab.texts(2)
    assert lab.good("job", "submit", "--wait", lab.descriptor(), "--word", "cat", "--text", "t1.txt").text.endswith(
        ": finished\n"
    )
    lab.good("job", "fetch", "last", "results")
    assert (lab.place / "results/t1.txt.count").read_text() == "2\n"
    assert lab.good("job", "logs", "last").out == b""


@pytest.mark.parametrize(
    "words, said",
    [
        (["--over", "text=t*.txt", "--over", "word=cat,dog"], "2 x 2 = 4 jobs: text, each with each of word"),
        (["--over", "text=t*.txt", "--over", "word=cat,dog", "--dot", "text,word"], "2 jobs: one for each text with word"),
        ([], "1 job"),
    ],
)
def test_jobs_are_counted_before_anything_starts(lab, words, said):
    lab.texts(1, 2)
    done = lab.good(
        "job", "submit", *words, "--dry-run", lab.descriptor(), *([] if words else ["--text", "t1.txt", "--word", "cat"])
    )
    assert f"sampan: {said}\n" in done.err
    assert done.text == "grep -c cat t1.txt > t1.txt.count\n"
    assert lab.good("job", "list", "--ids").text == ""


@pytest.mark.parametrize(
    "options, inputs, said",
    [
        (["--over", "text=t*.txt", "--over", "word=a,b,c", "--dot", "text,word"], [], "but text has 2, word has 3"),
        (["--over", "text=*.nii"], ["--word", "a"], "no file matches *.nii"),
        (["--over", "txt=t*.txt"], [], "does not name an input of count"),
        ([], ["--text", "t1.txt", "--wrd", "a"], "did you mean --word?"),
        (["--over", "text=t1.txt,gone.txt"], ["--word", "a"], "the input text of job 2 (text=gone.txt) is missing: "),
        (["--over", "text=t*.txt"], [], "word: "),
        ([], ["gone.json"], "gone.json"),
        (["--back-end", "slrm"], [], "did you mean slurm?"),
        (["--memory", "much"], ["--text", "t1.txt", "--word", "a"], "much"),
        (["--memory", "99999g"], ["--text", "t1.txt", "--word", "a"], "a job asks for"),
    ],
)
def test_what_cannot_be_launched_is_said_before_there_is_a_job(lab, options, inputs, said):
    lab.texts(1, 2)
    done = lab("job", "submit", *options, lab.descriptor(), *inputs)
    assert done.status == 125
    assert said in done.err
    assert lab.good("job", "list", "--ids").text == ""


def test_lists_in_an_invocation_make_jobs_as_vip_has_it(lab):
    lab.texts(1, 2)
    (lab.place / "data").mkdir()
    for name in ("s1.nii", "s2.nii", "s10.nii", "notes.txt"):
        (lab.place / "data" / name).write_text(f"{name} cat\n")
    inputs = [
        *COUNT["inputs"],
        {"id": "scan", "name": "scan", "type": "File", "value-key": "[SCAN]", "optional": True},
        {"id": "seed", "name": "seed", "type": "Number", "value-key": "[SEED]", "optional": True},
    ]
    custom = {
        "vip:dot": ["text", "word"],
        "vip:directoryInputs": {"scan": {"patterns": ["*.nii"]}},
        "vip:intIteratorInputs": ["seed"],
    }
    app = lab.descriptor(
        inputs=inputs, custom=custom, command_line="cat [SCAN] [TEXT] | grep -c [WORD] > [LINES]; echo [SEED] >> [LINES]"
    )
    values = {"text": ["t1.txt", "t2.txt"], "word": ["cat", "dog"], "scan": "data", "seed": 2}
    (lab.place / "values.json").write_text(json.dumps(values))
    done = lab.good("job", "submit", "--wait", app, "values.json")
    assert "sampan: 2 x 3 x 2 = 12 jobs: text with word, each with each of scan, each with each of seed\n" in done.err
    found = [job["values"] for job in lab.show("last")["job_list"]]
    assert found[0] == {"text": "t1.txt", "word": "cat", "scan": "data/s1.nii", "seed": 0}
    assert [one["scan"] for one in found[:6:2]] == ["data/s1.nii", "data/s2.nii", "data/s10.nii"]
    assert found[-1] == {"text": "t2.txt", "word": "dog", "scan": "data/s10.nii", "seed": 1}
    lab.good("job", "fetch", "last", "results")
    assert (lab.place / "results/12/t2.txt.count").read_text() == "1\n1\n"


def test_a_failed_job_says_why_and_is_tried_again_in_its_place(lab):
    lab.texts(1, 2)
    (lab.place / "t3.txt").write_text("a dog\n")
    app = lab.descriptor(command_line="grep -c [WORD] [TEXT] > [LINES] || { echo 'looked for it' >&2; exit 1; }")
    done = lab("job", "submit", "--over", "text=t*.txt", "--wait", app, "--word", "cat")
    assert done.status == 1
    assert done.text.endswith(": 2 of 3 finished, 1 failed\n")
    block = done.err[done.err.rindex("job 3 (text=t3.txt)") :]
    assert block.splitlines() == [
        "job 3 (text=t3.txt) failed in phase run, exit status 1: the program ended with status 1: looked for it",
        "  no line holds the word",
        "  | looked for it",
    ]
    before = lab.attempts("last", 1)
    lab.texts(1, 2, 5)
    assert lab.good("job", "retry", "last", "--wait").text.endswith(": all 3 finished\n")
    first, second = lab.attempts("last", 3)
    assert [first["state"], first["exit"], second["state"], second["exit"]] == ["failed", 1, "finished", 0]
    assert first["directory"] != second["directory"]
    assert lab.attempts("last", 1) == before, "a job that finished is not run again"
    assert lab.good("job", "logs", "last", "3", "--attempt", "1").err == "looked for it\n"
    lab.good("job", "fetch", "last", "results")
    assert (lab.place / "results/3/t3.txt.count").read_text() == "5\n"
    assert "no job of" in lab.good("job", "retry", "last").err
    done = lab("job", "retry", "last", "1")
    assert (done.status, "job 1 is finished, so it is not tried again" in done.err) == (125, True)


@pytest.mark.parametrize(
    "command, options, phase, cause",
    [
        ("sleep 60", ["--time", "1s"], "run", "time"),
        ("kill -SEGV $$", [], "run", "SIGSEGV"),
        ("true", [], "stage-out", "out.txt"),
        ("exec /nowhere", [], "run", "127"),
    ],
)
def test_causes_of_failures(lab, command, options, phase, cause):
    app = lab.program(f"{command}; : [OUT]" if phase == "stage-out" else command)
    done = lab("job", "submit", *options, "--wait", app)
    assert done.status == 1
    (attempt,) = lab.attempts("last", 1)
    assert (attempt["state"], attempt["phase"]) == ("failed", phase)
    assert cause in attempt["cause"]
    assert f"job 1 failed in phase {phase}" in done.err


def test_an_input_that_vanishes_is_named_and_may_come_back(lab):
    lab.texts(1)
    block = lab.program("sleep 0.7")
    app = lab.descriptor()
    lab.submit("--over", f"n=1..{2 * os.cpu_count()}", block)
    id = lab.submit(app, "--word", "cat", "--text", "t1.txt")
    (lab.place / "t1.txt").rename(lab.place / "away")
    assert lab("job", "wait", id).status == 1
    (attempt,) = lab.attempts(id, 1)
    assert (attempt["phase"], "t1.txt" in attempt["cause"]) == ("stage-in", True)
    (lab.place / "away").rename(lab.place / "t1.txt")
    lab.good("job", "retry", id, "--wait")


def test_awkward_names_and_values_arrive_as_they_are(lab):
    names = [
        "a b.txt",
        "it's.txt",
        "-v.txt",
        "$(touch x).txt",
        "new\nline.txt",
        os.fsdecode(b"latin-\xe9.txt"),
        "ü;&|.txt",
        "*.txt",
    ]
    for name in names:
        (lab.place / name).write_text("a $(cat) 'dog'\n")
    (lab.place / "values.json").write_text(json.dumps({"text": names, "word": "$(cat) 'dog'"}))
    app = lab.descriptor(command_line="cat [TEXT] > content; grep -cF -e [WORD] content > [LINES]",
                         output_files=[{**COUNT["output-files"][0], "path-template": "lines"}])  # fmt: skip
    lab.good("job", "submit", "--wait", app, "values.json")
    lab.good("job", "fetch", "last", "results")
    assert [(lab.place / f"results/{n}/lines").read_text() for n in range(1, len(names) + 1)] == ["1\n"] * len(names)
    assert not (lab.place / "x").exists()


def test_every_kind_of_input_and_output_reaches_a_job(lab):
    """Lists of files, two files of one name, templates, variables, absolute paths, a directory of its own, stripped names, streams."""
    (lab.place / "a").mkdir()
    (lab.place / "b").mkdir()
    for place, text in (("a/x.txt", "ax"), ("b/x.txt", "bx"), ("b/y.txt", "by")):
        (lab.place / place).write_text(f"{text}\n")
    command = "cat [FLAG] [FILES] > [JOINED]; cat [CONFIGURATION] >> [JOINED]; echo $LEVEL >> [JOINED]; echo [ONE] >> [JOINED]; pwd; mkdir d; touch d/1 d/2"
    app = lab.descriptor(
        name="kinds",
        command_line=command,
        inputs=[
            {"id": "files", "name": "f", "type": "File", "list": True, "value-key": "[FILES]"},
            {"id": "one", "name": "o", "type": "File", "uses-absolute-path": True, "value-key": "[ONE]"},
            {"id": "level", "name": "l", "type": "Number", "value-key": "[LEVEL]"},
            {"id": "flag", "name": "g", "type": "Flag", "command-line-flag": "-u", "value-key": "[FLAG]", "optional": True},
        ],
        output_files=[
            {
                "id": "joined",
                "name": "j",
                "path-template": "[ONE]-joined.txt",
                "path-template-stripped-extensions": [".txt"],
                "value-key": "[JOINED]",
            },
            {"id": "made", "name": "m", "path-template": "d/*", "list": True},
            {
                "id": "configuration",
                "name": "c",
                "path-template": "c.conf",
                "value-key": "[CONFIGURATION]",
                "file-template": ["level=[LEVEL]"],
            },
        ],
        environment_variables=[{"name": "LEVEL", "value": "[LEVEL]"}],
        container_image={"type": "docker", "image": lab.sampan.image, "working-directory": "/there"},
    )
    words = ["--files", "a/x.txt", "--files", "b/x.txt", "--files", "b/y.txt", "--one", "b/y.txt", "--flag"]
    lab.good("job", "submit", "--over", "level=1,2", "--wait", app, *words)
    lab.good("job", "fetch", "last", "results")
    lines = (lab.place / "results/2/y-joined.txt").read_text().splitlines()
    assert lines == ["ax", "bx", "by", "level=22", "/there/y.txt"], "the template has no line end of its own"
    assert sorted(os.listdir(lab.place / "results/1")) == ["c.conf", "d", "y-joined.txt"]
    assert sorted(os.listdir(lab.place / "results/1/d")) == ["1", "2"]
    assert lab.good("job", "logs", "last", "1").text == "/there\n"


def test_a_stream_is_a_result(lab):
    app = lab.descriptor(name="stream", command_line="cat [TEXT]; echo noise >&2", inputs=[COUNT["inputs"][0]], output_files=[],
                         stdout_output={"id": "said", "name": "what it said"})  # fmt: skip
    lab.texts(1)
    lab.good("job", "submit", "--wait", app, "--text", "t1.txt")
    assert lab.good("job", "fetch", "last", "results").lines == ["results/said.txt"]
    assert (lab.place / "results/said.txt").read_text() == "a cat\na dog\n"


def test_an_application_of_the_catalogue_and_one_without_an_image(lab):
    lab.texts(1)
    lab.good("app", "add", lab.descriptor(name="kept"))
    (lab.place / "kept.json").unlink()
    lab.good("job", "submit", "--wait", "kept", "--text", "t1.txt", "--word", "cat")
    lab.good("app", "rm", "kept")
    done = lab("job", "submit", lab.descriptor(name="bare", container_image=[]), "--text", "t1.txt", "--word", "cat")
    assert (done.status, "application bare names no image, and jobs run in containers" in done.err) == (125, True)


def test_ctrl_c_ends_the_waiting_and_not_the_jobs(lab):
    process = lab.sampan.popen(
        "job", "submit", "--wait", str(lab.place / lab.program("sleep 1.5")), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    until(lambda: lab.good("job", "list", "--ids").text != "" and lab.states("last") == ["running"])
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=20)[1].decode()
    assert process.returncode == 130
    assert "the jobs go on; `sampan job wait" in said
    lab.good("job", "wait", "last")


def test_events_for_programs(lab):
    lab.texts(1, 2)
    done = lab.good("job", "submit", "--over", "text=t*.txt", "--wait", "--json", lab.descriptor(), "--word", "cat")
    events = [json.loads(line) for line in done.lines]
    assert {event["event"] for event in events} == {"job", "execution"}
    assert events[-1]["counts"] == {"finished": 2}
    ends = [event for event in events if event["event"] == "job" and event["state"] == "finished"]
    assert sorted((event["job"], event["exit"], event["values"]["text"]) for event in ends) == [
        (1, 0, "t1.txt"),
        (2, 0, "t2.txt"),
    ]


def test_logs_are_followed_until_the_end(lab):
    id = lab.submit(lab.program("echo one; sleep 0.5; echo two; echo three >&2"))
    done = lab.good("job", "logs", "-f", id)
    assert (done.text, done.err) == ("one\ntwo\n", "three\n")
    assert lab.good("job", "logs", "-n", "1", id).text == "two\n"


def test_app_launch_with_options_of_jobs_is_an_execution(lab):
    lab.texts(1, 2)
    done = lab.good("app", "launch", "--over", "text=t*.txt", "--json", lab.descriptor(), "--word", "cat")
    assert json.loads(done.lines[-1])["counts"] == {"finished": 2}
    done = lab("app", "launch", "--over", "text=t*.txt", "--volume", "/tmp", lab.descriptor(), "--word", "cat")
    assert (done.status, "--volume is for a launch on this machine in one process" in done.err) == (125, True)
    assert lab.good("app", "launch", lab.descriptor(), "--word", "cat", "--text", "t1.txt").out == b""
    assert len(lab.good("job", "list", "--ids").lines) == 1, "a plain launch is no execution"
    (lab.place / "values.json").write_text(json.dumps({"text": ["t1.txt", "t2.txt"], "word": "cat"}))
    assert "sampan: 2 jobs: one for each text" in lab.good("app", "launch", lab.descriptor(), "values.json").err


def test_a_running_job_says_where_and_since_when(lab):
    id = lab.submit(lab.program("sleep 2"))
    until(lambda: lab.states(id) == ["running"])
    (attempt,) = lab.attempts(id, 1)
    assert attempt["node"]
    assert attempt["started"]
    lab.good("job", "cancel", id)


def processes_of(place: Path) -> list[str]:
    done = subprocess.run(["pgrep", "-u", str(os.getuid()), "-f", "sleep 98765"], capture_output=True, text=True)
    return done.stdout.split()


def test_cancel_leaves_nothing_and_the_cancelled_can_be_tried_again(lab):
    app = lab.program("test [N] = 1 -a -e /work/x && exit 0; sleep 98765")
    id = lab.submit("--over", "n=1..6", "--at-once", "2", app)
    until(lambda: lab.states(id).count("running") == 2)
    assert lab.good("job", "cancel", id, "6").text == f"{id}: 0 of 6 finished, 2 running, 3 queued, 1 cancelled\n".replace(
        "2 running, 3 queued, 1 cancelled", "1 cancelled, 2 running, 3 queued"
    )
    done = lab("job", "clean", id)
    assert (done.status, "has jobs under way" in done.err) == (125, True)
    assert lab.good("job", "cancel", id).text == f"{id}: 0 of 6 finished, 6 cancelled\n"
    until(lambda: not processes_of(lab.place))
    assert "no job of" in lab.good("job", "retry", id).err
    lab.good("job", "retry", id, "--cancelled", "6")
    until(lambda: lab.states(id)[5] == "running")
    assert [one["state"] for one in lab.attempts(id, 6)] == ["cancelled", "running"]
    assert lab.good("job", "clean", "-f", id).text == f"{id}\n"
    until(lambda: not processes_of(lab.place))
    assert lab.good("job", "list", "--ids").text == ""


def test_a_runner_that_is_killed_loses_what_ran_and_the_rest_goes_on(lab):
    app = lab.program("test [N] -gt 2 || sleep 3; echo [N] > [OUT]")
    id = lab.submit("--over", "n=1..8", "--at-once", "2", app)
    until(lambda: lab.states(id).count("running") == 2)
    claim = json.loads((Path(lab.attempts(id, 1)[0]["directory"]) / "claim").read_text())
    os.kill(int(claim["pid"]), signal.SIGKILL)
    assert lab("job", "wait", id).status == 1
    assert lab.states(id) == ["failed", "failed"] + ["finished"] * 6
    assert all("killed" in lab.attempts(id, job)[0]["cause"] for job in (1, 2))
    assert lab.good("job", "wait", "--retries", "1", id).text == f"{id}: all 8 finished\n"
    assert [len(lab.attempts(id, job)) for job in range(1, 9)] == [2, 2] + [1] * 6


def test_a_launch_that_is_killed_anywhere_is_carried_on_and_runs_each_job_once(lab):
    app = lab.program("echo [N]")
    carried_on = 0
    for delay in (0.2, 0.28, 0.36, 0.44, 0.52, 0.6):
        before = set(lab.good("job", "list", "--ids").lines)
        words = ("job", "submit", "--over", "n=1..60", str(lab.place / app))
        process = lab.sampan.popen(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        process.kill()
        process.wait()
        new = set(lab.good("job", "list", "--ids").lines) - before
        if not new:
            continue  # killed before there was anything
        (id,) = new
        done = lab.good("job", "wait", id)
        carried_on += "an interrupted launch left" in done.err
        assert done.text == f"{id}: all 60 finished\n"
        for job in lab.show(id)["job_list"]:
            assert job["attempt"] == 1
            place = Path(lab.sampan.variables["SAMPAN_EXECUTIONS"]) / id / "jobs" / str(job["job"]) / "1"
            assert (place / "stdout").read_text() == f"{job['job']}\n"
            assert (place / "events").read_text().count('"run"') <= 2


def test_a_fetch_never_replaces_what_differs_and_goes_on_where_it_stopped(lab):
    lab.texts(1, 2)
    lab.good("job", "submit", "--over", "text=t*.txt", "--wait", lab.descriptor(), "--word", "cat")
    lab.good("job", "fetch", "last", "results")
    (lab.place / "results/1/t1.txt.count").write_text("mine\n")
    (lab.place / "results/2/t2.txt.count").unlink()
    done = lab("job", "fetch", "last", "results")
    assert done.status == 125
    assert "cannot fetch 1/t1.txt.count: another file is there already" in done.err
    assert (lab.place / "results/1/t1.txt.count").read_text() == "mine\n"
    lab.good("job", "fetch", "--force", "last", "results")
    assert [(lab.place / f"results/{n}/t{n}.txt.count").read_text() for n in (1, 2)] == ["1\n", "2\n"]
    result = Path(lab.show("last", "2")["results"][0]["place"])
    result.write_text("3\n")
    (lab.place / "results/2/t2.txt.count").unlink()
    done = lab("job", "fetch", "last", "results")
    assert (done.status, "no longer those that the job left" in done.err) == (125, True)
    assert sorted(os.listdir(lab.place / "results/2")) == []


def test_a_full_disk_at_fetch_is_one_sentence_and_leaves_whole_files(lab):
    app = lab.program("head -c 300000 /dev/zero > [OUT]")
    id = lab.good("job", "submit", "--over", "n=1..3", "--wait", app).text.partition(":")[0]
    script = (
        'mkdir small && mount -t tmpfs -o size=700k none small && "$@"; echo $?; ls -s small small/*; rm -rf small/*/out.txt.*'
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *lab.sampan.command(), "job", "fetch", id, "small"],
        capture_output=True, text=True, cwd=lab.place, env=lab.sampan.environment(),
    )  # fmt: skip
    if "unshare" in done.stderr:
        pytest.skip("no user namespaces")
    assert done.stdout.splitlines()[0] == "125", done.stdout + done.stderr
    assert "sampan: cannot fetch 3/out.txt: No space left on device" in done.stderr
    assert "hint: what was fetched is kept" in done.stderr
    assert ".part" not in done.stdout


def test_a_full_disk_at_submit_is_one_sentence_and_room_can_be_made(lab):
    script = """mkdir small && mount -t tmpfs -o size=300k none small || exit 3
    export SAMPAN_EXECUTIONS=$PWD/small/x
    "$@" job submit --over n=1..200 program.json; echo $?
    "$@" job list >/dev/null; echo $?
    "$@" job clean -f last; echo $?
    ls small/x"""
    lab.program("echo [N]")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *lab.sampan.command()],
        capture_output=True, text=True, cwd=lab.place, env=lab.sampan.environment(),
    )  # fmt: skip
    if "unshare" in done.stderr or done.returncode == 3:
        pytest.skip("no user namespaces")
    submitted, listed, id, cleaned, *left = done.stdout.splitlines()
    assert (submitted, listed, cleaned, left) == ("125", "0", "0", []), done.stdout + done.stderr
    said = done.stderr.splitlines()
    assert [line.rpartition(": ")[2] for line in said if line.startswith("sampan: cannot")] == ["No space left on device"]
    assert "Traceback" not in done.stderr
    assert id.startswith("20")


def test_words_that_name_no_execution(lab):
    done = lab("job", "show", "last")
    assert (done.status, done.err.splitlines()) == (
        125,
        ["sampan: there is no execution last", "hint: see `sampan job list`"],
    )
    id = lab.submit(lab.program("true"))
    assert lab("job", "show", id, "2").err.startswith(f"sampan: execution {id} has jobs 1 to 1, not 2\n")
    lab.good("job", "wait", id[:17])
    assert lab.good("job", "clean", "--older", "0").lines == [id]
