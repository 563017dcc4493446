"""The states of a job and of a whole execution, and the words for them. Pure.

A job that ended tells by its own status file how; what a back-end believes counts only until then. So states have ranks, and of two
reports about one attempt the one of higher rank holds, whatever the order in which they come in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WAITING = "waiting"
"""Made, and not yet handed to a back-end."""
QUEUED = "queued"
"""A back-end has it, and it has not started."""
STAGING = "staging"
"""Its inputs come in, or its outputs go out."""
RUNNING = "running"
FINISHED = "finished"
FAILED = "failed"
CANCELLED = "cancelled"
UNKNOWN = "unknown"
"""A back-end does not know it, or does not answer, and it has not said that it ended."""

ORDER = (FINISHED, FAILED, CANCELLED, RUNNING, STAGING, QUEUED, WAITING, UNKNOWN)
ENDED = frozenset({FINISHED, FAILED, CANCELLED})
RANKS = {WAITING: 0, QUEUED: 1, UNKNOWN: 2, STAGING: 3, RUNNING: 4, CANCELLED: 5, FAILED: 6, FINISHED: 7}
MARKS = {
    WAITING: "·",
    QUEUED: "…",
    STAGING: "↕",
    RUNNING: "▶",
    FINISHED: "✓",
    FAILED: "✗",
    CANCELLED: "-",
    UNKNOWN: "?",
}
"""One character a state, always beside its word: neither it nor a colour carries the meaning alone."""


def count(states: Iterable[str]) -> dict[str, int]:
    """How many jobs are in each state, in the order in which a sentence names them."""
    found = dict.fromkeys(ORDER, 0)
    for state in states:
        found[state] += 1
    return {state: number for state, number in found.items() if number}


def overall(counts: Mapping[str, int]) -> str:
    """The state of an execution: under way while any job is; afterwards finished only if every job is."""
    for state in (RUNNING, STAGING):
        if counts.get(state):
            return RUNNING
    going = [state for state in (QUEUED, WAITING, UNKNOWN) if counts.get(state)]
    if going:
        begun = any(counts.get(state) for state in (FINISHED, FAILED))
        return RUNNING if begun and going[0] == QUEUED else going[0]
    for state in (FAILED, CANCELLED, FINISHED):
        if counts.get(state):
            return state
    return WAITING


def is_over(counts: Mapping[str, int]) -> bool:
    """Whether no job can change any more by itself."""
    return all(state in ENDED for state, number in counts.items() if number)


def sentence(counts: Mapping[str, int]) -> str:
    """`finished`, `117 of 120 finished, 3 failed`, `2 of 8 finished, 2 running, 4 queued`."""
    total = sum(counts.values())
    if total == 0:
        return "no jobs"
    if total == 1:
        return next(state for state, number in counts.items() if number)
    if counts.get(FINISHED, 0) == total:
        return f"all {total} finished"
    rest = [f"{counts[state]} {state}" for state in ORDER if state != FINISHED and counts.get(state)]
    return ", ".join([f"{counts.get(FINISHED, 0)} of {total} finished", *rest])
