"""Every option table there is, for what describes them all: man pages, the reference, tests. Imports every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli import GROUPS

if TYPE_CHECKING:
    from sampan.options.table import Command


def commands() -> list[tuple[str, list[Command]]]:
    """The commands of each group, a noun's verbs one by one."""
    found = []
    for group, table in GROUPS.items():
        here: list[Command] = []
        for module, _ in table.values():
            loaded = __import__(module, fromlist=["COMMAND"])
            here += [command for command, _ in loaded.VERBS.values()] if hasattr(loaded, "VERBS") else [loaded.COMMAND]
        found.append((group, here))
    return found
