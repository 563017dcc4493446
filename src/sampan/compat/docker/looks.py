"""`docker logs`, `top` and `stats`: what containers write and use."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from sampan.compat.docker import words
from sampan.compat.docker.several import named
from sampan.container import limits
from sampan.container.limits import parse_count
from sampan.errors import ContainerNotFound, UsageError
from sampan.host import memory, processes
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.options.unserved import SILENT, WARNED, Unserved
from sampan.runtime import life, logs, ps
from sampan.terminal.gotemplate.functions import as_json
from sampan.terminal.gotemplate.rows import rendered
from sampan.terminal.output import json_result, result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.compat.program import Call, Verbs
    from sampan.container.record import Record
    from sampan.runtime.logs import Line

INTERVAL = 1.0
_STATS = {
    "Container": "CONTAINER", "ID": "CONTAINER ID", "Name": "NAME", "CPUPerc": "CPU %", "MemUsage": "MEM USAGE / LIMIT", "MemPerc": "MEM %",
    "NetIO": "NET I/O", "BlockIO": "BLOCK I/O", "PIDs": "PIDS",
}  # fmt: skip
_STATS_TABLE = "table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}"


def log(call: Call) -> int:
    """The lines; standard error goes to standard error."""
    parsed = call.parsed
    record = named(str(parsed.values["container"]), call.session())
    begin = logs.since(text) if (text := parsed.text("since")) is not None else ""
    end = logs.since(text, "--until") if (text := parsed.text("until")) is not None else "~"
    tail = parsed.text("tail") or "all"
    count = None if tail in ("all", "-1") else 0 if tail == "0" else parse_count(tail, "--tail")
    follow = parsed.flag("follow")
    found: Iterator[Line] = (line for line in logs.lines(record, follow=follow) if begin <= line.time <= end)
    if count is not None:
        past = deque((line for line in logs.lines(record) if begin <= line.time <= end), maxlen=count)
        found = _after(found, list(past)) if follow else iter(past)
    for line in found:
        stream = sys.stdout if line.stream == "stdout" else sys.stderr
        stamp = f"{line.time} ".encode() if parsed.flag("timestamps") else b""
        stream.buffer.write(stamp + line.text + (b"\n" if line.ends else b""))
        stream.buffer.flush()
    return 0


def _after(lines: Iterator[Line], tail: list[Line]) -> Iterator[Line]:
    last = tail[-1].time if tail else ""
    yield from tail
    yield from (line for line in lines if line.time > last)


def top(call: Call) -> int:
    """A row a process, as `ps -ef` shows it; the words of ps that a user adds are not looked at."""
    session = call.session()
    name = str(call.parsed.values["container"])
    record = named(name, session)
    try:
        life.here(record)
    except ContainerNotFound as error:
        raise ContainerNotFound(f"container {name} is not running") from error
    if call.parsed.texts("words"):
        call.context.notice.warn("the options for ps are ignored: the columns are always the same")
    rows = [("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")]
    user = record.request.user or "root"
    for pid in life.inside(record):
        used = processes.resources(pid)
        seconds = int(used.seconds)
        clock = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
        began = processes.started_at(pid)[11:16]
        rows.append(
            (
                user.partition(":")[0],
                str(pid),
                str(processes.parent(pid)),
                "0",
                began,
                "?",
                clock,
                " ".join(processes.command(pid)) or "-",
            )
        )
    result(words.columns(call.program, rows))
    return 0


def stats(call: Call) -> int:
    """A table a second until nothing runs any more; once where nobody looks on, or with --no-stream."""
    parsed, session = call.parsed, call.session()
    names = parsed.texts("container") or tuple(entry.id for entry in ps.listed(session, anonymous=False))
    records = [named(name, session) for name in names]
    form = parsed.text("format") or "table"
    once = parsed.flag("no_stream")
    clear = sys.stdout.isatty() and form == "table" and not once
    while True:
        rows = [_measured(record, before) for record, before in _looked_at(records)]
        if form == "json" and call.program.name == "podman":
            json_result(rows)
        elif form == "json":
            result("".join(f"{as_json(row)}\n" for row in rows))
        else:
            text = rendered(
                _STATS_TABLE if form == "table" else form, _STATS, rows, lambda cells: words.columns(call.program, cells)
            )
            result(("\033[H\033[J" if clear else "") + text)
        if once or not rows:
            return 0


def _looked_at(records: list[Record]) -> list[tuple[Record, float]]:
    """Each that still runs, with the processor seconds that it has used one interval ago."""
    before = [(record, life.usage(record).seconds) for record in records if _runs(record)]
    time.sleep(INTERVAL)
    return [(record, seconds) for record, seconds in before if _runs(record)]


def _runs(record: Record) -> bool:
    try:
        life.here(record)
    except (ContainerNotFound, UsageError):
        return False
    return True


def _measured(record: Record, before: float) -> dict[str, object]:
    now = life.usage(record)
    whole = limits.parse_memory(record.request.memory) if record.request.memory else memory.available()
    share = max(now.seconds - before, 0) / INTERVAL * 100
    return {
        "Container": record.id[:12], "ID": record.id[:12], "Name": record.name, "CPUPerc": f"{share:.2f}%",
        "MemUsage": f"{_binary(now.memory)} / {_binary(whole)}", "MemPerc": f"{now.memory / max(whole, 1) * 100:.2f}%",
        "NetIO": "0B / 0B", "BlockIO": "0B / 0B", "PIDs": str(now.processes),
    }  # fmt: skip


def _binary(count: int) -> str:
    """`12.5MiB`, as the numbers of memory are written."""
    value = float(count)
    unit = "B"
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):  # noqa: B007 - the last one counts
        if value < 1024:
            break
        value /= 1024
    return f"{value:.4g}{unit}"


VERBS: Verbs = {
    "logs": (
        Command(
            "logs",
            "show what a container has written",
            (
                Option("-f --follow", FLAG, "go on until it ends"),
                Option("--since", VALUE, "only what came after a time, or in the last `10m`", "TIME"),
                Option("--until", VALUE, "only what came before", "TIME"),
                Option("-n --tail", VALUE, "only the last lines", "NUMBER|all"),
                Option("-t --timestamps", FLAG, "with the time of each line"),
                Unserved("--details", FLAG, SILENT, ""), Unserved("--names", FLAG, SILENT, ""), Unserved("--color", FLAG, SILENT, ""),
            ),
            (Argument("CONTAINER", "1", "a name or an id"),),
        ),
        log,
    ),
    "top": (
        Command("top", "list the processes of a container", (), (Argument("CONTAINER", "1", "a name or an id"), Argument("WORDS", "*", "options for ps")), options_end=True), top,
    ),
    "stats": (
        Command(
            "stats",
            "show what running containers use",
            (
                Option("-a --all", FLAG, "accepted: what does not run uses nothing"), Option("--no-stream", FLAG, "once"),
                Option("--format", VALUE, "`table`, `json` or a template", "FORMAT"), Unserved("--no-trunc", FLAG, SILENT, ""),
                Unserved("-i --interval", VALUE, WARNED, "it is one second"), Unserved("--no-reset", FLAG, SILENT, ""),
                Unserved("--filter", LIST, WARNED, "name the containers"),
            ),
            (Argument("CONTAINER", "*", "names or ids"),),
        ),
        stats,
    ),
}  # fmt: skip
