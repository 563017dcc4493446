"""What a flow tells the person who waits: progress and notices, handed down as arguments, silent by default.

Flows never print. They call these; `terminal` implements them, tests record them. On the start-up path.
"""

from __future__ import annotations


class Task:
    """One piece of long work, in bytes or items; does nothing unless a terminal implements it."""

    def advance(self, amount: int) -> None:
        """`amount` more bytes or items are done."""

    def done(self, note: str = "") -> None:
        """The work is complete; `note` replaces the figures, as in `already there`."""


class Progress:
    """Receives the pieces of long work as they begin."""

    def begin(self, label: str, total: int | None = None, unit: str = "bytes") -> Task:  # noqa: ARG002 - the silent one
        """Announce work of `total` units (`None`: unknown); `unit` is `bytes` or a plural noun."""
        return Task()


class Notice:
    """Receives sentences that are neither result nor error."""

    def warn(self, sentence: str, hint: str | None = None) -> None:
        """Something was not as asked or expected; the work goes on."""

    def say(self, sentence: str) -> None:
        """A step worth a line, as `pulling debian:12`."""

    def debug(self, sentence: str) -> None:
        """For `--debug` only."""


SILENT_PROGRESS = Progress()
SILENT_NOTICE = Notice()
