"""Errors, notices, columns, sizes and times as a person reads them. stdout is the result, stderr is talk.

On the start-up path.
"""

from __future__ import annotations

import os
import sys

from sampan.events import Notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import TextIO

    from sampan.errors import SampanError


class StderrNotice(Notice):
    """Notices on standard error; `level` 0 is `--quiet`, 1 the default, 2 `--debug`."""

    def __init__(self, level: int = 1, program: str = "sampan") -> None:
        self.level = level
        self.program = program

    def warn(self, sentence: str, hint: str | None = None) -> None:
        """A line that begins with `sampan: warning`."""
        if self.level > 0:
            talk(f"{_coloured('33', f'{self.program}: warning:')} {sentence}")
            if hint:
                talk(f"hint: {hint}")

    def say(self, sentence: str) -> None:
        """One line."""
        if self.level > 0:
            talk(f"{self.program}: {sentence}")

    def debug(self, sentence: str) -> None:
        """One line, with --debug only."""
        if self.level > 1:
            talk(f"sampan: debug: {sentence}")


def talk(line: str) -> None:
    """One line on standard error, whatever its encoding; nobody listening is no failure."""
    try:
        sys.stderr.write(
            line.encode(sys.stderr.encoding or "ascii", "backslashreplace").decode(sys.stderr.encoding or "ascii") + "\n"
        )
        sys.stderr.flush()
    except OSError:
        pass


def say_error(error: SampanError, program: str = "sampan") -> None:
    """The sentence and the hint of an error."""
    talk(f"{_coloured('31', f'{program}:')} {error.sentence}")
    if error.hint:
        talk(f"hint: {error.hint}")


def _coloured(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if has_colour(sys.stderr) else text


def has_colour(stream: TextIO) -> bool:
    """Colour only on a terminal, and never against NO_COLOR (no-color.org)."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def result(text: str) -> None:
    """A part of the result, on standard output; bytes of file names pass through unchanged."""
    result_bytes(text.encode("utf-8", "surrogateescape"))


def result_bytes(data: bytes) -> None:
    """A part of the result that is no text of ours, byte for byte."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def json_result(value: object) -> None:
    """A document on standard output, indented."""
    result(json_text(value))


def json_text(value: object) -> str:
    """A document, indented."""
    import json

    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def columns(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Plain columns; cut to the width only on a terminal."""
    lines = [header, *rows]
    widths = [max(len(line[at]) for line in lines) for at in range(len(header))]
    limit = _width()
    out = []
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
        out.append(text if limit is None or len(text) <= limit else text[: limit - 1] + "…")
    return "\n".join(out) + "\n"


def cells(lines: Sequence[Sequence[str]]) -> str:
    """`columns` of lines that may have different numbers of cells; the first is the header."""
    most = max(map(len, lines))
    header, *rows = (tuple(line) + ("",) * (most - len(line)) for line in lines)
    return columns(header, rows)


def _width() -> int | None:
    if not sys.stdout.isatty():
        return None
    return max(os.get_terminal_size(sys.stdout.fileno()).columns, 20)


def size(count: int) -> str:
    """Bytes in units of 1000: `999 B`, `1.5 kB`, `124 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def duration(seconds: float) -> str:
    """`0.3 s`, `1 s`, `12 s`, `4 min`, `3 h`, `2 days`."""
    if seconds < 9.95 and seconds != int(seconds):
        return f"{seconds:.1f} s"
    for limit, unit, words in ((99.5, 1, "s"), (5970, 60, "min"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {words}"
    return f"{seconds / 86400:.0f} days"


def age(then: str) -> str:
    """How long ago an ISO 8601 time of UTC was, in words."""
    import calendar
    import time

    try:
        seconds = int(time.time()) - calendar.timegm(time.strptime(then[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return "unknown"
    return f"{duration(max(seconds, 1))} ago"


def short(digest: str) -> str:
    """Twelve hex digits of a digest or id, as Docker shows them."""
    return digest.rpartition(":")[2][:12]
