"""Man pages from the option tables, in the language of man(7). Pure.

Texts of the tables have one mark, `words` for what is typed, which becomes bold. Everything else is escaped: a
backslash, a hyphen that shall stay one, and a full stop or quote that would begin a request at the start of a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.terminal.help import explained
from sampan.terminal.manual import exit_statuses, related, themes, variables

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.options.table import Argument, Command, Option
    from sampan.settings import Setting


def file_name(words: str) -> str:
    """`store du` -> `sampan-store-du.1`."""
    return f"sampan-{words.replace(' ', '-')}.1"


def render(command: Command, names: list[str], settings: dict[str, Setting], version: str) -> str:
    """The page of one command; `names` are those of all commands, for SEE ALSO."""
    title = file_name(command.words)[:-2]
    lines = [*_head(title, command.summary, version), ".SH SYNOPSIS", *_synopsis(command), ".SH DESCRIPTION"]
    summary = f"{command.summary[0].upper()}{command.summary[1:]}."
    lines.append(_text(f"{summary} {command.description}".rstrip()))
    for argument in command.arguments:
        lines += _item(f"\\fI{_plain(argument.metavar)}\\fP", argument.help)
    for at, (theme, options) in enumerate(themes(command)):
        lines += [".SH OPTIONS"] if at == 0 else []
        lines += [f".SS {_text(theme)}"] if theme != "options" else []
        for option in options:
            lines += _item(_spelled(option), explained(option))
    if command.examples:
        lines.append(".SH EXAMPLES")
        lines += [line for words, meaning in command.examples for line in _item(f"\\fB{_plain(words)}\\fP", meaning)]
    lines.append(".SH EXIT STATUS")
    lines += [line for status, meaning in exit_statuses(command) for line in _item(_plain(status), meaning)]
    known = [settings[name] for name in variables(command)]
    if known:
        lines += [".SH ENVIRONMENT", *_variables(known), ".PP", _text("All settings are in"), ".BR sampan (1)."]
    others = [f"sampan-{name.replace(' ', '-')}" for name in related(command, names)]
    return "\n".join([*lines, ".SH SEE ALSO", *_references(["sampan", *others])]) + "\n"


def overview(groups: list[tuple[str, list[Command]]], settings: Iterable[Setting], version: str) -> str:
    """`sampan(1)`: the commands by what they are for, the settings, the exit statuses that all share."""
    lines = [*_head("sampan", "run container images without root and without a daemon", version), ".SH SYNOPSIS"]
    lines += [r"\fBsampan\fP [\fB\-\-quiet\fP|\fB\-\-debug\fP] \fICOMMAND\fP \&...", ".SH DESCRIPTION"]
    lines.append(
        _text(
            "Runs programs in images of any OCI or Docker registry as an ordinary user. Results go to standard output; progress, notices and "
            "errors go to standard error. `--quiet` leaves errors alone, `--debug` shows where an unexpected error comes from."
        )
    )
    lines.append(".SH COMMANDS")
    for title, commands in groups:
        lines.append(f".SS {_text(title)}")
        for command in commands:
            lines += _item(f"\\fBsampan\\-{_plain(command.words.replace(' ', '-'))}\\fP(1)", f"{command.summary}")
    lines += [".SH EXIT STATUS", _text("The program's own for the commands that run one; else")]
    lines += [*_item("0", "all was done"), *_item("125", "sampan failed, or was used wrongly")]
    lines += [*_item("126", "the program cannot be executed"), *_item("127", "the program is not there")]
    lines += [*_item("130", "Ctrl\\-C; what was complete is kept"), ".SH ENVIRONMENT"]
    lines.append(_text("Each setting may stand in a file too, by the name that `sampan config` shows."))
    lines += [*_variables(settings), *_item("\\fBNO_COLOR\\fP", "no colours"), ".SH FILES"]
    lines += _item("\\fI/etc/sampan/config.toml\\fP", "settings of the machine")
    lines += _item("\\fI~/.config/sampan/config.toml\\fP", "settings of the user, which win")
    return "\n".join([*lines, ".SH SEE ALSO", *_references(["sampan-run", "sampan-pull", "sampan-doctor"])]) + "\n"


def _head(title: str, summary: str, version: str) -> list[str]:
    return [
        f'.TH {_plain(title.upper())} 1 "" "sampan {version}" "sampan"',
        ".nh",
        ".SH NAME",
        f"{_plain(title)} \\- {_text(summary)}",
    ]


def _synopsis(command: Command) -> list[str]:
    options = " [\\fIOPTION\\fP...]" if command.options else ""
    return [f"\\fBsampan {_plain(command.words)}\\fP{options}" + "".join(f" {_shape(one)}" for one in command.arguments)]


def _shape(argument: Argument) -> str:
    form = {"1": "{}", "?": "[{}]", "*": "[{}...]", "+": "{}..."}[argument.count]
    return form.format(f"\\fI{_plain(argument.metavar)}\\fP")


def _spelled(option: Option) -> str:
    value = option.metavar and {"optional": f"[=\\fI{_plain(option.metavar)}\\fP]"}.get(
        option.kind, f" \\fI{_plain(option.metavar)}\\fP"
    )
    return ", ".join(f"\\fB{_plain(spelling)}\\fP" for spelling in option.spellings) + value


def _variables(settings: Iterable[Setting]) -> list[str]:
    return [line for one in settings for line in _item(f"\\fB{_plain(one.variable)}\\fP", one.help)]


def _references(names: list[str]) -> list[str]:
    return [f".BR {_plain(name)} (1){',' if at < len(names) else ''}" for at, name in enumerate(names, 1)]


def _item(term: str, text: str) -> list[str]:
    return [".TP", term, _text(text)]


def _plain(text: str) -> str:
    return (
        text.replace("\\", "\\e")
        .replace("-", "\\-")
        .replace("'", "\\(aq")
        .replace("`", "\\(ga")
        .replace("^", "\\(ha")
        .replace("~", "\\(ti")
    )


def _text(text: str) -> str:
    """Running text: what stands between backquotes becomes bold, nothing begins a request."""
    parts = text.replace("\\-", "-").split("`")
    if len(parts) % 2 == 0:
        parts = [text]
    joined = "".join(f"\\fB{_plain(part)}\\fP" if at % 2 else _plain(part) for at, part in enumerate(parts))
    return "\\&" + joined if joined.startswith((".", "\\(aq")) else joined
