#!/usr/bin/env python3
"""Write docs/reference/commands.md from the option tables. A test compares the page with what this would write."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from sampan.cli import GROUPS  # noqa: E402
from sampan.terminal.help import explained, spelled, usage  # noqa: E402

if TYPE_CHECKING:
    from sampan.options.table import Command

PAGE = ROOT / "docs/reference/commands.md"


def commands() -> list[tuple[str, list[Command]]]:
    """The commands of each group, a noun's verbs one by one."""
    found = []
    for group, table in GROUPS.items():
        here = []
        for module, _ in table.values():
            loaded = __import__(module, fromlist=["COMMAND"])
            here += [command for command, _ in loaded.VERBS.values()] if hasattr(loaded, "VERBS") else [loaded.COMMAND]
        found.append((group, here))
    return found


def described(command: Command) -> str:
    """The section of one command."""
    lines = [
        f"### sampan {command.words}",
        "",
        f"`{usage(command)}`",
        "",
        f"{command.summary[0].upper()}{command.summary[1:]}. {command.description}".rstrip(),
    ]
    if command.arguments:
        lines += ["", "| argument | meaning |", "|---|---|"] + [
            f"| `{argument.metavar}` | {argument.help} |" for argument in command.arguments
        ]
    if command.options:
        lines += ["", "| option | meaning |", "|---|---|"]
        lines += [
            f"| `{spelled(option).replace('|', chr(92) + '|')}` | {explained(option).replace('|', chr(92) + '|')} |"
            for option in command.options
        ]
    if command.examples:
        lines += ["", "```"] + [f"{words}    # {meaning}" for words, meaning in command.examples] + ["```"]
    return "\n".join(lines) + "\n"


def page() -> str:
    """The whole page."""
    parts = [
        "# Commands\n\nMade from the tables that the program itself reads (`scripts/reference.py`). Exit status: the payload's own; 125 if sampan failed, 126 if the\nprogram cannot be executed, 127 if it is not there.\n"
    ]
    for group, here in commands():
        parts.append(f"## {group[0].upper()}{group[1:]}\n")
        parts += [described(command) for command in here]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page())
