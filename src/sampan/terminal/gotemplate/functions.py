"""The functions of templates: Go's own, and those that Docker and podman add (`json`, `join`, `pad`, ...).

A function that cannot do its work raises `Unfit` with the reason; the evaluation names the place.
"""

from __future__ import annotations

import html
import json
import math
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_TEXT = 1 << 20  # letters that one function may make
# Types in the order in which two values of different ones cannot be compared.
_BASIC = ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"))


class Unfit(ValueError):
    """A function cannot do its work with these values; the reason in words. Never leaves this package."""


def is_true(value: object) -> bool:
    """Go's truth: not nil, false, 0, and nothing that is empty."""
    return bool(value)


def printed(value: object) -> str:
    """A value as Go prints it: `true`, `[a b]`, `map[k:v]`, `<no value>` for none."""
    return "<no value>" if value is None else _plain(value)


def _plain(value: object) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, (list, tuple)):
        return f"[{' '.join(_plain(item) for item in value)}]"
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{_plain(value[key])}' for key in sorted(value, key=str))}]"
    if callable(value):
        raise Unfit("a field that takes an argument has none")
    return str(value)


def _float(value: float) -> str:
    if not math.isfinite(value):
        return {"inf": "+Inf", "-inf": "-Inf"}.get(str(value), "NaN")
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value).replace("e-0", "e-").replace("e-", "e-0" if abs(value) > 1e-10 else "e-")


def _need(number: int, values: tuple[object, ...], name: str) -> None:
    if len(values) != number:
        raise Unfit(f"{name} takes {number} value{'s' * (number != 1)}, not {len(values)}")


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise Unfit(f"{name} takes a text, not {_kind(value)}")
    return value


def _whole(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unfit(f"{name} takes a whole number, not {_kind(value)}")
    return value


def _kind(value: object) -> str:
    for type, name in _BASIC:
        if isinstance(value, type):
            return name
    return (
        "nil"
        if value is None
        else "map"
        if isinstance(value, dict)
        else "list"
        if isinstance(value, (list, tuple))
        else "function"
    )


# Go's own


def _length(*values: object) -> object:
    _need(1, values, "len")
    value = values[0]
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, (list, tuple, dict)):
        return len(value)
    raise Unfit(f"{_kind(value)} has no length")


def _index(*values: object) -> object:
    if not values:
        raise Unfit("index takes a list or a map and its keys")
    found: object = values[0]
    for key in values[1:]:
        if isinstance(found, dict):
            missing = "" if all(isinstance(item, str) for item in found.values()) else None
            found = found.get(_text(key, "the index of a map"), missing)
        elif isinstance(found, (list, tuple, str)):
            at = _whole(key, "the index of a list")
            if not 0 <= at < len(found):
                raise Unfit(f"there is no element {at}: there are {len(found)}")
            found = ord(found[at]) if isinstance(found, str) else found[at]
        else:
            raise Unfit(f"{_kind(found)} has no elements")
    return found


def _slice(*values: object) -> object:
    if not values or len(values) > 4:
        raise Unfit("slice takes a list or a text and up to three places")
    found, places = values[0], [_whole(value, "slice") for value in values[1:]]
    if not isinstance(found, (list, tuple, str)):
        raise Unfit(f"{_kind(found)} cannot be cut")
    begin, end = places[0] if places else 0, places[1] if len(places) > 1 else len(found)
    if not 0 <= begin <= end <= len(found):
        raise Unfit(f"there is nothing from {begin} to {end}: there are {len(found)}")
    return found[begin:end]


def _not(*values: object) -> object:
    _need(1, values, "not")
    return not is_true(values[0])


def _equal(*values: object) -> object:
    if len(values) < 2:
        raise Unfit("eq takes two values or more")
    return any(_same(values[0], other) for other in values[1:])


def _same(one: object, other: object) -> bool:
    if one is None or other is None:
        return one is other
    if isinstance(one, (dict, list, tuple)) or isinstance(other, (dict, list, tuple)) or callable(one) or callable(other):
        raise Unfit(f"{_kind(one)} and {_kind(other)} cannot be compared")
    if _kind(one) != _kind(other):
        raise Unfit(f"{_kind(one)} and {_kind(other)} cannot be compared")
    return one == other


def _unequal(*values: object) -> object:
    _need(2, values, "ne")
    return not _same(*values)


def _less(one: object, other: object, name: str) -> bool:
    if _kind(one) != _kind(other) or not isinstance(one, (int, float, str)) or isinstance(one, bool):
        raise Unfit(f"{name} cannot compare {_kind(one)} and {_kind(other)}")
    return one < other  # type: ignore[operator]


