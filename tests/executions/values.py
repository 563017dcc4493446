"""Executions, entries and iterations as hypothesis makes them."""

from __future__ import annotations

from hypothesis import strategies as st

from sampan.executions import states
from sampan.executions.iterate import Axis
from sampan.executions.model import Application, Entry, Execution

NAMES = st.sampled_from(["t1", "mask", "level", "seed", "out"])
# Texts hold what file names hold: bytes that are no UTF-8 are there as surrogates.
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.binary(max_size=8).map(
    lambda b: b.decode("utf-8", "surrogateescape")
)
VALUES = TEXTS | st.integers(-(10**9), 10**9) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def axes(draw, most: int = 4, longest: int = 5):
    """Axes of different names, none empty."""
    names = draw(st.lists(NAMES, unique=True, max_size=most))
    return [Axis(name, tuple(draw(st.lists(VALUES, min_size=1, max_size=longest)))) for name in names]


@st.composite
def entries(draw, jobs: int = 3, attempts: int = 3):
    """An entry about one of few attempts, so that several are about the same."""
    state = draw(st.sampled_from(states.ORDER))
    return Entry(
        draw(st.integers(1, jobs)), draw(st.integers(1, attempts)), state, cause=draw(st.sampled_from(["", "memory", "time"])),
        node=draw(st.sampled_from(["", "n1"])), lost=state == states.FAILED and draw(st.booleans()), handle=draw(st.sampled_from(["", "17_3"])),
    )  # fmt: skip


def execution(id: str = "20261125-050000-ab12", **rest) -> Execution:
    plain = {
        "name": "demo",
        "created": "2026-11-25T05:00:00Z",
        "application": Application("count", "1.0", "sha256:" + "a" * 64),
        "values": {"word": "cat"},
    }
    return Execution(id, **{**plain, **rest})
