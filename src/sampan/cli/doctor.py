"""`sampan doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import VALUE, Command, Option
from sampan.runtime.doctor import examine
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed
    from sampan.runtime.doctor import Finding

COMMAND = Command(
    "doctor",
    "say what works on this machine, and why something does not",
    (Option("--format", VALUE, "`text` or `json`", "FORMAT", ("text", "json"), "text"),),
    description=(
        "Describes the machine: each engine and what it can and cannot do, other architectures, formats of layers. Exit status 0 if "
        "containers can be run here, 125 otherwise. `sampan self-check` tries the steps of a start one by one, for jobs."
    ),
    examples=(("sampan doctor", "the first thing to ask on a new machine"),),
)
MARKS = {"ok": "ok  ", "warning": "note", "missing": "no  "}


def main(parsed: Parsed, context: Context) -> int:
    """What is known of this machine."""
    findings = examine(context.settings)
    show(findings, parsed.text("format") or "")
    return 125 if any(finding.fatal and finding.state == "missing" for finding in findings) else 0


def show(findings: list[Finding], form: str) -> None:
    """A line a finding, with a hint below where something is missing; or JSON."""
    if form == "json":
        output.json_result([finding.document() for finding in findings])
        return
    for finding in findings:
        output.result(f"{MARKS[finding.state]}  {finding.what}: {finding.words}\n")
        if finding.hint:
            output.result(f"      hint: {finding.hint}\n")
