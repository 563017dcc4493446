"""Descriptors: every fault at once with its place, the rules beside the schema, the proof that a form can be filled in."""

from __future__ import annotations

import json

import pytest

from sampan.apps import fillable
from sampan.apps.bind import bind
from sampan.apps.load import read
from sampan.errors import BadDescriptor, UsageError
from tests.apps.made import application, document, one, output

pytestmark = pytest.mark.client


def faults(*words, **more) -> list[str]:
    with pytest.raises(BadDescriptor) as caught:
        application(*words, **more)
    return [str(problem) for problem in caught.value.problems]


def test_everything_wrong_is_said_at_once_with_its_place():
    found = faults(
        "rec [A]",
        [one("A", "Text"), {"id": "b!", "name": "", "type": "Flag", "list": True}, one("C", mininum=1)],
        container_image={"type": "docker"}, groups=[{"id": "g", "name": "g"}], author=7, output_files=[{"id": "o", "name": "o"}],
    )  # fmt: skip
    assert 'inputs[0] (A).type: must be one of "String", "File", "Flag", "Number", not "Text"' in found
    assert any(text.startswith("inputs[1] (b!).id: may hold letters, digits") for text in found)
    assert "inputs[1] (b!).name: must not be empty" in found
    assert "inputs[1] (b!).list: must be false, not true" in found
    assert 'inputs[2] (C): has an unknown key "mininum"; did you mean minimum?' in found
    assert "container-image: image is missing" in found
    assert "groups[0] (g): members is missing" in found
    assert "author: must be a text, not 7" in found
    assert "output-files[0] (o): must have one of path-template and conditional-path-template" in found


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"{", "is not the JSON it should be"),
        (b'{"name": "a",\n "inputs": [}', "line 2 column 13"),
        (b"[]", "it is not a JSON object"),
        (b'{"name": "a", "name": "b"}', "the key 'name' stands twice"),
        (b'{"name": NaN}', "NaN is not a number"),
        (b'{"name": "\xff"}', "is not UTF-8: byte 0xff in line 1"),
        (b"[" * 500 + b"]" * 500, "nested"),
    ],
)
def test_what_is_no_json_is_said_with_the_place(data, sentence):
    with pytest.raises(UsageError, match=sentence.replace("(", r"\(")):
        read(data, "x.json")


def test_a_key_that_says_the_same_twice_is_taken():
    """VIP has such descriptors."""
    text = json.dumps(document()).replace('"tool-version": "1"', '"tool-version": "1", "tool-version": "1"')
    assert read(text.encode(), "x").version == "1"


F = "Flag"
RULES = [
    ({"inputs": [one("A"), one("A", description="other")], "command": "rec [A]"}, "inputs[1] (A): has the id of inputs[0] (A)"),
    ({"inputs": [one("A", value_key="[AB]"), one("B", value_key="AB")], "command": "rec [AB]"}, 'inputs[0] (A).value-key: "[AB]" contains "AB", the key of B'),
    ({"inputs": [one("A"), one("B")], "command": "rec [A]"}, 'inputs[1] (B).value-key: "[B]" stands in no command line, path or file template, or variable'),
    ({"inputs": [{**one("A", F), "optional": False}]}, "inputs[0] (A): is a flag and must be optional"),
    ({"inputs": [one("A", "Number", minimum=3, maximum=1)]}, "inputs[0] (A): has a minimum, 3, above its maximum, 1"),
    ({"inputs": [one("A", "Number", default_value="x")]}, 'inputs[0] (A).default-value: must be a number, not "x"'),
    ({"inputs": [one("A", value_choices=["a", "b"], default_value="c")]}, 'inputs[0] (A).default-value: must be one of "a", "b", not "c"'),
    ({"inputs": [one("A", list=True, min_list_entries=3, max_list_entries=2)]}, "inputs[0] (A): asks for at least 3 and at most 2 entries"),
    ({"inputs": [one("A", optional=True, requires_inputs=["B"])]}, "inputs[0] (A): requires B, which is no input or group"),
    ({"inputs": [one("A"), one("B", F, disables_inputs=["A"])], "command": "rec [A] [B]"}, "inputs[1] (B): disables A, which is required"),
    ({"inputs": [one("A"), one("B")], "command": "rec [A] [B]", "groups": [{"id": "g", "name": "g", "members": ["A", "B"], "mutually-exclusive": True}]},
     "groups[0] (g): is mutually exclusive, so its member A cannot be required"),
    ({"groups": [{"id": "g", "name": "g", "members": ["A", "X"]}]}, "groups[0] (g): has the member X, which is no input"),
    ({"command": "rec '[A]"}, "command-line: a single quote is never closed"),
    ({"command": "rec $(x [A]"}, "command-line: a `$(` is never closed"),
    ({"command": "rec $[A]"}, "command-line: A stands in what follows a `$`, where it would be the name of a variable"),
    ({"output_files": [output("o", "[A].x"), output("p", "[A].x")], "command": "rec [A] [o] [p]"}, "output-files[1] (p): has the path template of o"),
    ({"output_files": [output("o", conditional_path_template=[{"A > ": "x"}, {"default": "y"}])], "command": "rec [A] [o]"},
     "output-files[0] (o).conditional-path-template: the condition A >: something is missing at its end"),
    ({"output_files": [output("o", conditional_path_template=[{"A == 'x'": "x"}])], "command": "rec [A] [o]"},
     "output-files[0] (o).conditional-path-template: needs a default, because the output is not optional"),
    ({"container_image": {"type": "docker", "image": "A B"}}, "container-image.image: 'A B' is not a reference"),
    ({"environment_variables": [{"name": "A,B", "value": "x"}]}, "environment-variables[0] (A,B): is not the name of a variable"),
    ({"tests": [{"name": "t", "invocation": {}, "assertions": {"output-files": [{"id": "x"}]}}]}, "tests[0] (t): names the output x, which there is not"),
    ({"custom": {"vip:overriddenInputs": {"A": "Z"}}}, 'custom.vip:overriddenInputs: names the input "Z", which there is not'),
    ({"custom": {"vip:dot": "A"}}, "custom.vip:dot: must be a list"),
]  # fmt: skip


