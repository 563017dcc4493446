"""`sampan images`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime.images import listed
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "images",
    "list the images in the store, newest first",
    (
        Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table"),
        Option("-q --ids", FLAG, "ids alone"),
        Option("--no-trunc", FLAG, "ids in full"),
    ),
    (Argument("NAME", "?", "only the images of this name"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """The table or JSON on standard output."""
    found = listed(context.session(), parsed.text("name"))
    if parsed.text("format") == "json":
        output.json_result([entry.document() for entry in found])
        return 0
    full = parsed.flag("no_trunc")
    if parsed.flag("ids"):
        output.result("".join(f"{entry.config if full else output.short(entry.config)}\n" for entry in found))
        return 0
    rows = [
        (
            entry.name,
            entry.tag,
            entry.config if full else output.short(entry.config),
            output.age(entry.pulled),
            output.size(entry.unpacked),
        )
        for entry in found
    ]
    output.result(output.columns(("NAME", "TAG", "ID", "PULLED", "SIZE"), rows))
    return 0
