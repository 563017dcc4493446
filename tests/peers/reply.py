"""What the registry of our own was asked, and what it answers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")

    @property
    def range(self) -> str | None:
        return self.headers.get("range")


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    cut_at: int | None = None
    stall: tuple[int, float] | None = None
    """After so many bytes, so many seconds."""
    more: list[tuple[str, str]] = field(default_factory=list)
    """Headers that may stand several times."""


def document(code: int, content: object, **headers: str) -> Reply:
    data = json.dumps(content).encode()
    return Reply(code, {"Content-Type": "application/json", "Content-Length": str(len(data)), **headers}, data)


def empty(code: int, **headers: str) -> Reply:
    """Header names are written with `_` for `-`."""
    return Reply(code, {"Content-Length": "0", **{name.replace("_", "-"): value for name, value in headers.items()}}, b"")
