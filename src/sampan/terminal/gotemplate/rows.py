"""Lists by a template: a line a row, or with `table ` in front columns with a header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.terminal.gotemplate.evaluate import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TABLE = "table "


def is_table(form: str) -> bool:
    """Whether a template asks for columns."""
    return form.startswith(TABLE)


def rendered(
    form: str,
    titles: Mapping[str, object],
    rows: Sequence[Mapping[str, object]],
    layout: Callable[[Sequence[Sequence[str]]], str],
) -> str:
    r"""The rows by a template; `titles` are the fields that a row has with their titles, `layout` makes columns of cells.

    `\t` and `\n` outside of actions are what they are in C, as Docker has it. Raises `UsageError`, also where there is no row.
    """
    text = form[len(TABLE) :] if is_table(form) else form
    template = Template(_unescaped(text))
    header = template.render(dict(titles))
    lines = [template.render(dict(row)) for row in rows]
    if is_table(form):
        return layout([line.split("\t") for line in (header, *lines)])
    return "".join(f"{line}\n" for line in lines)


def _unescaped(text: str) -> str:
    first, *others = text.split("{{")
    found = _letters(first)
    for part in others:
        action, closed, rest = part.partition("}}")
        found += "{{" + action + closed + _letters(rest)
    return found


def _letters(text: str) -> str:
    return text.replace("\\t", "\t").replace("\\n", "\n")


def tabbed(lines: Sequence[Sequence[str]], least: int, gap: int) -> str:
    """Columns as Go's tabwriter makes them: each at least `least` wide, with `gap` spaces behind the widest cell."""
    count = max((len(line) for line in lines), default=0)
    widths = [max(least, *(len(line[at]) + gap for line in lines if len(line) > at + 1), 0) for at in range(count)]
    return "".join(
        "".join(cell.ljust(widths[at]) if at + 1 < len(line) else cell for at, cell in enumerate(line)).rstrip(" ") + "\n"
        for line in lines
    )
