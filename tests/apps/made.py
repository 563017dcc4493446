"""Descriptors for tests: a small one, with what a test changes of it."""

from __future__ import annotations

import json
from pathlib import Path

from sampan.apps.bind import bind
from sampan.apps.load import read
from sampan.apps.render import command_line

DESCRIPTORS = Path(__file__).with_name("descriptors")


def document(command: str = "rec [A]", inputs: list[dict] | None = None, **more) -> dict:
    """A descriptor with these inputs (default: one text `A`); keys of `more` have `_` for `-`."""
    return {
        "name": "tool",
        "tool-version": "1",
        "description": "A tool",
        "schema-version": "0.5",
        "command-line": command,
        "inputs": [one("A")] if inputs is None else inputs,
        **{key.replace("_", "-"): value for key, value in more.items()},
    }


def one(id: str, type: str = "String", **more) -> dict:
    """An input with the value key `[ID]`."""
    return {
        "id": id, "name": id, "type": type, "value-key": f"[{id}]", "optional": type == "Flag",
        **({"command-line-flag": f"--{id}"} if type == "Flag" else {}), **{key.replace("_", "-"): value for key, value in more.items()},
    }  # fmt: skip


def output(id: str, path: str | None = None, **more) -> dict:
    """An output file with the value key `[ID]`."""
    return {
        "id": id, "name": id, "value-key": f"[{id}]", **({"path-template": path} if path else {}),
        **{key.replace("_", "-"): value for key, value in more.items()},
    }  # fmt: skip


def application(*words, **more):
    """The application of `document(...)`."""
    return read(json.dumps(document(*words, **more)).encode(), "test.json")


def line(values: dict, *words, **more) -> str:
    """The command line that values lead to."""
    return command_line(bind(application(*words, **more), values))
