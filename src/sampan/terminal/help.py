"""`--help` from the option tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.unserved import Unserved
from sampan.terminal.manual import themes

if TYPE_CHECKING:
    from sampan.options.table import Argument, Command, Option

WIDTH = 100


def usage(command: Command, program: str = "sampan") -> str:
    """The line that shows how the command is written."""
    words = [program, command.words]
    if command.options:
        words.append("[OPTION...]")
    return " ".join(words + [_shape(argument) for argument in command.arguments])


def _shape(argument: Argument) -> str:
    return {"1": "{}", "?": "[{}]", "*": "[{}...]", "+": "{}..."}[argument.count].format(argument.metavar)


def render(command: Command, program: str = "sampan") -> str:
    """The whole help of one command."""
    lines = [f"usage: {usage(command, program)}", "", command.summary[0].upper() + command.summary[1:] + "."]
    if command.description:
        lines += ["", *_wrapped(command.description, 0)]
    if command.arguments:
        lines += ["", "arguments:", *_table([(argument.metavar, argument.help) for argument in command.arguments])]
    for title, options in themes(command):
        lines += ["", f"{title}:", *_table([(spelled(option), explained(option)) for option in options])]
    if command.examples:
        lines += ["", "examples:"]
        lines += [line for words, meaning in command.examples for line in (f"  {words}", f"      {meaning}")]
    return "\n".join(lines) + "\n"


def spelled(option: Option) -> str:
    """`-v, --volume SOURCE[:TARGET]`."""
    value = option.metavar and {"optional": f"[={option.metavar}]"}.get(option.kind, f" {option.metavar}")
    return ", ".join(option.spellings) + value


def explained(option: Option) -> str:
    """The help line, with a note where an option may be repeated."""
    if isinstance(option, Unserved):
        return option.explained
    return option.help + (" (may be repeated)" if option.kind == "list" else "")


def _table(rows: list[tuple[str, str]]) -> list[str]:
    width = min(max(len(left) for left, _ in rows), 34)
    lines = []
    for left, right in rows:
        first, *rest = _wrapped(right, width + 4)
        lines.append(f"  {left.ljust(width)}  {first.lstrip()}" if len(left) <= width else f"  {left}\n{first}")
        lines += rest
    return lines


def _wrapped(text: str, indent: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * indent) or [""]


def verbs(noun: str, summary: str, rows: list[tuple[str, str]]) -> str:
    """`sampan NOUN --help`: the verbs of a noun."""
    lines = [f"usage: sampan {noun} VERB ...", "", f"{summary[0].upper()}{summary[1:]}.", "", "verbs:", *_table(rows)]
    return "\n".join([*lines, "", f"`sampan {noun} VERB --help` shows the options of a verb."]) + "\n"


def program(name: str, verbs: list[tuple[str, str]], options: list[tuple[str, str]]) -> str:
    """`docker --help`: the verbs of a compatible program."""
    lines = [f"usage: {name} [OPTION...] COMMAND ...", "", f"The command line of {name}, served by sampan: no daemon, no root."]
    lines += ["", "options:", *_table(options), "", "commands:", *_table(verbs)]
    return "\n".join([*lines, "", f"`{name} COMMAND --help` shows the options of a command."]) + "\n"


def overview(groups: list[tuple[str, list[tuple[str, str]]]]) -> str:
    """`sampan --help`: the commands by what they are for."""
    lines = ["usage: sampan [--quiet|--debug] COMMAND ...", "", "Run container images without root and without a daemon."]
    for title, rows in groups:
        lines += ["", f"{title}:", *_table(rows)]
    lines += ["", "`sampan COMMAND --help` shows the options of a command."]
    return "\n".join(lines) + "\n"
