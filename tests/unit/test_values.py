"""Values behave as frozen dataclasses do; those are the oracle."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.values import as_dict, changed, field, frozen

pytestmark = pytest.mark.client


@frozen
class Ours:
    name: str
    size: int = 0
    labels: dict[str, str] = field(default_factory=dict, repr=False)

    def doubled(self) -> int:
        return self.size * 2


@dataclasses.dataclass(frozen=True)
class Theirs:
    name: str
    size: int = 0
    labels: dict[str, str] = dataclasses.field(default_factory=dict, repr=False)


ARGUMENTS = st.lists(st.sampled_from([1, "a", (), None]), max_size=4)
NAMED = st.dictionaries(st.sampled_from(["name", "size", "labels", "other"]), st.sampled_from([1, "a", None]), max_size=3)


@given(ARGUMENTS, NAMED)
def test_made_shown_and_refused_as_a_dataclass(arguments: list[object], named: dict[str, object]) -> None:
    try:
        theirs = Theirs(*arguments, **named)  # type: ignore[arg-type]
    except TypeError:
        with pytest.raises(TypeError):
            Ours(*arguments, **named)  # type: ignore[arg-type]
        return
    ours = Ours(*arguments, **named)  # type: ignore[arg-type]
    assert as_dict(ours) == dataclasses.asdict(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")
    assert ours == Ours(*arguments, **named)  # type: ignore[arg-type]
    assert ours != theirs


def test_equal_values_are_one_key_and_kinds_differ() -> None:
    @frozen
    class Pair:
        left: int
        right: int = 2

    @frozen
    class Other(Pair):
        third: int = 3

    assert {Pair(1), Pair(1, 2), Pair(left=1, right=2)} == {Pair(1)}
    assert Pair(1) != Pair(2)
    assert Other(1) != Pair(1)
    assert as_dict(Other(1, 5)) == {"left": 1, "right": 5, "third": 3}


def test_never_changed_in_place() -> None:
    ours = Ours("a", 2)
    with pytest.raises(AttributeError, match="size of Ours cannot be changed"):
        ours.size = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="deleted"):
        del ours.size
    bigger = changed(ours, size=3)
    assert (ours.size, bigger.size, bigger.name, bigger.doubled()) == (2, 3, "a", 6)
    with pytest.raises(TypeError):
        changed(ours, sizes=3)
    assert ours.labels is not Ours("a").labels
