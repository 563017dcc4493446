"""`sampan doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import VALUE, Command, Option
from sampan.runtime.doctor import examine
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "doctor",
    "say what works on this machine, and why something does not",
    (Option("--format", VALUE, "`text` or `json`", "FORMAT", ("text", "json"), "text"),),
    description="Exit status 0 if containers can be run here, 125 otherwise.",
    examples=(("sampan doctor", "the first thing to ask on a new machine"),),
)
MARKS = {"ok": "ok  ", "warning": "note", "missing": "no  "}


def main(parsed: Parsed, context: Context) -> int:
    """A line a finding, with a hint below where something is missing."""
    findings = examine(context.settings)
    if parsed.text("format") == "json":
        output.json_result([finding.document() for finding in findings])
    else:
        for finding in findings:
            output.result(f"{MARKS[finding.state]}  {finding.what}: {finding.words}\n")
            if finding.hint:
                output.result(f"      hint: {finding.hint}\n")
    return 125 if any(finding.fatal and finding.state == "missing" for finding in findings) else 0
