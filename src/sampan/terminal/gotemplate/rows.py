"""Lists by a template: a line a row, or with `table ` in front columns with a header."""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` costs what a short list takes
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
    text = _unescaped(form[len(TABLE) :] if is_table(form) else form)
    render = _plain(text, titles, rows) or _by_template(text)
    header = render(titles)  # in any case: a field that there is not is an error, also where there is no row
    lines = [render(row) for row in rows]
    if is_table(form):
        return layout([line.split("\t") for line in (header, *lines)])
    return "".join(f"{line}\n" for line in lines)


def _by_template(text: str) -> Callable[[Mapping[str, object]], str]:
    from sampan.terminal.gotemplate.evaluate import Template

    template = Template(text)
    return lambda row: template.render(dict(row))


def _plain(
    text: str, titles: Mapping[str, object], rows: Sequence[Mapping[str, object]]
) -> Callable[[Mapping[str, object]], str] | None:
    """For a template of nothing but `{{.Field}}`, as those of the default tables, what renders it without the engine.

    `None` if there is more in it, or a field that is unknown or not a text. The engine costs as much as all else of a list of 200.
    """
    first, *others = text.split("{{")
    fields: list[str] = []
    between: list[str] = []
    for part in others:
        action, closed, rest = part.partition("}}")
        name = action.strip(" ")
        if not closed or name[:1] != "." or not isinstance(titles.get(name[1:]), str):
            return None
        fields.append(name[1:])
        between.append(rest)
    if not all(type(row.get(field)) is str for row in rows for field in fields):
        return None
    pattern = first.replace("%", "%%") + "".join(f"%s{rest.replace('%', '%%')}" for rest in between)
    return lambda row: pattern % tuple(row[field] for field in fields)


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
