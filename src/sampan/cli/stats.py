"""`sampan stats`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from sampan.errors import ContainerNotFound
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime import life, ps, run
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.container.record import Record
    from sampan.options.table import Parsed

INTERVAL = 1.0
COMMAND = Command(
    "stats",
    "show what running containers use",
    (
        Option("--no-stream", FLAG, "once, instead of again and again"),
        Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table"),
    ),
    (Argument("CONTAINER", "*", "names or ids; default: all that run"),),
    examples=(
        ("sampan stats", "a table a second, of all"),
        ("sampan stats --no-stream --format json web", "once, for a program"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """A table a second until nothing runs any more."""
    session = context.session()
    names = parsed.texts("container")
    if not names:
        names = tuple(entry.id for entry in ps.listed(session) if len(entry.id) > 12)
    records = [run.named(name, session) for name in names]
    once = parsed.flag("no_stream") or parsed.text("format") == "json" or not sys.stdout.isatty()
    while True:
        rows = _measured(records)
        if parsed.text("format") == "json":
            output.json_result(rows)
            return 0
        table = [
            (str(row["name"]), f"{row['cpu_percent']:.1f} %", output.size(int(str(row["memory"]))), str(row["processes"]))
            for row in rows
        ]
        output.result(("" if once else "\033[H\033[J") + output.columns(("NAME", "CPU", "MEMORY", "PROCESSES"), table))
        if once or not rows:
            return 0


def _measured(records: list[Record]) -> list[dict[str, object]]:
    """Two looks, one interval apart: the difference is the processor time."""
    before = {record.id: life.usage(record) for record in records}
    begin = time.monotonic()
    time.sleep(INTERVAL)
    found: list[dict[str, object]] = []
    for record in records:
        try:
            life.here(record)
        except ContainerNotFound:
            continue
        now = life.usage(record)
        share = max(now.seconds - before[record.id].seconds, 0) / (time.monotonic() - begin) * 100
        found.append(
            {
                "id": record.id,
                "name": record.name,
                "cpu_percent": round(share, 1),
                "memory": now.memory,
                "processes": now.processes,
            }
        )
    return found
