r"""Lines by a template of Docker's kind: `{{.ID}} {{.Names}}`, `table {{.ID}}\t{{.Image}}`, `{{json .}}`, `{{.Label "x"}}`.

Of Go's templates only fields, `json` and one function of a field: what is written in people's scripts for lists. Anything else is
refused by name, never printed as it stands.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.terminal.output import columns
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Union

    # Of each field its text, or what makes one of an argument.
    Row = Mapping[str, Union[str, Callable[[str], str]]]

_ESCAPES = (("\\t", "\t"), ("\\n", "\n"))


def rendered(template: str, fields: Sequence[str], rows: Sequence[Row]) -> str:
    """A line a row, or with `table ` in front columns with a header. `fields` are the names a row has. Raises `UsageError`."""
    is_table = template.startswith("table ")
    text = template[len("table ") :] if is_table else template
    for escape, letter in _ESCAPES:
        text = text.replace(escape, letter)
    parts = _parts(text, fields)
    lines = ["".join(part.text(row) for part in parts) for row in rows]
    if not is_table:
        return "".join(f"{line}\n" for line in lines)
    header = "".join(part.title for part in parts)
    return columns(tuple(header.split("\t")), [tuple(line.split("\t")) for line in lines])


@frozen
class _Part:
    """A piece of a line: `title` stands for it in a header."""

    title: str
    text: Callable[[Row], str]


def _parts(text: str, fields: Sequence[str]) -> list[_Part]:
    found = []
    while text:
        literal, opened, rest = text.partition("{{")
        inner, closed, text = rest.partition("}}")
        if opened and not closed:
            raise UsageError(f"--format has {{{{ without }}}}: {opened}{rest}")
        if literal:
            found.append(_literal(literal))
        if opened:
            found.append(_field(inner.strip(), fields))
    return found


def _literal(text: str) -> _Part:
    return _Part(text, lambda _row: text)


def _field(words: str, fields: Sequence[str]) -> _Part:
    if words == "json .":
        return _Part("JSON", lambda row: _json({name: row[name] for name in fields if isinstance(row[name], str)}))
    as_json = words.startswith("json ")
    path = words[len("json ") :].strip() if as_json else words
    name, _, argument = path[1:].partition(" ")
    if not path.startswith(".") or name not in fields:
        known = ", ".join(f".{field}" for field in fields)
        raise UsageError(f"--format does not know {{{{{words}}}}}", f"fields are {known}; `json` in front of one, and `json .`")
    argument = argument.strip().strip('"`')

    def value(row: Row) -> str:
        found = row[name]
        text = found if isinstance(found, str) else found(argument)
        return _json(text) if as_json else text

    return _Part((argument or name).upper(), value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
