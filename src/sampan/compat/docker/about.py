"""`docker version` and `docker info`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import Command
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs


def version(call: Call) -> int:
    """The version."""
    result(f"{call.program.version}\n")
    return 0


VERBS: Verbs = {"version": (Command("version", "show versions"), version)}