def _ordering(name: str, test: Callable[[object, object], bool]) -> Callable[..., object]:
    def compare(*values: object) -> object:
        _need(2, values, name)
        return test(values[0], values[1])

    return compare


def _print(*values: object) -> object:
    """Spaces between two values of which neither is a text."""
    found = ""
    for at, value in enumerate(values):
        if at and not isinstance(value, str) and not isinstance(values[at - 1], str):
            found += " "
        found += _plain(value)
    return found


def _println(*values: object) -> object:
    return " ".join(_plain(value) for value in values) + "\n"


def _printf(*values: object) -> object:
    if not values:
        raise Unfit("printf takes a text first")
    from sampan.terminal.gotemplate.printf import formatted

    return formatted(_text(values[0], "printf"), values[1:])


def _html(*values: object) -> object:
    return html.escape(str(_print(*values))).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _js(*values: object) -> object:
    return json.dumps(str(_print(*values)))[1:-1].replace("'", "\\'").replace("<", "\\u003C").replace(">", "\\u003E")


def _urlquery(*values: object) -> object:
    return quote_plus(str(_print(*values)).encode("utf-8", "surrogatepass"))


# Docker's and podman's


def as_json(value: object) -> str:
    """Compact; keys sorted as Go sorts those of maps, except where the value says its own order (`Ordered`)."""
    return json.dumps(_without_calls(value), ensure_ascii=False, separators=(",", ":"))


class Ordered(dict):  # type: ignore[type-arg]
    """A document whose fields stay in their order in JSON, as those of Go's structs."""


def _without_calls(value: object) -> object:
    if isinstance(value, Ordered):
        return {key: _without_calls(item) for key, item in value.items() if not callable(item)}
    if isinstance(value, dict):
        return {str(key): _without_calls(value[key]) for key in sorted(value, key=str) if not callable(value[key])}
    if isinstance(value, (list, tuple)):
        return [_without_calls(item) for item in value]
    return value


def _json(*values: object) -> object:
    _need(1, values, "json")
    return as_json(values[0])


def _split(*values: object) -> object:
    _need(2, values, "split")
    text, separator = (_text(value, "split") for value in values)
    return text.split(separator) if separator else list(text)


def _join(*values: object) -> object:
    _need(2, values, "join")
    if not isinstance(values[0], (list, tuple)):
        raise Unfit(f"join takes a list, not {_kind(values[0])}")
    parts = [_text(item, "join") for item in values[0]]
    separator = _text(values[1], "join")
    if sum(map(len, parts)) + len(separator) * len(parts) > MAX_TEXT:
        raise Unfit("the text would be too long")
    return separator.join(parts)


def _letters(name: str, change: Callable[[str], str]) -> Callable[..., object]:
    def changed(*values: object) -> object:
        _need(1, values, name)
        return change(_text(values[0], name))

    return changed


def _title(text: str) -> str:
    return "".join(
        letter.upper() if at == 0 or not (text[at - 1].isalnum() or text[at - 1] in "_'") else letter
        for at, letter in enumerate(text)
    )


def _pad(*values: object) -> object:
    _need(3, values, "pad")
    text, front, behind = _text(values[0], "pad"), _whole(values[1], "pad"), _whole(values[2], "pad")
    if max(front, behind) > MAX_TEXT or min(front, behind) < 0:
        raise Unfit("pad takes small numbers of spaces")
    return f"{' ' * front}{text}{' ' * behind}" if text else ""


def _truncate(*values: object) -> object:
    _need(2, values, "truncate")
    text, length = _text(values[0], "truncate"), _whole(values[1], "truncate")
    if length < 0:
        raise Unfit("truncate takes a length")
    return text[:length]


def _call(*_values: object) -> object:
    raise Unfit("there is nothing here that could be called")


# `and` and `or` do not look at all of their values; the evaluation does them.
FUNCTIONS: dict[str, Callable[..., object]] = {
    "len": _length, "index": _index, "slice": _slice, "not": _not, "eq": _equal, "ne": _unequal,
    "lt": _ordering("lt", lambda one, other: _less(one, other, "lt")),
    "le": _ordering("le", lambda one, other: not _less(other, one, "le")),
    "gt": _ordering("gt", lambda one, other: _less(other, one, "gt")),
    "ge": _ordering("ge", lambda one, other: not _less(one, other, "ge")),
    "print": _print, "println": _println, "printf": _printf, "html": _html, "js": _js, "urlquery": _urlquery, "call": _call,
    "json": _json, "split": _split, "join": _join, "lower": _letters("lower", str.lower), "upper": _letters("upper", str.upper),
    "title": _letters("title", _title), "pad": _pad, "truncate": _truncate,
}  # fmt: skip
LAZY = ("and", "or")
NAMES = frozenset((*FUNCTIONS, *LAZY))
