"""`sampan history`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime.history import MISSING, history
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "history",
    "show the steps that made an image, the last one first",
    (
        Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table"),
        Option("--no-trunc", FLAG, "ids and commands in full"),
        Option("-q --ids", FLAG, "ids alone"),
    ),
    (Argument("IMAGE", "1", "a reference or an id"),),
    description="The size is that of a step's layer as it is stored.",
    examples=(("sampan history --no-trunc debian:12", "with the whole commands"),),
)
_MAX_COMMAND = 45


def main(parsed: Parsed, context: Context) -> int:
    """Docker's columns, or JSON."""
    steps = history(str(parsed.values["image"]), context.session())
    full = parsed.flag("no_trunc")
    if parsed.text("format") == "json":
        output.json_result([step.document() for step in steps])
        return 0
    ids = [step.image if full or step.image == MISSING else output.short(step.image) for step in steps]
    if parsed.flag("ids"):
        output.result("".join(f"{id}\n" for id in ids))
        return 0
    rows = [
        (
            id,
            output.age(step.created) if step.created else "-",
            _shown(step.created_by, full) or "-",
            output.size(step.size),
            _shown(step.comment, full),
        )
        for id, step in zip(ids, steps)
    ]
    output.result(output.columns(("IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"), rows))
    return 0


def _shown(text: str, full: bool) -> str:
    """One line of what somebody wrote into an image."""
    from sampan.errors import printable

    text = printable(" ".join(text.split()))
    return text if full or len(text) <= _MAX_COMMAND else text[: _MAX_COMMAND - 1] + "…"
