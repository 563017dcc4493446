"""What registries say beside their answers: warnings (`Warning: 299`), and how many requests they still allow.

A warning is shown once, however often it comes (distribution-spec, "Warnings"). The rate limit is for `--debug`; a refusal
for it says it by itself. Docker Hub counts GET requests for manifests and leaves HEAD out.
"""

from __future__ import annotations

import threading

from sampan.errors import printable
from sampan.registry.pacing import spoken

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.events import Notice

MAX_WARNING = 300
MAX_WARNINGS = 20


class Remarks:
    """Passes on what is new; for many threads."""

    def __init__(self, notice: Notice) -> None:
        self._notice = notice
        self._lock = threading.Lock()
        self._told: set[tuple[str, str]] = set()
        self._limits: dict[str, str] = {}

    def hear(self, host: str, headers: Mapping[str, str], *, is_registry: bool) -> None:
        """The headers of an answer; warnings count only from the registry itself."""
        limit = rate_limit(headers)
        with self._lock:
            is_new_limit = bool(limit) and self._limits.get(host) != limit
            self._limits[host] = limit or self._limits.get(host, "")
        if is_new_limit:
            self._notice.debug(f"{host} allows {limit}")
        if "Warning" in headers and is_registry:
            for text in warnings_in(headers["Warning"]):
                with self._lock:
                    is_new = (host, text) not in self._told and len(self._told) < MAX_WARNINGS
                    self._told.add((host, text))
                if is_new:
                    self._notice.warn(f"{host} says: {text}")


def warnings_in(header: str) -> list[str]:
    """The texts of `299 - "text"`, of which a header may have several; other codes are for caches."""
    found = []
    rest = header
    while rest:
        code, _, rest = rest.strip(" ,").partition(" ")
        _agent, _, rest = rest.partition(" ")
        text, rest = _quoted(rest.lstrip())
        if text is None:
            break
        if code == "299" and text.strip():
            found.append(printable(text.strip()[:MAX_WARNING]))
    return found


def _quoted(text: str) -> tuple[str | None, str]:
    """The quoted text at the beginning, and what follows it; `None` if there is none."""
    if not text.startswith('"'):
        return None, ""
    letters: list[str] = []
    at = 1
    while at < len(text):
        if text[at] == '"':
            return "".join(letters), text[at + 1 :]
        at += text[at] == "\\"
        letters.append(text[at : at + 1])
        at += 1
    return None, ""


def rate_limit(headers: Mapping[str, str]) -> str:
    """`100 requests in 6 h, 76 are left`, from Docker Hub's `ratelimit-limit: 100;w=21600`; empty if it is not told."""
    number, window = amount_in(headers.get("RateLimit-Limit", ""))
    if not number or not window:
        return ""
    left, _ = amount_in(headers.get("RateLimit-Remaining", ""))
    return f"{number} requests in {spoken(float(window))}" + (f", {left} are left" if left else "")


def amount_in(text: str) -> tuple[str, str]:
    """`100;w=21600` as two numbers; empty where there is none (Hub sends `;w=` for some accounts)."""
    number, _, rest = text.partition(";")
    return _digits(number), _digits(rest.strip().removeprefix("w="))


def _digits(text: str) -> str:
    text = text.strip()
    return text[:9] if text.isascii() and text.isdigit() else ""
