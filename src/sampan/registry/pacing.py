"""How long and how often: time-outs, tries, the waits between them, and what a server asks for with Retry-After.

The clock is an argument everywhere, so tests of five tries take no time.
"""

from __future__ import annotations

import os
import time

from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    import threading

    from sampan.errors import SampanError
    from sampan.events import Notice

PROGRESS_BYTES = 1 << 20
"""So much of a body received between two cuts makes the second one count as the first."""
CONNECTION_PAUSE = 0.25
STATUS_PAUSE = 1.0


@frozen
class Limits:
    """Seconds, tries and redirects that a request may take. A transfer as a whole has no limit."""

    connect: float = 10.0
    silence: float = 60.0
    commit: float = 600.0
    """Without an answer after an upload: registries copy a large blob to its place before they answer."""
    tries: int = 5
    redirects: int = 5
    longest_wait: float = 120.0


class Clock:
    """The real time, real waiting and real chance."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Let time pass, or return as soon as `stop` is set."""
        stop.wait(seconds)

    def share(self) -> float:
        """A random share of a wait, so that many clients do not come back in step."""
        return 0.5 + int.from_bytes(os.urandom(2), "big") / 0x20000  # `random` costs 2 ms to import


class Transient(Exception):
    """A failure that may pass; never leaves this package. `error` is what it becomes when it does not.

    `pause` seconds are waited before the second try, twice as long before each further one, and never less than
    `retry_after`. `is_cut`: a connection stood and was cut.
    """

    def __init__(
        self, error: SampanError, *, retry_after: float | None = None, pause: float = CONNECTION_PAUSE, is_cut: bool = False
    ) -> None:
        super().__init__(error.sentence)
        self.error = error
        self.retry_after = retry_after
        self.pause = pause
        self.is_cut = is_cut


class Tries:
    """The tries of one piece of work: after each failure it waits, or raises the error."""

    def __init__(self, limits: Limits, clock: Clock, notice: Notice, stop: threading.Event) -> None:
        self._limits = limits
        self._clock = clock
        self._notice = notice
        self._stop = stop
        self._failed = 0
        self._received = 0

    def received(self, amount: int) -> None:
        """So many bytes have come: a peer that makes progress gets its tries anew."""
        self._received += amount
        if self._received >= PROGRESS_BYTES:
            self._failed = 0

    def wait(self, failure: Transient) -> None:
        """Wait before the next try, and say so; raises the failure's error if there is none."""
        self._failed += 1
        self._received = 0
        error = failure.error
        if self._stop.is_set():
            raise error
        if self._failed >= self._limits.tries:
            error.sentence += f" (tried {self._failed} times)"
            error.args = (error.sentence,)
            raise error
        seconds = failure.pause * 2 ** (self._failed - 1) * self._clock.share()
        if failure.retry_after is not None:
            if failure.retry_after > self._limits.longest_wait:
                error.hint = f"it asks to wait {spoken(failure.retry_after)}"
                raise error
            seconds += failure.retry_after
        self._notice.warn(f"{error.sentence}; trying again in {spoken(seconds)} ({self._failed} of {self._limits.tries - 1})")
        self._clock.wait(seconds, self._stop)


def retry_after(header: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header, which holds seconds or a date; `None` if it says nothing usable."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    if not text:
        return None
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


def retry_after_in(message: str) -> float | None:
    """Seconds to wait where a registry puts them into its words, as GHCR's `retry-after: 92.9µs, allowed: ...`."""
    _, found, rest = message.lower().partition("retry-after:")
    text = rest.strip().partition(",")[0].partition(" ")[0][:40]
    seconds = 0.0
    while found and text:
        number = text[: len(text) - len(text.lstrip("0123456789."))]
        unit = text[len(number) :][: len(text[len(number) :]) - len(text[len(number) :].lstrip("hmnsuµμ"))]
        try:
            seconds += float(number) * _UNITS[unit]
        except (ValueError, KeyError):
            return None
        text = text[len(number) + len(unit) :]
        if not text:
            return seconds
    return None


def spoken(seconds: float) -> str:
    """A duration for a sentence: `0.4 s`, `12 s`, `4 min`, `6 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
