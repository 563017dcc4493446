"""The algebra of iteration: how many jobs there are and what each is given."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import UsageError
from sampan.executions.iterate import MOST_JOBS, Axis, Iteration, combine, natural, parse, split

from .values import NAMES, VALUES, axes

pytestmark = pytest.mark.client


def points(iteration: Iteration) -> list[dict]:
    return [iteration.at(index) for index in range(iteration.size)]


@given(axes())
def test_crossed_axes_are_the_product_of_their_values_in_order(given_axes):
    expected = [dict(zip([a.name for a in given_axes], values)) for values in itertools.product(*(a.values for a in given_axes))]
    assert points(combine(given_axes)) == expected


@given(axes(), st.integers(1, 5), st.data())
def test_paired_axes_are_zipped_and_come_first(given_axes, length, data):
    paired = [
        Axis(axis.name, tuple(data.draw(st.lists(VALUES, min_size=length, max_size=length))))
        for axis in data.draw(st.permutations(given_axes))[: data.draw(st.integers(0, 3))]
    ]
    others = [axis for axis in given_axes if axis.name not in {one.name for one in paired}]
    iteration = combine([*others, *paired], [axis.name for axis in paired])
    rows = [dict(zip([a.name for a in paired], values)) for values in zip(*(a.values for a in paired))] or [{}]
    assert points(iteration) == [{**row, **point} for row in rows for point in points(combine(others))]


@given(axes(most=3), axes(most=3))
def test_crossing_is_associative_and_the_empty_iteration_is_its_unit(left, right):
    right = [axis for axis in right if axis.name not in {one.name for one in left}]
    both, first, second = combine([*left, *right]), combine(left), combine(right)
    assert both.size == first.size * second.size
    assert points(both) == [{**a, **b} for a in points(first) for b in points(second)]
    assert points(combine([])) == [{}]


@given(axes())
def test_the_order_of_axes_changes_only_the_order_of_jobs(given_axes):
    def bag(some):
        return sorted(repr(sorted(point.items())) for point in points(combine(some)))

    assert bag(given_axes) == bag(given_axes[::-1])


@given(axes(), st.integers())
def test_there_is_no_job_outside(given_axes, index):
    iteration = combine(given_axes)
    if not 0 <= index < iteration.size:
        with pytest.raises(IndexError):
            iteration.at(index)


def test_the_count_is_said_as_a_person_checks_it():
    t1, mask, level = Axis("t1", tuple("abcd")), Axis("mask", tuple("efgh")), Axis("level", (1, 2))
    assert combine([]).sentence() == "1 job"
    assert combine([t1]).sentence() == "4 jobs: one for each t1"
    assert combine([t1, level]).sentence() == "4 x 2 = 8 jobs: t1, each with each of level"
    assert combine([level, t1, mask], ["t1", "mask"]).sentence() == "4 x 2 = 8 jobs: t1 with mask, each with each of level"


@pytest.mark.parametrize(
    "given_axes, dot, words",
    [
        ([Axis("a", (1, 2)), Axis("b", (1, 2, 3))], ["a", "b"], "but a has 2, b has 3"),
        ([Axis("a", (1,))], ["b"], "input b cannot be paired"),
        ([Axis("a", ())], [], "input a has no value"),
        ([Axis("a", (1,)), Axis("a", (2,))], [], "can vary only once"),
        ([Axis(name, tuple(range(50))) for name in "abc"], [], f"50 x 50 x 50 = 125,000 jobs, more than {MOST_JOBS:,}"),
    ],
)
def test_what_makes_no_sense_is_refused(given_axes, dot, words):
    with pytest.raises(UsageError, match=words):
        combine(given_axes, dot)


def test_a_list_makes_jobs_unless_the_input_takes_lists():
    values = {"a": [1, 2], "b": "x", "many": ["p", "q"], "several": [["p"], ["q", "r"]], "empty": []}
    shared, found, dot = split(values, ["many", "several", "empty"], ["a", "b"])
    assert shared == {"b": "x", "many": ["p", "q"], "empty": []}
    assert found == (Axis("a", (1, 2)), Axis("several", (["p"], ["q", "r"])))
    assert dot == ("a",)


@given(st.dictionaries(NAMES, VALUES))
def test_without_lists_there_is_one_job_with_all_values(values):
    shared, found, _ = split(values, [])
    assert (shared, found) == (values, ())


@pytest.mark.parametrize(
    "text, kind, expected",
    [
        ("a,b", "String", ("a", "b")),
        ("1..4", "Number", (1, 2, 3, 4)),
        ("0..1:0.25", "Number", (0, 0.25, 0.5, 0.75, 1)),
        ("-2..2:2,7", "Number", (-2, 0, 2, 7)),
        ("1e3", "Number", (1000.0,)),
        ("1..4", "String", ("1..4",)),
        ("true,false", "Flag", (True, False)),
    ],
)
def test_values_of_a_text(text, kind, expected):
    assert parse(text, kind, "/") == tuple(type(new)(old) for new, old in zip(parse(text, kind, "/"), expected)) == expected


def test_files_come_from_patterns_lists_and_names(tmp_path: Path):
    for name in ("sub-1/t1.nii", "sub-2/t1.nii", "sub-10/t1.nii", "a,b.txt", "odd[1].txt", "c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "list").write_bytes(b"c.txt\n\nname-\xff\n")
    where = str(tmp_path)
    assert parse("sub-*/t1.nii", "File", where) == ("sub-1/t1.nii", "sub-2/t1.nii", "sub-10/t1.nii")
    assert parse(f"{where}/sub-?/t1.nii", "File", "/") == (f"{where}/sub-1/t1.nii", f"{where}/sub-2/t1.nii")
    assert parse("a,b.txt", "File", where) == ("a,b.txt",)
    assert parse("odd[1].txt", "File", where) == ("odd[1].txt",)
    assert parse("c.txt,other.txt", "File", where) == ("c.txt", "other.txt")
    assert parse("@list", "File", where) == ("c.txt", "name-\udcff")
    assert parse("sub-1", "File", where) == ("sub-1",)


@pytest.mark.parametrize(
    "text, kind, words",
    [
        ("*.nii", "File", "no file matches"),
        ("@gone", "String", "cannot read the list"),
        ("5..1", "Number", "is no range"),
        ("0..9:0", "Number", "is no range"),
        ("0..9999999", "Number", "has 10,000,000 values"),
        ("many", "Number", "is not a number"),
        ("on", "Flag", "true or false"),
    ],
)
def test_bad_texts_are_refused(text, kind, words, tmp_path):
    with pytest.raises(UsageError, match=words):
        parse(text, kind, str(tmp_path))


@given(st.lists(st.text(max_size=8)))
def test_natural_order_is_an_order_of_any_names(names):
    ordered = sorted(names, key=natural)
    assert sorted(ordered, key=natural) == ordered
    assert sorted(ordered) == sorted(names)


def test_numbers_in_names_count_as_numbers():
    assert sorted(["sub-10", "sub-2", "sub-1", "a"], key=natural) == ["a", "sub-1", "sub-2", "sub-10"]
