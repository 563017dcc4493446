"""Executions survive being written down; entries merge in any order; states have words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import CorruptRecord, NewerStore
from sampan.executions import states
from sampan.executions.iterate import combine
from sampan.executions.model import (
    Entry,
    Settings,
    document,
    entry_from,
    entry_line,
    from_document,
    jobs_of,
    merge,
)

from .values import NAMES, VALUES, axes, entries, execution

pytestmark = pytest.mark.client
JSON = st.recursive(
    st.none() | VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@given(axes(), st.dictionaries(NAMES, VALUES | st.lists(VALUES)))
def test_an_execution_survives_its_record(given_axes, values):
    whole = execution(iteration=combine(given_axes), values=values, settings=Settings("slurm", ("--qos=x",), 60.0, 10, 2))
    assert from_document(json.loads(json.dumps(document(whole))), "here") == whole


@given(JSON)
def test_a_record_is_read_or_refused(found):
    with pytest.raises((CorruptRecord, NewerStore)):
        from_document(found, "here")


@given(st.data())
def test_a_damaged_record_is_refused_or_still_whole(data):
    found = json.loads(json.dumps(document(execution())))
    name = data.draw(st.sampled_from(sorted(found)))
    found[name] = data.draw(JSON)
    try:
        from_document(found, "here")
    except (CorruptRecord, NewerStore):
        pass


@given(entries())
def test_an_entry_survives_its_line(entry):
    assert entry_from(json.loads(json.dumps(entry_line(entry)))) == entry


@given(JSON)
def test_a_line_is_an_entry_or_nothing(found):
    assert entry_from(found) is None or isinstance(entry_from(found), Entry)


@given(st.lists(entries()), st.randoms(use_true_random=False))
def test_entries_merge_in_any_order_and_any_number_of_times(some, random):
    shuffled = some * 2
    random.shuffle(shuffled)
    assert merge(shuffled) == merge(some)
    assert merge([entry for attempts in merge(some).values() for entry in attempts.values()]) == merge(some)


@given(st.lists(entries()))
def test_every_job_is_there_with_its_attempts_side_by_side(some):
    jobs = jobs_of(3, some)
    assert [job.number for job in jobs] == [1, 2, 3]
    for job in jobs:
        numbers = [entry.attempt for entry in job.attempts]
        assert numbers == sorted({entry.attempt for entry in some if entry.job == job.number} or {1})


def test_what_an_attempt_said_itself_beats_that_it_was_lost():
    said = Entry(1, 1, states.FINISHED)
    lost = Entry(1, 1, states.FAILED, cause="lost", lost=True)
    assert merge([said, lost]) == merge([lost, said]) == {1: {1: said}}
    for before in (Entry(1, 1), Entry(1, 1, states.QUEUED, handle="7"), Entry(1, 1, states.RUNNING)):
        assert merge([lost, before]) == merge([before, lost]) == {1: {1: lost}}


def test_a_job_is_named_by_what_differs():
    whole = execution(iteration=combine([*[]]))
    assert whole.label(1) == ""
    whole = execution(values={"word": "cat", "t1": "x"}, iteration=from_lists(t1=["a.nii", "b.nii"], level=[1, 2], flag=[True]))
    assert whole.label(2) == "t1=a.nii, level=2, flag=true"
    assert whole.invocation(4) == {"word": "cat", "t1": "b.nii", "level": 2, "flag": True}


def from_lists(**lists):
    from sampan.executions.iterate import Axis

    return combine([Axis(name, tuple(values)) for name, values in lists.items()])


@pytest.mark.parametrize(
    "found, overall, words",
    [
        ({states.FINISHED: 1}, states.FINISHED, "finished"),
        ({states.FAILED: 1}, states.FAILED, "failed"),
        ({states.FINISHED: 120}, states.FINISHED, "all 120 finished"),
        ({states.FINISHED: 117, states.FAILED: 3}, states.FAILED, "117 of 120 finished, 3 failed"),
        ({states.FINISHED: 2, states.RUNNING: 2, states.QUEUED: 4}, states.RUNNING, "2 of 8 finished, 2 running, 4 queued"),
        ({states.FINISHED: 2, states.QUEUED: 1}, states.RUNNING, "2 of 3 finished, 1 queued"),
        ({states.QUEUED: 2}, states.QUEUED, "0 of 2 finished, 2 queued"),
        ({states.UNKNOWN: 1, states.FINISHED: 1}, states.UNKNOWN, "1 of 2 finished, 1 unknown"),
        ({states.CANCELLED: 2, states.FINISHED: 1}, states.CANCELLED, "1 of 3 finished, 2 cancelled"),
        ({}, states.WAITING, "no jobs"),
    ],
)
def test_partial_states_in_words(found, overall, words):
    counts = states.count(state for state, number in found.items() for _ in range(number))
    assert counts == found
    assert (states.overall(counts), states.sentence(counts)) == (overall, words)


@given(st.lists(st.sampled_from(states.ORDER), min_size=1))
def test_an_execution_is_over_when_no_job_goes_on(some):
    counts = states.count(some)
    assert sum(counts.values()) == len(some)
    assert states.is_over(counts) == all(state in states.ENDED for state in some) == (states.overall(counts) in states.ENDED)
