"""What a flow told while it worked, and a clock that does not wait."""

from __future__ import annotations

import threading

import pytest

from sampan.events import Notice, Task


class RecordedNotice(Notice):
    """Keeps all sentences."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.hints: list[str | None] = []
        self.said: list[str] = []
        self.debugged: list[str] = []

    def warn(self, sentence: str, hint: str | None = None) -> None:
        self.warnings.append(sentence)
        self.hints.append(hint)

    def say(self, sentence: str) -> None:
        self.said.append(sentence)

    def debug(self, sentence: str) -> None:
        self.debugged.append(sentence)


class RecordedTask(Task):
    """Keeps the amounts."""

    def __init__(self) -> None:
        self.amounts: list[int] = []

    def advance(self, amount: int) -> None:
        self.amounts.append(amount)


class FakeClock:
    """Time passes only by waiting, and waiting takes no time."""

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self.waits.append(seconds)
        self.time += seconds

    def share(self) -> float:
        return 1.0


@pytest.fixture
def notice():
    return RecordedNotice()


@pytest.fixture
def clock():
    return FakeClock()
