"""Where output files will lie: path templates and conditional ones, filled in. Pure; on the path of `app launch`.

What goes into a path is not quoted, it is no shell text: `render` quotes the path as a whole where the command line names it.
"""

from __future__ import annotations

import os

from sampan.apps import template
from sampan.apps.application import FILE, STRING
from sampan.errors import BadValues, Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.apps.application import Input, Output, Value


def conditions_ids(inputs: Sequence[Input]) -> dict[str, str]:
    """What names an input in a condition: its id, and its value key."""
    return {**{one.value_key: one.id for one in inputs if one.value_key}, **{one.id: one.id for one in inputs}}


def paths(
    inputs: Sequence[Input], outputs: Sequence[Output], values: Mapping[str, Value], directory: str, what: str
) -> dict[str, str]:
    """The path of each output, relative as the descriptor has it; none where no condition holds.

    A template may name other outputs by their keys: as many rounds are made as there are outputs. Raises `BadValues`.
    """
    chosen = {one.id: found for one in outputs if (found := _template(one, inputs, values, what)) is not None}
    keys = {one.value_key: one for one in inputs if one.value_key}
    filled = {one.id: _filled(chosen[one.id], one, keys, values) for one in outputs if one.id in chosen}
    others = {one.value_key: one.id for one in outputs if one.value_key and one.id in filled}
    for _ in others:
        before = dict(filled)
        for id, path in before.items():
            cuts = template.cut(path, others)
            filled[id] = "".join(text + (before[others[key]] if key and others[key] != id else "") for text, key in cuts)
        if filled == before:
            break
    return {one.id: _placed(filled[one.id], directory, absolute=one.absolute) for one in outputs if one.id in filled}


def _placed(path: str, directory: str, *, absolute: bool) -> str:
    if absolute and not path.startswith("/"):
        return os.path.normpath(os.path.join(directory or os.getcwd(), path))
    # A name that begins with a dash would be an option to the program that gets it.
    return f"./{path}" if path.startswith("-") else path


def _template(output: Output, inputs: Sequence[Input], values: Mapping[str, Value], what: str) -> str | None:
    if not output.conditions:
        return output.path
    from sampan.apps import expression  # few applications have conditions

    ids = conditions_ids(inputs)
    for condition, path in output.conditions:
        try:
            if condition.strip() == "default" or expression.evaluate(condition, ids, values):
                return path
        except expression.BadExpression as error:
            raise BadValues(f"cannot tell where {what} writes", (Problem(output.id, str(error)),)) from error
    return None


def _filled(path: str, output: Output, keys: Mapping[str, Input], values: Mapping[str, Value]) -> str:
    parts = []
    for text, key in template.cut(path, keys):
        parts.append(text)
        if not key:
            continue
        one = keys[key]
        value = values.get(one.id)
        if value is not None:
            parts.append(_in_path(value, one, output, first=not "".join(parts)))
    return "".join(parts)


def _in_path(value: Value, one: Input, output: Output, *, first: bool) -> str:
    """A value in a path: without the extensions to be stripped, and of a file only its name unless the path begins with it."""
    found = []
    for text in [template.shown(item) for item in (value if isinstance(value, tuple) else (value,))]:
        stripped = stripped_of(text, output.stripped) if one.type in (FILE, STRING) else text
        found.append(os.path.basename(stripped) if one.type == FILE and not first else stripped)
    return one.separator.join(found)


def stripped_of(text: str, extensions: Sequence[str]) -> str:
    """A name without the longest of the extensions that it ends with."""
    for extension in sorted(extensions, key=len, reverse=True):
        if extension and text.endswith(extension) and len(text) > len(extension):
            return text[: -len(extension)]
    return text
