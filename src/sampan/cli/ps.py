"""`sampan ps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import FLAG, VALUE, Command, Option
from sampan.runtime import containers
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

FORMAT = Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table")
COMMAND = Command(
    "ps",
    "list containers, newest first",
    (
        Option("-a --all", FLAG, "also those that do not run"),
        Option("-q --ids", FLAG, "ids alone"),
        Option("--no-trunc", FLAG, "ids in full"),
        FORMAT,
    ),
    examples=(("sampan ps -a", "all containers"), ("sampan rm $(sampan ps -aq)", "remove all that do not run")),
)


def main(parsed: Parsed, context: Context) -> int:
    """The table or JSON on standard output."""
    found = containers.listed(context.session(), everything=parsed.flag("all"))
    if parsed.text("format") == "json":
        output.json_result([entry.document() for entry in found])
        return 0
    ids = [entry.id if parsed.flag("no_trunc") else output.short(entry.id) for entry in found]
    if parsed.flag("ids"):
        output.result("".join(f"{id}\n" for id in ids))
        return 0
    rows = [
        (id, _image(entry.image), " ".join(entry.command) or "-", output.age(entry.created), entry.status, entry.name or "-")
        for id, entry in zip(ids, found)
    ]
    output.result(output.columns(("CONTAINER", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAME"), rows))
    return 0


def _image(reference: str) -> str:
    """An image without a name is shown by its id."""
    return output.short(reference) if reference.startswith("sha256:") else reference
