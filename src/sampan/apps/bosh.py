"""What `bosh` makes of the same things: queries, records and summaries in its shapes (boutiques 0.5.33)."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import TYPE_CHECKING

from sampan.apps.bind import bind, read_values
from sampan.apps.load import content, load, read
from sampan.apps.outputs import expected_outputs
from sampan.errors import UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from sampan.apps.application import Application, Value
    from sampan.apps.bind import Invocation
    from sampan.apps.launch import Launch
    from sampan.apps.outputs import FoundOutput

VERSION = "0.5.33"


def application(text: str, options: Sequence[str] = ()) -> Application:
    """The application of a file or of JSON; `options` replace its container-opts. Raises `UsageError`."""
    found = read(text.encode("utf-8", "surrogateescape"), "the descriptor") if text.lstrip().startswith("{") else load(text)
    if not options or found.container is None:
        return found
    changed = json.loads(found.data)
    changed["container-image"]["container-opts"] = list(options)
    return read(json.dumps(changed).encode(), found.origin)


def values(text: str) -> dict[str, object]:
    """The invocation of a file or of JSON. Raises `UsageError`."""
    if text.lstrip().startswith("{"):
        return read_values(text.encode("utf-8", "surrogateescape"), "the invocation")
    return read_values(content(text), text)


def bound(descriptor: str, invocation: str | None) -> Invocation:
    """Both, checked. Raises `BadDescriptor`, `BadValues`."""
    found = application(descriptor)
    if invocation is None:
        from sampan.apps.fillable import example

        return bind(found, example(found))
    return bind(found, values(invocation))


def absolute(volumes: Sequence[str], directory: str) -> tuple[str, ...]:
    """Volumes as bosh takes them: sources relative to the current directory."""
    found = []
    for text in volumes:
        source, colon, target = text.partition(":")
        target = os.path.normpath(os.path.join(directory, target)) if colon else ""
        found.append(f"{os.path.normpath(os.path.join(directory, source))}{colon}{target}")
    return tuple(found)


def evaluate(invocation: Invocation, query: str) -> dict[str, object]:
    """What a query such as `output-files/optional=False,id=x` finds. Raises `UsageError`."""
    kind, _, conditions = query.partition("/")
    wanted = [condition.partition("=") for condition in conditions.split(",") if condition]
    document = json.loads(invocation.application.data)
    if kind not in ("inputs", "output-files", "groups") or any(not equals for _, equals, _ in wanted):
        raise UsageError(
            f"invalid query ({printable(query)})",
            "write inputs/, output-files/ or groups/ with conditions such as optional=False",
        )
    paths = {one.id: one.pattern for one in expected_outputs(invocation)}
    found: dict[str, object] = {}
    for one in document.get(kind, ()):
        if not all(_holds(one.get(key), text) for key, _, text in wanted):
            continue
        if kind == "output-files":
            found[one["id"]] = paths.get(one["id"])
        elif kind == "inputs":
            found[one["id"]] = invocation.document().get(one["id"])
        else:
            found[one["id"]] = {member: invocation.document().get(member) for member in one["members"]}
    return found


def _holds(value: object, text: str) -> bool:
    words = {"True": True, "true": True, "False": False, "false": False}
    if text in words:
        return bool(value) is words[text]
    try:
        return bool(value == float(text))
    except ValueError:
        return value == text


def record(invocation: Invocation, launch: Launch, status: int, found: Sequence[FoundOutput], provenance: str | None) -> str:
    """Write the record of an execution where bosh's callers look for it; its path. Raises OSError."""
    directory = os.path.join(os.path.expanduser("~"), ".cache", "boutiques", "data")
    os.makedirs(directory, exist_ok=True)
    name = invocation.application.name.replace(" ", "-").replace("/", "-")
    now = time.strftime("%Y-%m-%d_%Hh%Mm%Ss") + f"{time.time_ns() // 1000 % 1_000_000:06d}ms"
    document: dict[str, Any] = {
        "summary": {"name": invocation.application.name, "descriptor-doi": invocation.application.digest, "date-time": now},
        "public-invocation": {id: _public(invocation, id, value, launch.directory) for id, value in invocation.values.items()},
        "public-output": {
            "stdout": None,
            "stderr": None,
            "exit-code": status,
            "error-message": invocation.application.error_codes.get(status, ""),
            "shell-command": launch.command_line,
            "missing-files": {
                one.id: one.pattern for one, there in zip(launch.outputs, found) if not there.paths and not one.optional
            },
            "output-files": {one.id: _file(os.path.join(launch.directory, one.paths[0])) for one in found if one.paths},
        },
        "additional-information": json.loads(provenance) if provenance else {},
    }
    path = os.path.join(directory, f"{name}_{now}.json")
    with open(path, "x", encoding="utf-8", errors="surrogateescape") as stream:
        json.dump(document, stream, indent=4)
    return path


def _public(invocation: Invocation, id: str, value: Value, directory: str) -> object:
    if invocation.application.input(id).type != "File":
        return list(value) if isinstance(value, tuple) else value
    several = value if isinstance(value, tuple) else (value,)
    found = [_file(os.path.join(directory, str(one))) for one in several]
    return found if isinstance(value, tuple) else found[0]


def _file(path: str) -> dict[str, object]:
    """A file by its name and MD5, a directory by what is in it."""
    name = os.path.basename(path.rstrip("/"))
    if os.path.isdir(path):
        return {"file-name": name, "files": [_file(os.path.join(path, inner)) for inner in sorted(os.listdir(path))]}
    if not os.path.isfile(path):
        return {"file-name": name, "not_found": True}
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return {"file-name": name, "md5sum": digest.hexdigest()}


def summary(launch: Launch, status: int, error: str, found: Sequence[FoundOutput]) -> str:
    """What bosh prints after an execution, without its colours."""
    there = [f"\t- {one.paths[0]} ({one.id}, {'Optional' if one.optional else 'Required'})" for one in found if one.paths]
    missing = [
        f"\t- {one.pattern} ({one.id}, Required)" for one, has in zip(launch.outputs, found) if not has.paths and not one.optional
    ]
    parts = [
        ("Shell command", launch.command_line),
        ("Container location", launch.image),
        ("Exit code", str(status)),
        ("Error message", error),
        ("Output files", "\n".join(there)),
        ("Missing files", "\n".join(missing)),
    ]
    return "".join(f"{title}\n{text}\n" for title, text in parts)
