"""The inputs of an application as a table of options, and what a command line says as values. On the path of `app launch`."""

from __future__ import annotations

import os

from sampan.apps.application import COMMAND, FILE, FLAG, NUMBER
from sampan.apps.bind import from_texts, read_values
from sampan.apps.load import STDIN, content
from sampan.options import table
from sampan.options.parse import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.apps.application import Application, Input

_VALUES = "VALUES.json"
_WORDS = {FILE: "FILE", NUMBER: "NUMBER", COMMAND: "JSON"}


def options(application: Application, words: str) -> table.Command:
    """The command `app launch NAME` of one application: an option for each input, by its id."""
    shown = [one for one in application.inputs if not one.hidden]
    required = [_option(one) for one in shown if not one.optional]
    return table.Command(
        words,
        " ".join(application.description.split()) or application.name,
        (*required, *(_option(one) for one in shown if one.optional)),
        (table.Argument(_VALUES, "?", "a file with values as JSON, - for standard input; options win over it"),),
        description=f"{application.name} {application.version}" + (f", by {application.author}" if application.author else ""),
    )


def _option(one: Input) -> table.Option:
    kind = table.FLAG if one.type == FLAG else table.LIST if one.list else table.VALUE
    metavar = "" if kind == table.FLAG else _WORDS.get(one.type, "TEXT")
    choices = tuple(str(choice) for choice in one.choices)
    notes = [
        *([] if one.optional else ["required"]),
        *([f"one of {', '.join(choices[:8])}{', ...' if len(choices) > 8 else ''}"] if choices else []),
        *_range(one),
        *([f"default: {one.default}"] if one.default is not None else []),
        *([f"needs {', '.join(one.requires)}"] if one.requires else []),
        *([f"not with {', '.join(one.disables)}"] if one.disables else []),
    ]
    help = " ".join((one.description or one.name).split())
    return table.Option(f"--{one.id}", kind, help + (f" ({'; '.join(notes)})" if notes else ""), metavar, choices)


def _range(one: Input) -> list[str]:
    low = "" if one.minimum is None else f"{'more than' if one.exclusive_minimum else 'at least'} {one.minimum}"
    high = "" if one.maximum is None else f"{'less than' if one.exclusive_maximum else 'at most'} {one.maximum}"
    return [" and ".join(part for part in (low, high) if part)] if low or high else []


def values(application: Application, words: list[str], command: str, file: str | None = None) -> dict[str, object]:
    """What a command line says, for `bind`: the values of a file, then those of options.

    Raises `UsageError`, and `HelpRequested` for `--help`.
    """
    parsed = parse(options(application, command), words)
    place = parsed.text(_VALUES.lower()) or file
    found = read_values(content(place), "standard input" if place == STDIN else place) if place else {}
    for one in application.inputs:
        if one.id in parsed.given:
            value = parsed.values[one.id]
            found[one.id] = value if one.type == FLAG else from_texts(one, parsed.texts(one.id) if one.list else [str(value)])
    return found


def working_directory(path: str | None) -> str:
    """The directory to work in, absolute. Raises `UsageError`."""
    from sampan.errors import UsageError

    found = os.path.abspath(path or os.getcwd())
    if not os.path.isdir(found):
        raise UsageError(f"the working directory {found} does not exist", f"mkdir {found}")
    return found
