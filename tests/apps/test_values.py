"""Values: everything wrong at once, defaults that give way, what inputs ask of each other."""

from __future__ import annotations

import pytest

from sampan.apps.bind import bind, from_texts
from sampan.apps.launch import prepare
from sampan.apps.render import input_files
from sampan.errors import BadValues
from tests.apps.made import application, line, one

pytestmark = pytest.mark.client


def faults(made, values) -> list[str]:
    with pytest.raises(BadValues) as caught:
        bind(made, values)
    return sorted(str(problem) for problem in caught.value.problems)


def test_everything_wrong_is_said_at_once():
    made = application(
        "rec [S] [F] [N] [I] [X] [L] [C]",
        [one("S"), one("F", "File"), one("N", "Number", minimum=0, maximum=1, exclusive_maximum=True), one("I", "Number", integer=True), one("X", "Flag"),
         one("L", "Number", list=True, max_list_entries=2), one("C", value_choices=["a", "b"]), one("M", optional=True, value_key="")],
    )  # fmt: skip
    values = {"S": 7, "F": "", "N": 1, "I": 1.5, "X": "yes", "L": [1, "x", 3], "C": "c", "Z": 1}
    assert faults(made, values) == [
        'C: must be one of "a", "b", not "c"',
        "F: must not be empty",
        "I: must be a whole number, not 1.5",
        "L: must have at most 2 values, not 3",
        'L[1]: must be a number, not "x"',
        "N: must be less than 1, not 1",
        "S: must be a text, in quotes, not 7",
        'X: must be true or false, not "yes"',
        "Z: there is no such input",
    ]
    assert faults(made, {"S": "a\0b", "N": float("nan"), "I": True, "L": "1", "C": "a", "F": "f"}) == [
        "I: must be a whole number, not true",
        'L: must be a list, not "1"',
        "N: must be a number, not nan",
        "S: holds a character that no program can be given",
    ]


def test_what_inputs_ask_of_each_other():
    made = application(
        "rec [A] [B] [C] [D] [E] [F] [G]",
        [one("A", optional=True, requires_inputs=["B"]), one("B", optional=True), one("C", "Flag", disables_inputs=["B"]),
         one("D", optional=True, value_choices=["x", "y"], value_requires={"x": ["E"], "y": []}, value_disables={"x": [], "y": ["E"]}),
         one("E", optional=True), one("F", optional=True), one("G", optional=True)],
        groups=[
            {"id": "g1", "name": "g", "members": ["A", "C"], "mutually-exclusive": True},
            {"id": "g2", "name": "g", "members": ["E", "F"], "one-is-required": True},
            {"id": "g3", "name": "g", "members": ["F", "G"], "all-or-none": True},
        ],
    )  # fmt: skip
    assert faults(made, {"A": "a", "C": True, "D": "x"}) == [
        "A: needs B, which has no value",
        "D: needs E for the choice x, which has no value",
        "group g1: at most one of A, C can be given, not A and C",
        "group g2: one of E, F must be given",
    ]
    assert faults(made, {"B": "b", "C": True, "D": "y", "E": "e", "F": "f"}) == [
        "C: cannot be given together with B",
        "D: cannot be y together with E",
        "group g3: F cannot be given without G",
    ]
    assert set(bind(made, {"B": "b", "C": False, "E": "e"}).values) == {"B", "C", "E"}


def test_defaults_give_way_to_what_was_asked_for():
    made = application(
        "rec [A] [B] [C]",
        [
            one("A", optional=True, default_value="a"),
            one("B", optional=True, disables_inputs=["A"]),
            one("C", optional=True, default_value="c"),
        ],
    )
    assert bind(made, {}).values == {"A": "a", "C": "c"}
    assert bind(made, {"B": "b", "C": None}).values == {"B": "b", "C": "c"}
    assert faults(made, {"A": "x", "B": "b"}) == ["B: cannot be given together with A"]


def test_a_file_that_looks_like_an_option_does_not():
    assert line({"A": "-rf"}, "rec [A]", [one("A", "File")]) == "rec ./-rf"
    assert line({"A": "-rf"}, "rec [A]") == "rec -rf"


def test_overridden_inputs_are_copied_and_hidden():
    made = application("rec [A] [B]", [one("A"), one("B")], custom={"vip:overriddenInputs": {"B": "A"}, "vip:dot": ["A"]})
    assert made.input("B").hidden
    assert made.vip.dot == ("A",)
    assert bind(made, {"A": "x", "B": "other"}).values == {"A": "x", "B": "x"}


def test_texts_of_a_command_line():
    made = application(
        "rec [N] [F] [L] [C]", [one("N", "Number"), one("F", "Flag"), one("L", list=True), one("C", value_choices=[1, 2])]
    )
    assert from_texts(made.input("N"), ["3"]) == 3
    assert from_texts(made.input("N"), ["1e-3"]) == 0.001
    assert from_texts(made.input("N"), ["x"]) == "x"
    assert from_texts(made.input("F"), ["false"]) is False
    assert from_texts(made.input("L"), ["a", "b"]) == ["a", "b"]
    assert from_texts(made.input("C"), ["2"]) == 2


def test_an_invocation_survives_its_document_and_moves():
    made = application("rec [F] [L] [S]", [one("F", "File"), one("L", "File", list=True), one("S")])
    bound = bind(made, {"F": "/a/x", "L": ["/a/y", "z"], "S": "/a/x"})
    assert bind(made, bound.document()).values == bound.values
    assert bound.moved({"/a/x": "in/x", "z": "in/z"}).values == {"F": "in/x", "L": ("/a/y", "in/z"), "S": "/a/x"}


def test_a_file_in_two_places_is_absolute_only_where_that_is_wanted(tmp_path):
    (tmp_path / "x").write_text("")
    made = application(
        "rec [A] [B] [C]",
        [one("A", "File"), one("B", "File", uses_absolute_path=True), one("C", "File", list=True, uses_absolute_path=True)],
        container_image={"type": "docker", "image": "debian:12", "working-directory": "/in"},
    )
    bound = bind(made, {"A": "x", "B": "x", "C": ["./x", "x"]})
    assert prepare(bound, str(tmp_path), mounts="/cvmfs").command_line == "rec x /in/x /in/x /in/x"
    assert (
        prepare(bound, str(tmp_path), mounts="/cvmfs", container=False).command_line
        == f"rec x {tmp_path}/x {tmp_path}/x {tmp_path}/x"
    )


def test_a_file_that_one_of_its_uses_changes_can_be_changed(tmp_path):
    """Niwrap's `mutable`, on the second input that names the file."""
    made = application(
        "rec [A] [B]",
        [one("A", "File"), one("B", "File", mutable=True)],
        container_image={"type": "docker", "image": "debian:12"},
    )
    (file,) = input_files(bind(made, {"A": "/x", "B": "/x"}))
    assert (file.id, file.mutable, file.neighbours) == ("A", True, False)
