"""niwrap's extensions of Boutiques (`schema-version` 0.5+styx): read, and hidden from the schema, which knows none of them.

- the type of an input may be an object, a sub-command with a command line, inputs and outputs of its own, or a list of such
  objects, of which a value takes one (a union);
- `stdout-output` and `stderr-output` are files with what the program writes to these streams;
- `resolve-parent`, `mutable`, `media-types` of a file input say what the program does with it;
- the version of the tool stands beside the descriptors, so `tool-version` may be missing.

On the path of the first `app launch` of a file.
"""

from __future__ import annotations

from sampan.apps.jsonschema import check, element
from sampan.apps.vendored import boutiques_schema
from sampan.errors import Problem

STYX = "0.5+styx"
STREAMS = ("stdout-output", "stderr-output")
_INPUT_KEYS = {"resolve-parent": bool, "mutable": bool, "media-types": list}
_OUTPUT_KEYS = {"media-types": list}
MAX_NESTED = 8


def is_extended(found: dict[str, object]) -> bool:
    """Whether a descriptor uses any of them."""
    if found.get("schema-version") == STYX or any(key in found for key in STREAMS):
        return True
    inputs = found.get("inputs")
    return isinstance(inputs, list) and any(
        isinstance(one, dict) and (isinstance(one.get("type"), (dict, list)) or any(key in one for key in _INPUT_KEYS))
        for one in inputs
    )


def plain(found: dict[str, object]) -> tuple[dict[str, object], list[Problem]]:
    """The descriptor as plain Boutiques for the schema, and what is wrong with its extensions."""
    if not is_extended(found):
        return found, []
    problems: list[Problem] = []
    stripped = {key: value for key, value in found.items() if key not in STREAMS}
    for key in STREAMS:
        stream = found.get(key)
        if stream is not None and (not isinstance(stream, dict) or not isinstance(stream.get("id"), str) or not stream["id"]):
            problems.append(Problem(key, "must be an object with an id"))
    if stripped.get("schema-version") == STYX:
        stripped["schema-version"] = "0.5"
    stripped.setdefault("tool-version", "unknown")
    _strip(stripped, "", problems, 0)
    return stripped, problems


def _strip(command: dict[str, object], place: str, problems: list[Problem], depth: int) -> None:
    """Take the extensions out of the inputs and outputs of one command; check the sub-commands by the schema as they are met."""
    for kind, keys in (("inputs", _INPUT_KEYS), ("output-files", _OUTPUT_KEYS)):
        listed = command.get(kind)
        if not isinstance(listed, list):
            continue
        kept = []
        for number, one in enumerate(listed):
            here = element(f"{place}{kind}", number, one)
            if not isinstance(one, dict):
                kept.append(one)
                continue
            for key, wanted in keys.items():
                if key in one and not isinstance(one[key], wanted):
                    problems.append(Problem(f"{here}.{key}", "must be true or false" if wanted is bool else "must be a list"))
            simple = {key: value for key, value in one.items() if key not in keys}
            if kind == "inputs" and isinstance(simple.get("type"), (dict, list)):
                _check_commands(simple["type"], f"{here}.type", problems, depth + 1)
                simple["type"] = "String"
            kept.append(simple)
        command[kind] = kept


def _check_commands(kind: object, place: str, problems: list[Problem], depth: int) -> None:
    commands = kind if isinstance(kind, list) else [kind]
    if depth > MAX_NESTED:
        problems.append(Problem(place, f"sub-commands are nested more than {MAX_NESTED} deep"))
        return
    if not commands:
        problems.append(Problem(place, "must name at least one sub-command"))
    seen = set()
    for number, one in enumerate(commands):
        here = f"{place}[{number}]" if isinstance(kind, list) else place
        if not isinstance(one, dict) or not isinstance(one.get("id"), str) or not one["id"]:
            problems.append(Problem(here, "must be a sub-command, an object with an id"))
            continue
        if one["id"] in seen:
            problems.append(Problem(here, f"another sub-command has the id {one['id']}"))
        seen.add(one["id"])
        pseudo = {key: value for key, value in one.items() if key != "id"}
        for key in ("name", "description", "tool-version"):
            pseudo.setdefault(key, "-")
        pseudo.setdefault("schema-version", "0.5")
        if pseudo["schema-version"] == STYX:
            pseudo["schema-version"] = "0.5"
        if pseudo.get("inputs") == []:
            pseudo["inputs"] = [{"id": "none", "name": "none", "type": "String"}]
        _strip(pseudo, f"{here}.", problems, depth)
        problems += [
            Problem(f"{here}.{found.place}" if found.place else here, found.what) for found in check(boutiques_schema(), pseudo)
        ]
