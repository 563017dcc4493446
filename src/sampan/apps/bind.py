"""Values for an application: read, checked, and made an `Invocation`. Pure; on the path of `app launch`."""

from __future__ import annotations

import os

from sampan.apps import constraints, document
from sampan.apps.application import COMMAND, FILE, FLAG, NUMBER, STRING
from sampan.apps.jsonvalue import same, shown
from sampan.apps.shell import HOLE
from sampan.errors import BadValues, Problem, UsageError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.apps.application import Application, Input, Subcommand, Value

_INFINITY = float("inf")
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
KINDS = {
    STRING: "a text",
    FILE: "a path",
    FLAG: "true or false",
    NUMBER: "a number",
    COMMAND: "an object with the values of a sub-command",
}


class Invocation:
    """An application with checked values for its inputs: lists are tuples, what has no value is not there."""

    __slots__ = ("application", "values")

    def __init__(self, application: Application, values: dict[str, Value]) -> None:
        self.application = application
        self.values = values

    def moved(self, places: Mapping[str, str], home: str = "") -> Invocation:
        """The same with other paths for its files: `places` has the new one for each old one that changes.

        With `home`, the directory that relative paths count from, inputs that use absolute paths get them.
        """
        return Invocation(self.application, _moved(self.application.inputs, self.values, places, home))

    def document(self) -> dict[str, object]:
        """The JSON invocation that makes this one again."""
        return {id: _plain(value) for id, value in self.values.items()}


def _plain(value: Value) -> object:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _moved(inputs: Sequence[Input], values: Mapping[str, Value], places: Mapping[str, str], home: str) -> dict[str, Value]:
    found = dict(values)
    for one in inputs:
        value = values.get(one.id)
        if value is None or one.type not in (FILE, COMMAND):
            continue
        several = [_moved_one(one, item, places, home) for item in (value if isinstance(value, tuple) else (value,))]
        found[one.id] = tuple(several) if isinstance(value, tuple) else several[0]
    return found


def _moved_one(one: Input, value: Value, places: Mapping[str, str], home: str) -> Value:
    if one.type == FILE:
        path = places.get(str(value), str(value))
        return os.path.normpath(os.path.join(home, path)) if one.absolute and home else path
    if not isinstance(value, dict):
        return value
    command = next(each for each in one.commands if each.id == value["@type"])
    return {"@type": value["@type"], **_moved(command.inputs, value, places, home)}


def read_values(data: bytes, what: str) -> dict[str, object]:
    """The values in an invocation, a JSON object. Raises `UsageError`."""
    found = document.read(data, what)
    if not isinstance(found, dict):
        raise UsageError(f"{what} is not a JSON object with a value for each input")
    return found


def from_texts(one: Input, texts: Sequence[str]) -> object:
    """What a command line or a form says about an input, for `bind`. Texts that make no value are left as they are: `bind` says why."""
    found = [_from_text(one, text) for text in texts]
    return found if one.list else found[-1] if found else None


def _from_text(one: Input, text: str) -> object:
    if one.type == FLAG:
        return True if text.lower() in TRUE else False if text.lower() in FALSE else text
    if one.type == COMMAND:
        try:
            return document.read(text.encode("utf-8", "surrogateescape"), "the value")
        except UsageError:
            return text
    if one.type == NUMBER:
        return _number(text)
    # A choice that is a number stays one.
    return next((choice for choice in one.choices if not isinstance(choice, str) and str(choice) == text), text)


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        try:
            return float(text)
        except ValueError:
            return text


def bind(application: Application, values: Mapping[str, object]) -> Invocation:
    """Check values, fill in defaults. Raises `BadValues` with everything that is wrong."""
    problems: list[Problem] = []
    found = _typed(application.inputs, values, problems, "")
    given = set(found)
    for hidden in application.vip.overridden:
        found.pop(hidden, None)
        given.discard(hidden)
    found = _with_defaults(application, found, given)
    for hidden, source in application.vip.overridden.items():
        if source in found:
            found[hidden] = found[source]
    # What has a value of the wrong kind is not missing, too.
    wrong = {problem.place.partition("[")[0] for problem in problems}
    problems += [one for one in constraints.check(application, found) if one.place not in wrong]
    if problems:
        raise BadValues(
            f"cannot launch {application.identifier}",
            tuple(problems),
            f"sampan app show {application.origin} describes its inputs",
        )
    return Invocation(application, {one.id: found[one.id] for one in application.inputs if one.id in found})


def _with_defaults(application: Application, values: dict[str, Value], given: set[str]) -> dict[str, Value]:
    """The values with defaults for those that were not given.

    A default gives way to what was asked for: it is left out where a given input excludes it.
    """
    found = dict(values)
    excluded = constraints.excluded(application, {id: values[id] for id in given if id in values})
    for one in application.inputs:
        if one.id not in found and one.default is not None and one.id not in excluded:
            default = default_of(one)
            if default is not None:
                found[one.id] = default
    return found


def _typed(inputs: Sequence[Input], values: Mapping[str, object], problems: list[Problem], place: str) -> dict[str, Value]:
    """The values as their inputs want them; what is wrong goes to `problems`."""
    known = {one.id: one for one in inputs}
    found: dict[str, Value] = {}
    for id, value in values.items():
        if id not in known:
            problems.append(Problem(place + printable(id), f"there is no such input{_near(id, known)}"))
        elif value is not None:
            typed = _value(known[id], value, problems, place + id)
            if typed is not None:
                found[id] = typed
    return found


