"""JSON schema, draft 4: the keywords, with messages a person can act on.

Theory of operation. `check` walks schema and value together and returns a `Problem` for everything that is wrong. Where a schema
offers alternatives (`anyOf`, `oneOf`) it does not recite them all: an alternative that fits the value's kind better is taken, and what
is wrong with it is said. `$ref` is only followed inside of the document. Unknown keywords are no restriction, as the draft says.

Why not the package `jsonschema`: docs/adr/0009.
"""

from __future__ import annotations

from sampan.apps.jsonvalue import is_among, same, shown
from sampan.errors import Problem, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

    Schema = dict[str, object]
    Check = Callable[["Schema", object, str, object], list["Problem"]]

KINDS = {
    "object": "an object", "array": "a list", "string": "a text", "number": "a number", "integer": "a whole number",
    "boolean": "true or false", "null": "null",
}  # fmt: skip


def check(schema: Schema, value: object, place: str = "") -> list[Problem]:
    """Everything in which `value` differs from `schema`."""
    return list(dict.fromkeys(_check(schema, value, place, schema)))


def _check(schema: object, value: object, place: str, root: object) -> list[Problem]:
    if not isinstance(schema, dict) or not schema:
        return []
    if "$ref" in schema:
        return _check(_target(str(schema["$ref"]), root), value, place, root)
    kind = schema.get("type")
    if kind is not None and not _is_kind(kind, value):
        return [Problem(place, f"must be {_kinds(kind)}, not {shown(value)}")]
    found: list[Problem] = []
    for keyword, argument in schema.items():
        handler = KEYWORDS.get(keyword)
        if handler is not None:
            found += handler(schema, value, place, root) if argument is not None else []
    return found


def _target(reference: str, root: object) -> object:
    """The part of the document that a reference such as `#/definitions/x` names; nothing for others."""
    if not reference.startswith("#"):
        return {}
    found = root
    for part in reference[1:].strip("/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if name:
            found = found.get(name) if isinstance(found, dict) else None
    return found


def _is_kind(kind: object, value: object) -> bool:
    if isinstance(kind, list):
        return any(_is_kind(one, value) for one in kind)
    if kind == "string":
        return isinstance(value, str)
    if kind == "object":
        return isinstance(value, dict)
    if kind == "array":
        return isinstance(value, list)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None


def _kinds(kind: object) -> str:
    return " or ".join(KINDS.get(str(one), str(one)) for one in (kind if isinstance(kind, list) else [kind]))


def _enum(schema: Schema, value: object, place: str, _: object) -> list[Problem]:
    choices = schema["enum"]
    if not isinstance(choices, list) or is_among(value, choices):
        return []
    known = ", ".join(shown(choice) for choice in choices[:12])
    return [Problem(place, f"must be {'one of ' if len(choices) > 1 else ''}{known}, not {shown(value)}")]


def _properties(schema: Schema, value: object, place: str, root: object) -> list[Problem]:
    table = schema["properties"]
    if not isinstance(value, dict) or not isinstance(table, dict):
        return []
    found: list[Problem] = []
    for name, inner in value.items():
        part = table.get(name)
        if part:
            found += _check(part, inner, f"{place}.{name}" if place else name, root)
    return found


def _additional(schema: Schema, value: object, place: str, root: object) -> list[Problem]:
    table = schema.get("properties")
    rule = schema["additionalProperties"]
    if not isinstance(value, dict) or rule is True:
        return []
    found: list[Problem] = []
    for name, inner in value.items():
        if isinstance(table, dict) and name in table:
            continue
        if rule is False:
            found.append(Problem(place, f"has an unknown key {shown(name)}{_meant(name, table)}"))
        else:
            found += _check(rule, inner, f"{place}.{printable(name)}" if place else printable(name), root)
    return found


def _meant(name: str, table: object) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, [str(key) for key in table] if isinstance(table, dict) else [], 1, 0.7)
    return f"; did you mean {close[0]}?" if close else ""


