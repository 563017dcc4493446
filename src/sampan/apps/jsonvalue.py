"""Values of JSON: whether two are the same, and how a sentence shows one. Pure; on the path of `app launch`."""

from __future__ import annotations

from sampan.errors import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SHOWN = 60


def shown(value: object) -> str:
    """A value for a sentence, as JSON writes it, cut where it is long."""
    if isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    elif isinstance(value, str):
        text = f'"{printable(value)}"'
    elif isinstance(value, dict):
        text = "an object" if value else "{}"
    elif isinstance(value, (list, tuple)):
        text = "a list" if value else "[]"
    else:
        text = str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."


def same(one: object, other: object) -> bool:
    """Equality of JSON: `true` is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return one == other


def is_among(value: object, choices: Sequence[object]) -> bool:
    """Whether one of the choices is the same as a value."""
    if isinstance(value, str):
        return value in choices
    return any(same(value, choice) for choice in choices)
