"""Times, sizes, columns and commands as Docker writes them."""

from __future__ import annotations

import time

from sampan.errors import BadReference
from sampan.oci.reference import Reference
from sampan.terminal.gotemplate.rows import tabbed

TYPE_CHECKING = False  # `typing` costs what a short list takes
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.compat.program import Program

_FIELDS = ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))
_STEPS = (
    (1, 1, "Less than a second", ""), (2, 1, "1 second", ""), (60, 1, "", "seconds"), (120, 1, "About a minute", ""), (3600, 60, "", "minutes"),
    (7200, 1, "About an hour", ""), (172800, 3600, "", "hours"), (1209600, 86400, "", "days"), (5184000, 604800, "", "weeks"),
    (63072000, 2592000, "", "months"),
)  # fmt: skip
_LEAST, _GAP = {"podman": 12}, {"podman": 2}


def moment(text: str) -> float:
    """Seconds since 1970 of an ISO 8601 time in UTC; 0 for none."""
    try:  # not strptime, which takes as long as all else of a row
        year, month, day, hour, minute, second = (int(text[at:end]) for at, end in _FIELDS)
    except ValueError:
        return 0.0
    if not (0 < month <= 12 and 0 < day <= 31):
        return 0.0
    # Days by a year that begins in March, so that the day of a leap year is its last one.
    year -= month <= 2
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = year * 365 + year // 4 - year // 100 + year // 400 + of_year - 719468
    whole = days * 86400 + hour * 3600 + minute * 60 + second
    digits = text[20:].rstrip("Zz").partition("+")[0] if text[19:20] == "." else ""
    return whole + (float(f"0.{digits}") if digits.isdigit() else 0.0)


def span(seconds: float) -> str:
    """`Less than a second`, `5 seconds`, `About an hour`, `3 weeks`."""
    for limit, unit, fixed, words in _STEPS:
        if seconds < limit:
            return fixed or f"{int(seconds / unit)} {words}"
    return f"{int(seconds / 31536000)} years"


def ago(text: str, now: float | None = None) -> str:
    """How long ago a time was; `N/A` for none."""
    then = moment(text)
    return f"{span(max((time.time() if now is None else now) - then, 0))} ago" if then else "N/A"


def local(text: str) -> str:
    """`2026-11-25 05:16:01 +0000 UTC`."""
    return f"{text[:10]} {text[11:19]} +0000 UTC" if text else ""


def size(count: int) -> str:
    """Four digits and a unit of 1000: `1.23MB`, `124MB`, `0B`."""
    value = float(count)
    unit = "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):  # noqa: B007 - the last one counts
        if value < 1000:
            break
        value /= 1000
    text = f"{value:.4g}" if unit == "B" else f"{value:.3g}"
    return f"{text}{unit}"


def columns(program: Program, lines: Sequence[Sequence[str]]) -> str:
    """Columns as the program makes them."""
    return tabbed(lines, _LEAST.get(program.name, 10), _GAP.get(program.name, 3))


def shown_name(text: str, program: Program) -> str:
    """A reference as the program shows it: Docker leaves `docker.io/library/` out, podman nothing."""
    if text.startswith("sha256:"):
        return text.partition(":")[2][:12]
    try:
        reference = Reference.parse(text)
    except BadReference:
        return text  # of an environment that anybody may have written
    return str(reference) if program.name == "podman" else reference.familiar


def shown_id(digest: str, *, in_full: bool) -> str:
    """An image's id."""
    return digest if in_full else digest.rpartition(":")[2][:12]


def short_command(words: Sequence[str], *, in_full: bool) -> str:
    """The words of a container in quotes, cut to 20 letters."""
    text = " ".join(words).replace("\n", " ")
    text = text if in_full or len(text) <= 20 else f"{text[:19]}…"
    return f'"{text}"'
