"""`sampan diff`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime import run
from sampan.runtime.diff import diff
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "diff",
    "list what a container has changed in its image",
    (Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table"),),
    (Argument("CONTAINER", "1", "a name or an id"),),
    description="A line a path: A added, C changed, D deleted. What is mounted in it is not looked at. It may run.",
    examples=(("sampan diff work", "what `sampan commit work` would keep"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """A line a change."""
    session = context.session()
    found = diff(run.named(str(parsed.values["container"]), session), session)
    if parsed.text("format") == "json":
        output.json_result([{"kind": kind, "path": path} for kind, path in found])
    else:
        output.result("".join(f"{kind} {path}\n" for kind, path in found))
    return 0
