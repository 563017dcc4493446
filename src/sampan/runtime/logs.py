"""The logs of a container: CRI lines that the watcher wrote (docs/design/launch-file.md), in order over rotated files."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from sampan.container import limits, state
from sampan.errors import StoreError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.container.record import Record

POLL = 0.1
PIECE = 1 << 16
OLDER = ("log.9", "log.8", "log.7", "log.6", "log.5", "log.4", "log.3", "log.2", "log.1", "log")


class Line:
    """One line: when (RFC 3339, UTC, nanoseconds), `stdout` or `stderr`, the bytes, and whether it ends here."""

    __slots__ = ("ends", "stream", "text", "time")

    def __init__(self, time: str, stream: str, text: bytes, *, ends: bool) -> None:
        self.time = time
        self.stream = stream
        self.text = text
        self.ends = ends


def parse(raw: bytes) -> Line | None:
    """A line of the file without its newline; `None` for one that is no such line (cut by a full disk)."""
    fields = raw.split(b" ", 3)
    if len(fields) < 3 or fields[1] not in (b"stdout", b"stderr") or fields[2] not in (b"F", b"P"):
        return None
    text = fields[3] if len(fields) == 4 else b""
    return Line(fields[0].decode("ascii", "replace"), fields[1].decode("ascii"), text, ends=fields[2] == b"F")


def lines(record: Record, *, follow: bool = False) -> Iterator[Line]:
    """All lines, oldest first; with `follow` also those to come until the container ends. Raises `UsageError`, `StoreError`."""
    if not any(os.path.exists(f"{record.directory}/{name}") for name in OLDER):
        if state.watcher(record.directory) is None:
            raise UsageError(
                f"the container {record.name or record.id[:12]} has no log",
                "only detached ones have: sampan run -d, sampan start -d",
            )
        return
    try:
        yield from _lines(record.directory, follow=follow)
    except OSError as error:
        raise StoreError(f"cannot read the log of {record.name or record.id[:12]}: {error.strerror}") from error


def _lines(directory: str, *, follow: bool) -> Iterator[Line]:
    for name in OLDER[:-1]:
        yield from _whole(f"{directory}/{name}")
    stream = open(f"{directory}/log", "rb")
    rest = b""
    try:
        while True:
            # Asked before reading: what is written up to the end is then still read.
            runs = follow and state.runner(directory) is not None
            while piece := stream.read(PIECE):
                *complete, rest = (rest + piece).split(b"\n")
                yield from _parsed(complete)
            if _rotated(stream.fileno(), f"{directory}/log"):
                stream.close()
                stream = open(f"{directory}/log", "rb")
            elif not runs:
                return
            else:
                time.sleep(POLL)
    finally:
        stream.close()


def _whole(path: str) -> Iterator[Line]:
    try:
        with open(path, "rb") as stream:
            for raw in stream:
                yield from _parsed([raw.rstrip(b"\n")])
    except FileNotFoundError:
        return


def _parsed(raws: list[bytes]) -> Iterator[Line]:
    for raw in raws:
        line = parse(raw)
        if line is not None:
            yield line


def _rotated(descriptor: int, path: str) -> bool:
    try:
        return not os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def since(text: str, what: str = "--since") -> str:
    """The time of an option as the lines have it: RFC 3339, or a duration before now (`10m`). Raises `UsageError`."""
    if len(text) >= 10 and text[4] == text[7] == "-":
        return text.rstrip("Z") if "T" in text else f"{text}T00:00:00"
    if text.isdigit() and len(text) >= 9:
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(int(text)))
    seconds = limits.parse_seconds(text, what)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - seconds))
