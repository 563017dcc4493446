"""Invariant: whatever the bytes, `read` gives an application whose example binds and renders, or raises UsageError in printable text."""

from __future__ import annotations

import json

from sampan.apps.bind import bind
from sampan.apps.fillable import check, example
from sampan.apps.load import read
from sampan.apps.render import command_line
from sampan.errors import BadValues, UsageError

_INPUT = {"id": "a", "name": "a", "type": "String", "value-key": "[A]"}
_PLAIN = {
    "name": "n",
    "tool-version": "1",
    "description": "d",
    "command-line": 't [A] "[A]"',
    "schema-version": "0.5",
    "inputs": [_INPUT],
}
SEEDS = [
    json.dumps(document).encode()
    for document in (
        _PLAIN,
        {**_PLAIN, "container-image": {"type": "docker", "image": "a:1"}, "suggested-resources": {"ram": 1}},
        {
            **_PLAIN,
            "output-files": [{"id": "o", "name": "o", "conditional-path-template": [{"a == 'x'": "x"}, {"default": "y"}]}],
        },
        {
            **_PLAIN,
            "groups": [{"id": "g", "name": "g", "members": ["a"], "one-is-required": True}],
            "inputs": [{**_INPUT, "optional": True}],
        },
        {
            **_PLAIN,
            "stdout-output": {"id": "o"},
            "inputs": [{**_INPUT, "type": [{"id": "c", "command-line": "c", "inputs": []}]}],
        },
    )
]


def test_one(data: bytes) -> None:
    try:
        application = read(data, "x")
    except UsageError as error:
        assert error.sentence.replace("\n", "").isprintable()
        return
    impossible, _ = check(application)
    if impossible:
        return
    try:
        command_line(bind(application, example(application)))
    except BadValues as error:
        assert error.problems
