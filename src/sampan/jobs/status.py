"""How a job stands or ended: values, and the document `status.json`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from sampan.jobs.phases import CANCELLED, CODES, DONE

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = 1
ENDED = ("done", "failed", "cancelled", "lost")


@dataclass(frozen=True)
class State:
    """What a job does: `created`, `submitted`, `queued`, `running`, `done`, `failed`, `cancelled`, `lost`, `unknown`.

    `cause` is a sentence where there is one, `code` the worker's exit code, `phase` where it is or where it failed.
    """

    word: str
    cause: str = ""
    code: int | None = None
    phase: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing will change it any more."""
        return self.word in ENDED


@dataclass(frozen=True)
class Staged:
    """An input as it was brought, or an output as it was taken; `kind` is `file` or `directory`."""

    name: str
    path: str
    uri: str = ""
    digest: str = ""
    size: int = -1
    kind: str = "file"

    def document(self) -> dict[str, object]:
        """Its part of a status."""
        return {name: value for name, value in vars(self).items() if value not in ("", -1)}


@dataclass(frozen=True)
class Status:
    """How a job ended. Times in ISO 8601, UTC, empty for what never came; seconds of processor; bytes."""

    state: str
    code: int
    phase: str = ""
    exit: int | None = None
    signal: int | None = None
    cause: str = ""
    hint: str = ""
    node: str = ""
    claimed: str = ""
    started: str = ""
    ended: str = ""
    finished: str = ""
    seconds: float = 0.0
    memory: int = 0
    image: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[Staged, ...] = ()
    outputs: tuple[Staged, ...] = ()
    kept: str = ""

    def document(self) -> dict[str, object]:
        """What `status.json` holds."""
        found: dict[str, object] = {"format": FORMAT}
        for name, value in vars(self).items():
            if name == "seconds":
                found["usage"] = {"cpu": round(self.seconds, 3), "memory": self.memory}
            elif name in ("inputs", "outputs"):
                found[name] = [one.document() for one in value]
            elif name == "image":
                found[name] = dict(value)
            elif name != "memory":
                found[name] = None if value == "" else value
        return found

    @property
    def as_state(self) -> State:
        """The same in short."""
        return State(self.state, self.cause, self.code, self.phase)


def from_document(document: Mapping[str, Any]) -> Status:
    """A status out of its document. Raises KeyError, TypeError, ValueError for one that is damaged."""
    if document["format"] != FORMAT or document["state"] not in ENDED:
        raise ValueError("format or state")
    usage = document.get("usage") or {}
    texts = ("phase", "cause", "hint", "node", "claimed", "started", "ended", "finished", "kept")
    return Status(
        state=str(document["state"]),
        code=int(document["code"]),
        exit=_number(document.get("exit")),
        signal=_number(document.get("signal")),
        seconds=float(usage.get("cpu") or 0.0),
        memory=int(usage.get("memory") or 0),
        image={str(name): str(value) for name, value in (document.get("image") or {}).items()},
        inputs=tuple(Staged(**one) for one in document.get("inputs") or ()),
        outputs=tuple(Staged(**one) for one in document.get("outputs") or ()),
        **{name: str(document.get(name) or "") for name in texts},
    )


def _number(value: object) -> int | None:
    return None if value is None else int(value)  # type: ignore[call-overload]


def word_of(code: int) -> str:
    """The state that an exit code of a worker means."""
    return "done" if code == DONE else "cancelled" if code == CANCELLED else "failed"


def by_exit(code: int) -> State | None:
    """The state of a job of which only its worker's exit code is known; `None` for a number that is none of ours."""
    if code not in CODES:
        return None
    phase, words = CODES[code]
    return State(word_of(code), "" if code == DONE else words, code, phase)


def now() -> str:
    """The time in ISO 8601, UTC, with milliseconds, as the watcher writes it."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1_000_000:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
