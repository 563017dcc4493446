"""What an invocation must leave behind, and what it has left. On the path of `app launch`."""

from __future__ import annotations

import os

from sampan.apps.application import COMMAND
from sampan.apps.paths import paths
from sampan.apps.render import scope_of, subcommand_of
from sampan.errors import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sampan.apps.application import Input, Output, Value
    from sampan.apps.bind import Invocation

_WILD = "*?["
MAX_FOUND = 10_000
"""Files of one output; more are a mistake of its pattern."""


class ExpectedOutput:
    """One output: its `pattern` is relative to the working directory, perhaps with wildcards; `stream` is stdout, stderr or empty."""

    __slots__ = ("id", "list", "name", "optional", "pattern", "stream")

    def __init__(self, output: Output, id: str, pattern: str) -> None:
        self.id = id
        self.name = output.name
        self.pattern = pattern
        self.optional = output.optional
        self.list = output.list
        self.stream = ""


class FoundOutput:
    """What there is of one output: paths relative to the directory, and a sentence if something is wrong."""

    __slots__ = ("id", "optional", "paths", "problem")

    def __init__(self, id: str, found: tuple[str, ...], problem: str, *, optional: bool) -> None:
        self.id = id
        self.paths = found
        self.problem = problem
        self.optional = optional


def expected_outputs(invocation: Invocation, directory: str = "") -> tuple[ExpectedOutput, ...]:
    """The outputs that these values lead to; one whose conditions do not hold is not among them."""
    application = invocation.application
    scope = scope_of(invocation, directory)
    found = [ExpectedOutput(one, one.id, scope.paths[one.id]) for one in application.outputs if one.id in scope.paths]
    found += _of_commands(application.inputs, invocation.values, "")
    for stream in application.streams:
        one = ExpectedOutput.__new__(ExpectedOutput)
        one.id, one.name, one.pattern, one.optional, one.list = stream.id, stream.name, f"{stream.id}.txt", False, False
        one.stream = stream.stream
        found.append(one)
    return tuple(found)


def _of_commands(inputs: Sequence[Input], values: Mapping[str, Value], prefix: str) -> Iterator[ExpectedOutput]:
    for one in inputs:
        value = values.get(one.id)
        if one.type != COMMAND or value is None:
            continue
        several = value if isinstance(value, tuple) else (value,)
        for number, item in enumerate(several):
            command, inner = subcommand_of({each.id: each for each in one.commands}, item)
            here = f"{prefix}{one.id}." if len(several) == 1 else f"{prefix}{one.id}.{number}."
            places = paths(command.inputs, command.outputs, inner, "", command.id)
            yield from (ExpectedOutput(each, here + each.id, places[each.id]) for each in command.outputs if each.id in places)
            yield from _of_commands(command.inputs, inner, here)


def collect(expected: Sequence[ExpectedOutput], directory: str) -> tuple[FoundOutput, ...]:
    """What there is of the expected outputs in a directory. A link that leaves the directory is never followed: it may name any file."""
    base = os.path.realpath(directory)
    return tuple(_collected(one, directory, base) for one in expected)


def _collected(one: ExpectedOutput, directory: str, base: str) -> FoundOutput:
    pattern = relative(one.pattern, directory)
    if pattern is None:
        return FoundOutput(one.id, (), f"{printable(one.pattern)} lies outside of {printable(directory)}", optional=one.optional)
    found = matching(pattern, directory)
    inside = tuple(path for path in found if _is_inside(os.path.join(directory, path), base))
    problem = ""
    if len(inside) < len(found):
        problem = f"{printable(next(p for p in found if p not in inside))} is a link that leaves the directory"
    elif not found and not one.optional:
        problem = f"{printable(one.pattern)} is missing"
    elif len(found) > MAX_FOUND:
        problem = f"more than {MAX_FOUND} files match {printable(one.pattern)}"
    elif len(found) > 1 and not one.list:
        problem = f"{len(found)} files match {printable(one.pattern)}, and it is no list"
    return FoundOutput(one.id, inside[:MAX_FOUND], problem, optional=one.optional)


def relative(pattern: str, directory: str) -> str | None:
    """A path or pattern below a directory, relative to it; nothing for one that is not."""
    whole = os.path.normpath(os.path.join(directory, pattern))
    base = os.path.normpath(directory)
    if whole == base:
        return "."
    return whole[len(base.rstrip("/")) + 1 :] if whole.startswith(base.rstrip("/") + "/") else None


def _is_inside(path: str, base: str) -> bool:
    real = os.path.realpath(path)
    return real == base or real.startswith(base.rstrip("/") + "/")


def matching(pattern: str, directory: str) -> list[str]:
    """The files of a directory that a pattern matches, sorted; its wildcards never match a `/` or the dot of a hidden file."""
    if os.path.lexists(os.path.join(directory, pattern)):
        return [pattern]
    if not any(letter in _WILD for letter in pattern):
        return []
    found = [""]
    for part in pattern.split("/"):
        found = list(_step(found, part, directory))[: MAX_FOUND + 1]
    return sorted(found)


def _step(places: list[str], part: str, directory: str) -> Iterator[str]:
    if not any(letter in _WILD for letter in part):
        for place in places:
            path = f"{place}/{part}" if place else part
            if os.path.lexists(os.path.join(directory, path)):
                yield path
        return
    from fnmatch import fnmatchcase

    for place in places:
        try:
            names = os.listdir(os.path.join(directory, place) if place else directory)
        except OSError:
            continue
        for name in names:
            if (not name.startswith(".") or part.startswith(".")) and fnmatchcase(name, part):
                yield f"{place}/{name}" if place else name