@pytest.mark.parametrize("changes, sentence", RULES, ids=[sentence[:40] for _, sentence in RULES])
def test_rules_beside_the_schema(changes, sentence):
    assert any(text.startswith(sentence) for text in faults(**{"command": "rec [A]", **changes})), faults(**changes)


def test_a_form_that_nobody_can_fill_in_is_found():
    """boutiques/boutiques#644 and its kind: valid by every rule, and still impossible."""
    inputs = [
        one("M", value_choices=["x", "y"], value_disables={"x": ["O"], "y": ["O"]}, value_requires={"x": [], "y": []}), one("O", F), one("P", F),
    ]  # fmt: skip
    groups = [{"id": "g", "name": "g", "members": ["O", "P"], "one-is-required": True}]
    made = application("rec [M] [O] [P]", inputs, groups=groups)
    impossible, dead = fillable.check(made)
    assert impossible == []
    assert [str(problem) for problem in dead] == ["O: can never be given: what is required excludes it, or what it needs does"]
    groups[0]["members"] = ["O"]
    impossible, _ = fillable.check(application("rec [M] [O] [P]", inputs, groups=groups))
    assert [str(problem) for problem in impossible] == ["O: is required, and excluded by what else is required"]


def test_examples_fit():
    inputs = [
        one("N", "Number", minimum=2.5, maximum=2.75), one("I", "Number", integer=True, minimum=0, exclusive_minimum=True), one("F", "File", list=True, min_list_entries=2),
        one("A", F, disables_inputs=["B"]), one("B", F), one("C", optional=True, requires_inputs=["D"]), one("D", optional=True), one("S", value_choices=["u", "v"]),
    ]  # fmt: skip
    made = application("rec [N] [I] [F] [A] [B] [C] [D] [S]", inputs)
    small, large = fillable.example(made), fillable.example(made, complete=True)
    assert bind(made, small).values["N"] == 2.5
    assert set(small) == {"N", "I", "F", "S"}
    assert {"C", "D", "A"} <= set(bind(made, large).values)
    assert "B" not in large


def test_extensions_of_niwrap_are_read_and_checked():
    union = [
        {"id": "atlas", "command-line": "atlas [IN]", "inputs": [{"id": "in", "name": "in", "type": "File", "value-key": "[IN]"}],
         "output-files": [{"id": "seg", "name": "seg", "path-template": "[IN]_seg.nii"}]},
        {"id": "deep", "command-line": "deep [M] [N]", "inputs": [{"id": "m", "name": "m", "type": "String", "value-key": "[M]"},
                                                             {"id": "n", "name": "n", "type": "Number", "value-key": "[N]", "optional": True, "command-line-flag": "-n"}]},
    ]  # fmt: skip
    found = document("tool [ALG]", [{**one("ALG"), "type": union}])
    del found["tool-version"]
    found["schema-version"] = "0.5+styx"
    found["stdout-output"] = {"id": "log", "name": "Log"}
    made = read(json.dumps(found).encode(), "x")
    assert made.version == "unknown"
    assert made.streams[0].id == "log"
    assert [command.id for command in made.inputs[0].commands] == ["atlas", "deep"]
    union[0]["inputs"][0]["type"] = "Wrong"
    with pytest.raises(BadDescriptor, match=r"inputs\[0\] \(ALG\)\.type\[0\]\.inputs\[0\] \(in\)\.type: must be one of"):
        read(json.dumps(found).encode(), "x")
