"""Things that several threads want and one makes: the others wait for it. Who fails leaves it to the next."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Key = TypeVar("Key")
Value = TypeVar("Value")


class Once(Generic[Key, Value]):
    """Values by key; what takes more than `limit` in all, by `weight`, is forgotten, the oldest first."""

    def __init__(self, weight: Callable[[Value], int] = lambda _: 0, limit: int = 1) -> None:
        self._weight = weight
        self._limit = limit
        self._lock = threading.Lock()
        self._busy: dict[Key, threading.Lock] = {}
        self._kept: dict[Key, Value] = {}
        self._count = 0

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """The value, made if it is not there. Raises what `make` raises."""
        with self._lock:
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            value = make()
            with self._lock:
                self._kept[key] = value
                self._count += self._weight(value)
                while self._count > self._limit and len(self._kept) > 1:
                    self._count -= self._weight(self._kept.pop(next(iter(self._kept))))
            return value
