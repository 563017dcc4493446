"""Bounds as values: `--ulimit`, `--cpuset-cpus`, `-m`, `--cpus`, times. Pure; on the start-up path."""

from __future__ import annotations

from sampan.container.mounts import parse_size
from sampan.errors import UsageError

RESOURCES = (
    "as", "core", "cpu", "data", "fsize", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio", "rttime", "sigpending",
    "stack",
)  # fmt: skip
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_limit(text: str) -> tuple[str, str, str]:
    """`NAME=SOFT[:HARD]` as Docker writes it; `unlimited` or -1 for no bound. Raises `UsageError`."""
    name, _, values = text.partition("=")
    soft, colon, hard = values.partition(":")
    if name not in RESOURCES:
        raise UsageError(f"--ulimit {text!r}: there is no limit {name!r}", f"there are {', '.join(RESOURCES)}")
    found = [_limit(value, text) for value in (soft, hard if colon else soft)]
    if found[1] != "unlimited" and (found[0] == "unlimited" or int(found[0]) > int(found[1])):
        raise UsageError(f"--ulimit {text!r}: the soft limit is above the hard one")
    return name, found[0], found[1]


def _limit(value: str, text: str) -> str:
    if value in ("unlimited", "-1"):
        return "unlimited"
    if not value.isdigit() or not value.isascii():
        raise UsageError(f"--ulimit {text!r}: {value!r} is not a number", "write NAME=SOFT[:HARD], as nofile=1024:4096")
    return value


def parse_cpus(text: str) -> str:
    """A list of processors such as `0-3,8`. Raises `UsageError`."""
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and (not last.isdigit() or int(last) < int(first))):
            raise UsageError(f"--cpuset-cpus {text!r} is not a list of processors", "write 0-3,8")
    return text


def parse_memory(text: str) -> int:
    """Bytes of `-m`; at least 1 MB. Raises `UsageError`."""
    size = parse_size(text, "--memory")
    if size < 1 << 20:
        raise UsageError(f"--memory {text!r} is less than any program needs", "write 512m or 4g")
    return size


def parse_share(text: str) -> float:
    """Processors of `--cpus`: 0.5, 2. Raises `UsageError`."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0.01 <= share <= 4096:
        raise UsageError(f"--cpus {text!r} is not a number of processors", "write 2 or 0.5")
    return share


def parse_seconds(text: str, what: str) -> float:
    """Seconds of a time such as `30`, `1.5`, `30s`, `1m30s`, `500ms`, as Docker writes durations. Raises `UsageError`."""
    total, number, unit, seen = 0.0, "", "", False
    for character in text + "\0":
        if character.isdigit() or character == ".":
            if unit:
                total, number, unit = total + _part(number, unit, text, what), "", ""
            number += character
            seen = True
        elif character != "\0":
            unit += character
    if not seen:
        raise UsageError(f"{what} {text!r} is not a time", "write 30s, 1m30s or 500ms")
    return total + _part(number, unit or "s", text, what)


def _part(number: str, unit: str, text: str, what: str) -> float:
    try:
        return float(number) * _UNITS[unit]
    except (ValueError, KeyError):
        raise UsageError(f"{what} {text!r} is not a time", "write 30s, 1m30s or 500ms") from None


def parse_count(text: str, what: str) -> int:
    """A whole number above 0. Raises `UsageError`."""
    if not text.isdigit() or not text.isascii() or int(text) == 0:
        raise UsageError(f"{what} {text!r} is not a number above 0")
    return int(text)