def _required(schema: Schema, value: object, place: str, _: object) -> list[Problem]:
    names = schema["required"]
    if not isinstance(value, dict) or not isinstance(names, list):
        return []
    return [Problem(place, f"{name} is missing") for name in names if name not in value]


def _items(schema: Schema, value: object, place: str, root: object) -> list[Problem]:
    rule = schema["items"]
    if not isinstance(value, list) or not isinstance(rule, dict):
        return []
    found: list[Problem] = []
    for number, inner in enumerate(value):
        found += _check(rule, inner, element(place, number, inner), root)
    return found


def element(place: str, number: int, value: object) -> str:
    """The place of one element of a list, with its id where it has one: people count badly."""
    id = (value.get("id") or value.get("name")) if isinstance(value, dict) else None
    return f"{place}[{number}] ({printable(id)[:40]})" if isinstance(id, str) and id else f"{place}[{number}]"


def _unique(schema: Schema, value: object, place: str, _: object) -> list[Problem]:
    if schema["uniqueItems"] is not True or not isinstance(value, list):
        return []
    found = []
    for number, one in enumerate(value):
        if any(same(one, other) for other in value[:number]):
            found.append(Problem(element(place, number, one), "stands twice in the list"))
    return found


def _sizes(schema: Schema, value: object, place: str, _: object) -> list[Problem]:
    """minItems, maxItems, minLength, maxLength: whichever the value has a size for."""
    kind = "Items" if isinstance(value, list) else "Length" if isinstance(value, str) else ""
    least, most = schema.get(f"min{kind}"), schema.get(f"max{kind}")
    if not kind or not isinstance(value, (list, str)):
        return []
    noun = "elements" if kind == "Items" else "letters"
    if isinstance(least, int) and len(value) < least:
        return [Problem(place, "must not be empty" if least == 1 else f"must have at least {least} {noun}")]
    if isinstance(most, int) and len(value) > most:
        return [Problem(place, f"must have at most {most} {noun}")]
    return []


def _pattern(schema: Schema, value: object, place: str, _: object) -> list[Problem]:
    pattern = schema["pattern"]
    if not isinstance(value, str) or not isinstance(pattern, str) or _matches(pattern, value):
        return []
    if pattern == _ID:
        return [Problem(place, f"may hold letters, digits, `_` and `,` only, not {shown(value)}")]
    return [Problem(place, f"must match {pattern}, not {shown(value)}")]