def _near(id: str, known: Mapping[str, Input]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(id, list(known), 1, 0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _value(one: Input, value: object, problems: list[Problem], place: str) -> Value | None:
    if not one.list:
        return _item(one, value, problems, place)
    if not isinstance(value, (list, tuple)):
        problems.append(Problem(place, f"must be a list, not {shown(value)}"))
        return None
    if not value:
        return None
    if one.min_entries is not None and len(value) < one.min_entries:
        problems.append(Problem(place, f"must have at least {one.min_entries} values, not {len(value)}"))
    if one.max_entries is not None and len(value) > one.max_entries:
        problems.append(Problem(place, f"must have at most {one.max_entries} values, not {len(value)}"))
    items = [_item(one, item, problems, f"{place}[{number}]") for number, item in enumerate(value)]
    return tuple(item for item in items if item is not None)


def _item(one: Input, value: object, problems: list[Problem], place: str) -> Value | None:
    """One value of the input's kind, range and choices, or nothing and a problem."""
    if one.type == COMMAND:
        return _command(one, value, problems, place)
    if one.choices:
        for choice in one.choices:
            if same(choice, value) or (isinstance(value, str) and str(choice) == value):
                return choice
        known = ", ".join(shown(choice) for choice in one.choices[:20])
        problems.append(Problem(place, f"must be one of {known}, not {shown(value)}"))
        return None
    wrong = _wrong(one, value)
    if wrong:
        problems.append(Problem(place, wrong))
        return None
    if one.type == FILE and isinstance(value, str) and value.startswith("-"):
        return f"./{value}"  # else the program would take it for an option
    if one.integer and isinstance(value, float):
        return int(value)
    return value if isinstance(value, (str, bool, int, float)) else None


def _wrong(one: Input, value: object) -> str:
    """What is wrong with a value of a simple kind."""
    if one.type in (STRING, FILE):
        if not isinstance(value, str):
            quotes = ", in quotes" if isinstance(value, (int, float)) else ""
            return f"must be {KINDS[one.type]}{quotes}, not {shown(value)}"
        if "\0" in value or HOLE in value:
            return "holds a character that no program can be given"
        return "must not be empty" if one.type == FILE and not value else ""
    if one.type == FLAG:
        return "" if isinstance(value, bool) else f"must be true or false, not {shown(value)}"
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -_INFINITY < value < _INFINITY:
        return f"must be {'a whole number' if one.integer else 'a number'}, not {shown(value)}"
    if one.integer and value != int(value):
        return f"must be a whole number, not {value}"
    return _out_of_range(one, value)


def _out_of_range(one: Input, value: float) -> str:
    if one.minimum is not None and (value < one.minimum or (one.exclusive_minimum and value == one.minimum)):
        return f"must be {'more than' if one.exclusive_minimum else 'at least'} {one.minimum}, not {value}"
    if one.maximum is not None and (value > one.maximum or (one.exclusive_maximum and value == one.maximum)):
        return f"must be {'less than' if one.exclusive_maximum else 'at most'} {one.maximum}, not {value}"
    return ""


def _command(one: Input, value: object, problems: list[Problem], place: str) -> Value | None:
    """The values of a sub-command; of several the key `@type` tells which."""
    if not isinstance(value, dict):
        problems.append(Problem(place, f"must be {KINDS[COMMAND]}, not {shown(value)}"))
        return None
    commands: dict[str, Subcommand] = {each.id: each for each in one.commands}
    kind = value.get("@type", one.commands[0].id if len(commands) == 1 else None)
    # styx writes the whole path of the type, with the id at its end.
    name = str(kind).rsplit("/", 1)[-1] if kind is not None else ""
    if name not in commands:
        problems.append(Problem(f"{place}.@type", f"must be one of {', '.join(commands)}, not {shown(kind)}"))
        return None
    command = commands[name]
    rest = {key: item for key, item in value.items() if key != "@type"}
    found = _typed(command.inputs, rest, problems, f"{place}.")
    for each in command.inputs:
        if each.id not in found and each.default is not None:
            typed = _value(each, each.default, problems, f"{place}.{each.id}")
            if typed is not None:
                found[each.id] = typed
        if each.id not in found and not each.optional and rest.get(each.id) is None:
            problems.append(Problem(f"{place}.{each.id}", "is missing"))
    return {"@type": name, **found}


def default_of(one: Input) -> Value | None:
    """The default of an input as a bound value; nothing if it has none, or one that does not fit."""
    problems: list[Problem] = []
    found = None if one.default is None else _value(one, _as_list(one, one.default), problems, one.id)
    return None if problems else found


def _as_list(one: Input, default: object) -> object:
    """A default; for a list descriptors also give its only element."""
    return [default] if one.list and not isinstance(default, list) else default


def faults(one: Input) -> list[str]:
    """What is wrong with the default of an input."""
    problems: list[Problem] = []
    _value(one, _as_list(one, one.default), problems, "")
    return [problem.what for problem in problems]
