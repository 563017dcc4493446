"""What a worker writes down as it goes: the file `events` for programs, and `log` for people. Neither is made before there is something to say."""

from __future__ import annotations

import json
import os
import threading

from sampan.events import Notice
from sampan.jobs.status import now


class Journal(Notice):
    """Of one job; a disk that is full or gone never ends the job by it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._events = -1

    def event(self, name: str, **parts: object) -> None:
        """Something has happened."""
        line = json.dumps({"time": now(), "event": name, **parts}).encode("ascii") + b"\n"
        try:
            if self._events < 0:
                self._events = _append_to(f"{self._path}/events")
            os.write(self._events, line)
        except OSError:
            return

    def warn(self, sentence: str, hint: str | None = None) -> None:
        """A warning of one of the flows."""
        self._log("warning: ", sentence, hint)

    def say(self, sentence: str) -> None:
        """A step."""
        self._log("", sentence, None)

    def error(self, sentence: str, hint: str | None) -> None:
        """Why the job ends."""
        self._log("error: ", sentence, hint)

    def _log(self, kind: str, sentence: str, hint: str | None) -> None:
        text = f"{now()} {kind}{sentence}\n" + (f"{now()} hint: {hint}\n" if hint else "")
        try:
            with self._lock:
                descriptor = _append_to(f"{self._path}/log")
                try:
                    os.write(descriptor, text.encode("utf-8", "backslashreplace"))
                finally:
                    os.close(descriptor)
        except OSError:
            return

    def close(self) -> None:
        """No more events."""
        if self._events >= 0:
            os.close(self._events)
            self._events = -1


def _append_to(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