_ID = "^[0-9,_,a-z,A-Z]*$"
_ID_LETTERS = frozenset("0123456789,_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_VARIABLE = "^[a-z,A-Z][0-9,_,a-z,A-Z]*$"


def _matches(pattern: str, value: str) -> bool:
    # The two patterns that nearly every descriptor meets are known by heart: `re` costs more than a launch may.
    if pattern == _ID:
        return _ID_LETTERS.issuperset(value)
    if pattern == _VARIABLE:
        return value[:1] in _ID_LETTERS - set("0123456789_") and _ID_LETTERS.issuperset(value)
    import re

    return re.search(pattern, value) is not None


def _minimum(schema: Schema, value: object, place: str, _: object) -> list[Problem]:
    limit = schema["minimum"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isinstance(limit, (int, float)):
        return []
    if value < limit or (value == limit and schema.get("exclusiveMinimum") is True):
        return [
            Problem(
                place, f"must be {'more than' if schema.get('exclusiveMinimum') is True else 'at least'} {limit}, not {value}"
            )
        ]
    return []


def _maximum(schema: Schema, value: object, place: str, _: object) -> list[Problem]:
    limit = schema["maximum"]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isinstance(limit, (int, float)):
        return []
    if value > limit or (value == limit and schema.get("exclusiveMaximum") is True):
        return [
            Problem(place, f"must be {'less than' if schema.get('exclusiveMaximum') is True else 'at most'} {limit}, not {value}")
        ]
    return []


def _dependencies(schema: Schema, value: object, place: str, root: object) -> list[Problem]:
    table = schema["dependencies"]
    if not isinstance(value, dict) or not isinstance(table, dict):
        return []
    found: list[Problem] = []
    for name, rule in table.items():
        if name not in value:
            continue
        if isinstance(rule, list):
            found += [Problem(place, f"{name} needs {other}, which is missing") for other in rule if other not in value]
        else:
            found += [Problem(one.place, f"{one.what}, because of {name}") for one in _check(rule, value, place, root)]
    return found


def _all(schema: Schema, value: object, place: str, root: object) -> list[Problem]:
    parts = schema["allOf"]
    return [one for part in parts for one in _check(part, value, place, root)] if isinstance(parts, list) else []


def _any(schema: Schema, value: object, place: str, root: object) -> list[Problem]:
    return _alternatives(schema["anyOf"], value, place, root)


def _one(schema: Schema, value: object, place: str, root: object) -> list[Problem]:
    parts = schema["oneOf"]
    if not isinstance(parts, list):
        return []
    names = _switches(parts)
    if names and isinstance(value, dict):
        given = [name for name in names if name in value]
        return (
            []
            if len(given) == 1
            else [Problem(place, f"must have {'exactly one of' if given else 'one of'} {' and '.join(names)}")]
        )
    near = [part for part in parts if _distance(part, value) == 0]
    if sum(not _check(part, value, place, root) for part in near) > 1:
        return [Problem(place, "fits several alternatives that exclude each other")]
    return _alternatives(parts, value, place, root)


def _switches(parts: list[object]) -> list[str]:
    """The keys of which exactly one may be there: written as alternatives in each of which another key would have to be `true`."""
    found = []
    for part in parts:
        table = part.get("properties") if isinstance(part, dict) and len(part) == 1 else None
        if not isinstance(table, dict) or len(table) != 1:
            return []
        ((name, rule),) = table.items()
        if rule != {"enum": [True]}:
            return []
        found.append(str(name))
    return found


def _alternatives(parts: object, value: object, place: str, root: object) -> list[Problem]:
    """Nothing if one fits; else what is wrong with the nearest, which is the one whose `enum`s and kinds fit best."""
    if not isinstance(parts, list) or not parts:
        return []
    # The nearest first: what misses a fixed word cannot fit, and its faults need not be found out.
    ordered = sorted(parts, key=lambda part: _distance(part, value))
    nearest = [part for part in ordered if _distance(part, value) == _distance(ordered[0], value)]
    tried = []
    for part in nearest:
        found = _check(part, value, place, root)
        if not found:
            return []
        tried.append(found)
    return min(tried, key=len)


def _distance(part: object, value: object) -> int:
    """How many of an alternative's fixed words (`enum`) and kinds the value misses, weighed so that a fixed word counts most."""
    table = part.get("properties") if isinstance(part, dict) else None
    if not isinstance(table, dict) or not isinstance(value, dict):
        return 0 if not isinstance(part, dict) or "type" not in part or _is_kind(part["type"], value) else 1
    return sum(
        10 * bool(_check({"enum": rule["enum"]}, value[name], "", part))
        for name, rule in table.items()
        if name in value and isinstance(rule, dict) and "enum" in rule
    )


def _not(schema: Schema, value: object, place: str, root: object) -> list[Problem]:
    return [] if _check(schema["not"], value, place, root) else [Problem(place, "is not allowed here")]


KEYWORDS: dict[str, Check] = {
    "enum": _enum, "properties": _properties, "additionalProperties": _additional, "required": _required, "items": _items,
    "uniqueItems": _unique, "minItems": _sizes, "minLength": _sizes, "maxItems": _sizes, "maxLength": _sizes, "pattern": _pattern,
    "minimum": _minimum, "maximum": _maximum, "dependencies": _dependencies, "allOf": _all, "anyOf": _any, "oneOf": _one, "not": _not,
}  # fmt: skip
