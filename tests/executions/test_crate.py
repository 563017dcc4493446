"""The document of a crate: what the profile wants, each entity once, nothing that cannot be found."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.executions import states
from sampan.executions.crate import NO_LICENSE, PROFILES, Action, Content, Crate, Image, Parameter, document

from .values import TEXTS, VALUES

DIGEST = "sha256:" + "ab" * 32
TIME = "2026-11-25T05:00:00+00:00"
PARAMETERS = (
    Parameter("file", "the file", "File"),
    Parameter("word", "word", "String", "what is counted", optional=True),
    Parameter("level", "level", "Number", many=True),
    Parameter("lines", "lines", "File", output=True),
)
USED = Content("file:///data/a%20b.txt", "/data/a b.txt", DIGEST, 12)
FINISHED = Action(
    1, "job 1", states.FINISHED, TIME, TIME, "counts", "", "n1", 1.5, 1000, (("word", "cat"), ("level", [1, 2])),
    (("file", USED),), (("lines", Content("jobs/1/lines out", "lines out", DIGEST, 2)),), (Content("jobs/1/stdout", "stdout"),),
)  # fmt: skip
FAILED = replace(FINISHED, number=2, state=states.FAILED, error="the program ended with status 3", made=(), streams=())
WHOLE = Crate(
    "20261125-050000-ab12", "counting", "2 jobs", TIME, "ana", NO_LICENSE, "count", "1.0", "counts", DIGEST, "", "A. Author",
    Image("docker.io", "library/debian", "12", DIGEST), "0.1.0", PARAMETERS, (FINISHED, FAILED),
)  # fmt: skip


def graph(crate: Crate) -> dict[str, dict]:
    found = json.loads(json.dumps(document(crate)))["@graph"]
    by_id = {entity["@id"]: entity for entity in found}
    assert len(by_id) == len(found), "an entity is there twice"
    return by_id


def references(value):
    if isinstance(value, dict):
        if set(value) == {"@id"}:
            yield value["@id"]
        else:
            for key, inner in value.items():
                if key != "@id":
                    yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@given(
    st.lists(st.tuples(st.sampled_from(["word", "level"]), VALUES | st.lists(VALUES))),
    st.lists(TEXTS, max_size=4),
    st.sampled_from([states.FINISHED, states.FAILED, states.CANCELLED]),
)
def test_every_entity_that_is_named_is_there_whatever_the_values(values, names, state):
    made = tuple(("lines", Content(f"jobs/1/{at}-{name}", name, DIGEST, 2)) for at, name in enumerate(names))
    found = graph(replace(WHOLE, actions=(replace(FINISHED, values=tuple(values), made=made, state=state),)))
    outside = {
        "https://w3id.org/ro/crate/1.1",
        "https://boutiques.github.io/",
        "https://w3id.org/ro/terms/workflow-run#DockerImage",
    }
    for entity in found.values():
        assert set(references(entity)) - outside <= set(found)
    json.dumps(found, ensure_ascii=False).encode()


def test_the_profiles_and_what_they_ask_for_are_named():
    found = graph(WHOLE)
    assert {one["@id"] for one in found["./"]["conformsTo"]} == set(PROFILES)
    action = found["#job-1"]
    assert action["instrument"] == {"@id": "application.json"} == found["./"]["mainEntity"]
    assert action["containerImage"] == {"@id": "#image"}
    assert found["#image"]["sha256"] == found["application.json"]["sha256"] == "ab" * 32
    assert found["jobs/1/lines%20out"]["exampleOfWork"] == {"@id": "#output-lines"}
    assert found["#job-2"]["error"] == "the program ended with status 3"


def test_names_that_are_no_utf_8_are_escaped_and_still_found_again():
    made = (("lines", Content("jobs/1/b-\udcff \\", "b-\udcff \\", DIGEST, 2)),)
    found = graph(replace(WHOLE, actions=(replace(FINISHED, made=made),)))
    assert found["jobs/1/b-%FF%20%5C"]["alternateName"] == "b-\\xff \\"


def test_what_jobs_share_is_one_entity():
    assert graph(WHOLE)["#job-1"]["object"] == graph(WHOLE)["#job-2"]["object"]


@pytest.mark.parametrize("license", [NO_LICENSE, "https://spdx.org/licenses/CC-BY-4.0"])
@pytest.mark.parametrize("image", [WHOLE.image, None])
def test_the_kept_validator_has_no_objection(tmp_path, rocrate_findings, license, image):
    crate = replace(WHOLE, license=license, image=image)
    write(tmp_path, document(crate))
    assert rocrate_findings(tmp_path) == []


def test_the_kept_validator_is_awake(tmp_path, rocrate_findings):
    found = document(WHOLE)
    for entity in found["@graph"]:
        if entity["@id"] == "./":
            entity["conformsTo"] = []
        if entity["@id"] == "#job-1":
            entity.pop("instrument")
    write(tmp_path, found)
    findings = rocrate_findings(tmp_path)
    assert any("conformsTo" in one or "permalink" in one for one in findings)
    assert any("instrument" in one for one in findings)


def write(path, found):
    (path / "jobs/1").mkdir(parents=True, exist_ok=True)
    for name in ("application.json", "execution.json", "jobs/1/lines out", "jobs/1/stdout"):
        (path / name).write_text("{}")
    (path / "ro-crate-metadata.json").write_text(json.dumps(found))
