#!/usr/bin/env python3
"""Write docs/reference/commands.md and a page per command beside it, and one per compatible program, from the option tables.

A test compares them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from sampan.cli import PROGRAMS  # noqa: E402
from sampan.cli.tables import commands  # noqa: E402
from sampan.compat.program import Program, leading_options, table_of  # noqa: E402
from sampan.terminal.help import explained, spelled, usage  # noqa: E402
from sampan.terminal.manual import exit_statuses, related, themes  # noqa: E402

if TYPE_CHECKING:
    from sampan.options.table import Command

FOLDER = ROOT / "docs/reference"
INTRODUCTION = """# Commands

Made from the tables that the program itself reads, as `sampan COMMAND --help`, the man pages (`man sampan-run`) and the completion of bash, zsh and fish are.

- In front of a command `--quiet` leaves errors alone, `--debug` shows where an unexpected error comes from.
- Options are written as Docker's: `--name x`, `--name=x`, `-w x`, `-wx`, `-it`, `--rm=false`. Those of `run`, `create`, `start`, `exec` and `wrap` end at the first argument, so that what follows reaches the program.
- Results go to standard output, everything else to standard error. `--format json` gives arrays of objects with ISO 8601 times and sizes in bytes.
- Exit status: the program's own where one is run; 125 if sampan failed, 126 if the program cannot be executed, 127 if it is not there, 130 after Ctrl-C.
"""


def page_name(command: Command) -> str:
    """`store du` -> `store-du`."""
    return command.words.replace(" ", "-")


def cell(text: str) -> str:
    """Safe in a table of Markdown."""
    return text.replace("|", "\\|")


def table(head: str, rows: list[tuple[str, str]]) -> list[str]:
    """Two columns, the left one as code."""
    return [f"| {head} | meaning |", "|---|---|", *(f"| `{cell(left)}` | {cell(right)} |" for left, right in rows), ""]


def page(command: Command, names: dict[str, str]) -> str:
    """The page of one command; `names` leads from the words of every command to its page."""
    lines = [f"# sampan {command.words}", "", "```", usage(command), "```", ""]
    lines += [f"{command.summary[0].upper()}{command.summary[1:]}. {command.description}".rstrip(), ""]
    if command.arguments:
        lines += table("argument", [(argument.metavar, argument.help) for argument in command.arguments])
    for at, (theme, options) in enumerate(themes(command)):
        lines += ["## Options", ""] if at == 0 else []
        lines += [f"### {theme[0].upper()}{theme[1:]}", ""] if theme != "options" else []
        lines += table("option", [(spelled(option), explained(option)) for option in options])
    if command.examples:
        lines += ["## Examples", ""]
        for words, meaning in command.examples:
            lines += [f"{meaning[0].upper()}{meaning[1:]}:", "", "```", words, "```", ""]
    lines += ["## Exit status", "", *table("status", exit_statuses(command))]
    others = [f"[sampan {name}]({names[name]}.md)" for name in related(command, list(names))]
    return "\n".join([*lines, "See also: " + ", ".join(others), ""] if others else lines)


def index(groups: list[tuple[str, list[Command]]]) -> str:
    """The page that leads to the others."""
    parts = [INTRODUCTION]
    for group, here in groups:
        parts.append(f"## {group[0].upper()}{group[1:]}\n\n| command | what it does |\n|---|---|")
        parts += [f"| [{command.words}](commands/{page_name(command)}.md) | {cell(command.summary)} |" for command in here]
        pages = "\n".join(f"commands/{page_name(command)}" for command in here)
        parts.append(f"\n```{{toctree}}\n:hidden:\n\n{pages}\n```\n")
    return "\n".join(parts)


def program(name: str) -> Program:
    """The table of a compatible program."""
    found: Program = __import__(PROGRAMS[name][0], fromlist=["PROGRAM"]).PROGRAM
    return found


def program_page(found: Program) -> str:
    """Every verb and option of a compatible program, with what becomes of it."""
    name = found.name
    lines = [
        f"# {name}",
        "",
        (
            f"Every verb and option of `{found.version}` as `sampan {name}` and its shim have them, made from the tables that the program itself"
            " reads. What is refused ends with a sentence that says why; what is ignored is said in a line if it could be missed."
        ),
        "",
    ]
    lines += [
        "## Before the verb",
        "",
        *table("option", [(spelled(option), explained(option)) for option in leading_options(found)]),
    ]
    others: dict[str, list[str]] = {}
    for alias, verb in found.aliases.items():
        others.setdefault(verb, []).append(f"`{alias}`")
    for verb in found.verbs:
        command = table_of(found, verb)
        also = f" Also {', '.join(others[verb])}." if verb in others else ""
        lines += [f"## {name} {verb}", "", f"{command.summary[0].upper()}{command.summary[1:]}.{also}", ""]
        if command.options:
            lines += table("option", [(spelled(option), explained(option)) for option in command.options])
    lines += [
        "## Refused",
        "",
        "| verb | why |",
        "|---|---|",
        *(f"| `{verb}` | {cell(why)} |" for verb, why in found.refused.items()),
        "",
    ]
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Every page by its path below docs/reference."""
    groups = commands()
    every = [command for _, here in groups for command in here]
    names = {command.words: page_name(command) for command in every}
    return {"commands.md": index(groups), **{f"commands/{page_name(one)}.md": page(one, names) for one in every}}


def program_pages() -> dict[str, str]:
    """The pages of compatible programs, the same way."""
    return {f"{name}.md": program_page(program(name)) for name in PROGRAMS}


if __name__ == "__main__":
    (FOLDER / "commands").mkdir(exist_ok=True)
    written = pages()
    for old in (FOLDER / "commands").glob("*.md"):
        if f"commands/{old.name}" not in written:
            old.unlink()
    for name, text in (*written.items(), *program_pages().items()):
        (FOLDER / name).write_text(text)
