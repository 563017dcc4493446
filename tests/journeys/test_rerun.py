"""A crate of an execution: what the validator says of it, and repeating it elsewhere with the same digests."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def crate(lab) -> Path:
    """The crate of three jobs, one of which fails, with its inputs in it."""
    lab.texts(1, 2)
    (lab.place / "t3.txt").write_text("a dog\n")
    assert lab("job", "submit", "--over", "text=t*.txt", "--wait", lab.descriptor(), "--word", "cat").status == 1
    done = lab("job", "fetch", "--crate", "--with-inputs", "--license", "https://spdx.org/licenses/CC0-1.0", "last", "crate")
    assert (done.status, "2 of 3 finished, 1 failed" in done.err) == (1, True)
    return lab.place / "crate"


def entities(crate: Path) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]}


def test_the_kept_validator_has_no_objection(crate, rocrate_findings):
    assert rocrate_findings(crate) == []


def test_what_was_done_is_in_it(lab, crate):
    found = entities(crate)
    digest = lab.show("last")["image"]["digest"].partition(":")[2]
    assert found["#image"]["sha256"] == digest
    first, third = found["#job-1"], found["#job-3"]
    assert first["actionStatus"].endswith("/CompletedActionStatus")
    assert first["result"] == {"@id": "1/t1.txt.count"}
    assert (third["actionStatus"], "the program ended with status 1" in third["error"]) == (
        "http://schema.org/FailedActionStatus",
        True,
    )
    assert {one["@id"] for one in third["object"]} == {
        "inputs/3/t3.txt",
        next(id for id in found if id.startswith("#value-word-")),
    }
    assert first["startTime"] <= first["endTime"]
    for name in ("inputs/1/t1.txt", "1/t1.txt.count"):
        assert (crate / name).stat().st_size == int(found[name]["contentSize"])


def test_it_is_repeated_elsewhere_with_the_same_digests(lab, crate):
    """Everything that it was made of is gone but the crate, which lies at another place."""
    for path in lab.place.glob("t*.txt"):
        path.unlink()
    (lab.place / "count.json").unlink()
    lab.good("job", "clean", "last")
    crate.rename(lab.place / "moved")
    done = lab.good("rerun", "moved")
    assert "sampan: 3 jobs: one for each text" in done.err
    assert "nothing differs: 2 results have the digests that the crate states" in done.err
    assert done.text == ""
    assert lab.states("last") == ["finished", "finished", "failed"]
    assert lab.show("last")["origin"] == str(lab.place / "moved")


def test_what_differs_is_said(lab, crate):
    (crate / "inputs/2/t2.txt").write_text("another text\n")
    done = lab("rerun", "--json", "crate")
    assert done.status == 1
    found = json.loads(done.out)
    assert [(one["job"], one["what"], one["now"]) for one in found["differences"]] == [
        (2, "the end", "failed"),
        (2, "t2.txt.count", "not there"),
    ]
    assert "should have sha256:" in lab.attempts("last", 2)[0]["cause"]


def test_a_program_that_makes_something_else_each_time(lab):
    app = lab.program("date +%s%N > [OUT]")
    lab.good("job", "submit", "--over", "n=1..2", "--wait", app)
    lab.good("job", "fetch", "--crate", "last", "crate")
    done = lab("rerun", "crate")
    assert done.status == 1
    assert [line.partition(": sha256:")[0] for line in done.lines] == ["job 1: out.txt", "job 2: out.txt"]


def test_awkward_names_are_repeated_too(lab, rocrate_findings):
    names = ["a b.txt", "-v.txt", "%41.txt", os.fsdecode(b"latin-\xe9.txt"), "ü#?.txt", 'it\'s "so".txt', "new\nline.txt"]
    for number, name in enumerate(names):
        (lab.place / name).write_text("a cat\n" * number + "cat\n")
    (lab.place / "values.json").write_text(json.dumps({"text": names, "word": "cat"}))
    lab.good("job", "submit", "--wait", lab.descriptor(), "values.json")
    lab.good("job", "fetch", "--crate", "--with-inputs", "last", "crate")
    # The validator itself does not find a file whose name is no UTF-8.
    assert [one for one in rocrate_findings(lab.place / "crate") if "latin-%E9" not in one] == []
    for name in names:
        (lab.place / name).unlink()
    assert "nothing differs: 7 results" in lab.good("rerun", "crate").err


def change(crate: Path, id: str, **fields) -> None:
    path = crate / "ro-crate-metadata.json"
    found = json.loads(path.read_text())
    for entity in found["@graph"]:
        if entity["@id"] == id:
            entity.update({("@" + name.lstrip("_") if name.startswith("_") else name): value for name, value in fields.items()})
    path.write_text(json.dumps(found))


def test_what_is_no_crate_or_not_whole_is_refused_and_nothing_starts(lab, crate):
    before = lab.good("job", "list", "--ids").text

    def refused(place: Path, said: str) -> None:
        done = lab("rerun", str(place))
        assert done.status == 125
        assert said in done.err, done.err

    def copy(name: str) -> Path:
        return Path(shutil.copytree(crate, lab.place / name))

    refused(lab.place / "gone", "is no crate of an execution: cannot read ro-crate-metadata.json")
    (place := copy("a")).joinpath("ro-crate-metadata.json").write_text("{")
    refused(place, "is no JSON")
    (place := copy("b")).joinpath("ro-crate-metadata.json").write_text("[]")
    refused(place, "it has no @graph of entities")
    (place := copy("c")).joinpath("application.json").write_text("{}")
    refused(place, "is not the one that was launched")
    change(place := copy("d"), "inputs/1/t1.txt", _id="../../../etc/passwd")
    refused(place, "names a file outside of it")
    (place := copy("e")).joinpath("execution.json").write_text('{"format": 1}')
    refused(place, "is damaged")
    (place := copy("f")).joinpath("inputs/1/t1.txt").unlink()
    refused(place, "the input text of job 1")
    assert lab.good("job", "list", "--ids").text == before
