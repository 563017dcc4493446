"""`sampan self-check`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.doctor import show
from sampan.options.table import VALUE, Command, Option
from sampan.runtime.self_check import check

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "self-check",
    "try on this node what a job's start does",
    (
        Option("--registry", VALUE, "also ask this registry, or for this image; else the network is not touched", "NAME"),
        Option("--format", VALUE, "`text` or `json`", "FORMAT", ("text", "json"), "text"),
    ),
    description=(
        "Each step is really done, in a root that holds nothing but sampan's launcher: programs are started in a root of their own, with "
        "changes, binds, processes and a log, and nothing is left behind. No image and no network is needed. Exit status 0 if `run` works "
        "here, else 1. `sampan doctor` tells more of the machine: each engine, other architectures, and what would make more possible."
    ),
    examples=(
        ("sampan self-check", "at the head of a job: it ends with 1 where nothing can be run"),
        ("sampan self-check --registry docker.io", "on a login node"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """A line a step."""
    findings = check(context.session(), parsed.text("registry") or "")
    show(findings, parsed.text("format") or "")
    return 1 if any(finding.fatal and finding.state == "missing" for finding in findings) else 0
