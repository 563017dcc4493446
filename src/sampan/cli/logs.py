"""`sampan logs`."""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING

from sampan.container.limits import parse_count
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime import logs, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.options.table import Parsed
    from sampan.runtime.logs import Line

COMMAND = Command(
    "logs",
    "show what a detached container has written",
    (
        Option("-f --follow", FLAG, "go on until it ends"),
        Option("--since", VALUE, "only what came after a time, or in the last `10m`", "TIME"),
        Option("-n --tail", VALUE, "only the last lines", "NUMBER|all", default="all"),
        Option("-t --timestamps", FLAG, "with the time of each line"),
    ),
    (Argument("CONTAINER", "1", "a name or an id"),),
    description="Its standard output goes to standard output, its standard error to standard error.",
    examples=(
        ("sampan logs -n 20 web", "the last lines"),
        ("sampan logs -f --since 10m web", "of the last ten minutes, and what comes"),
        ("sampan logs web 2>/dev/null", "without what went to its standard error"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """The lines."""
    record = run.named(str(parsed.values["container"]), context.session())
    begin = logs.since(text) if (text := parsed.text("since")) is not None else ""
    tail = parsed.text("tail") or "all"
    count = None if tail == "all" else 0 if tail == "0" else parse_count(tail, "--tail")
    found: Iterator[Line] = (line for line in logs.lines(record, follow=parsed.flag("follow")) if line.time >= begin)
    if count is not None:
        past = deque((line for line in logs.lines(record) if line.time >= begin), maxlen=count)
        found = _after(found, list(past)) if parsed.flag("follow") else iter(past)
    for line in found:
        _show(line, times=parsed.flag("timestamps"))
    return 0


def _after(lines: Iterator[Line], tail: list[Line]) -> Iterator[Line]:
    """The tail, then what comes after it."""
    last = tail[-1].time if tail else ""
    yield from tail
    yield from (line for line in lines if line.time > last)


def _show(line: Line, *, times: bool) -> None:
    stream = sys.stdout if line.stream == "stdout" else sys.stderr
    stamp = f"{line.time} ".encode() if times else b""
    stream.buffer.write(stamp + line.text + (b"\n" if line.ends else b""))
    stream.buffer.flush()
