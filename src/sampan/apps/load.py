"""A descriptor, from bytes to an `Application`. On the path of `app launch`.

Everything that is wrong is said at once: first by the schema, then, where that finds nothing, by the rules that no schema can say.
A launch needs no proof that the form can be filled in (it is filled in); `validate` adds it.
"""

from __future__ import annotations

import os

from sampan.apps import build, document
from sampan.errors import BadDescriptor, Problem, UsageError, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.apps.application import Application
    from sampan.runtime.session import Session

STDIN = "-"
_TEXTS: dict[str, object] = {"type": "array", "items": {"type": "string"}}
_CUSTOM: dict[str, object] = {
    "vip:dot": _TEXTS,
    "vip:intIteratorInputs": _TEXTS,
    "vip:overriddenInputs": {"type": "object", "additionalProperties": {"type": "string"}},
    "vip:directoryInputs": {
        "type": "object",
        "additionalProperties": {"type": "object", "properties": {"patterns": _TEXTS}},
    },
    "vip:resultsDirectorySuffix": {"type": "string"},
}
_IDS_OF_CHOICES: dict[str, object] = {"type": "object", "additionalProperties": _TEXTS}
_INPUT: dict[str, object] = {"value-requires": _IDS_OF_CHOICES, "value-disables": _IDS_OF_CHOICES}
_OUTPUT: dict[str, object] = {
    "conditional-path-template": {"items": {"type": "object", "additionalProperties": {"type": "string"}}},
}
_OPEN: dict[str, object] = {
    "properties": {
        "inputs": {"items": {"properties": _INPUT}},
        "output-files": {"items": {"properties": _OUTPUT}},
        "custom": {"properties": _CUSTOM},
    }
}
"""Kinds that the schema of Boutiques leaves open."""


def load(source: str, session: Session | None = None) -> Application:
    """The application of a file (`-`: standard input), or with a session of a name in the catalogue.

    Raises `UsageError` if there is none, `BadDescriptor`.
    """
    if session is not None and not _is_file(source):
        from sampan.apps.catalogue import find

        data, origin, checked = find(session, source)
        return read(data, origin, checked=checked)
    data = content(source)
    origin = "standard input" if source == STDIN else source
    if session is None:
        return read(data, origin)
    from sampan.apps.known import Memory

    memory = Memory(data, session.settings)
    known = memory.knows()
    application = read(data, origin, checked=known)
    if not known:
        memory.note()
    return application


def content(path: str) -> bytes:
    """The bytes of a descriptor or an invocation. Raises `UsageError`."""
    try:
        with open(0 if path == STDIN else path, "rb", closefd=path != STDIN) as stream:
            return stream.read(document.MAX_BYTES + 1)
    except OSError as error:
        hint = "`sampan app list` shows the applications that are kept" if isinstance(error, FileNotFoundError) else None
        raise UsageError(f"cannot read {printable(path)}: {error.strerror}", hint) from error


def _is_file(source: str) -> bool:
    """Whether a word names a file and no application of the catalogue."""
    return source == STDIN or source.endswith(".json") or source.startswith((".", "/")) or os.path.isfile(source)


def read(data: bytes, origin: str, *, checked: bool = False) -> Application:
    """The application in `data`. Raises `BadDescriptor` with everything that is wrong, `UsageError` if it is no JSON.

    `checked`: these very bytes were found to be valid before (the catalogue and `known` keep that).
    """
    found = document.read(data, printable(origin))
    problems = [] if checked else _against_schema(found)
    if not problems and isinstance(found, dict):
        application = build.application(found, data, origin)
        problems = [] if checked else _against_rules(application, found)
        if not problems:
            return application
    raise BadDescriptor(f"{printable(origin)} is not a valid Boutiques descriptor", tuple(problems))


def _against_rules(application: Application, found: dict[str, object]) -> list[Problem]:
    from sampan.apps import rules  # not for what the catalogue keeps

    return rules.check(application, found)


def _against_schema(found: object) -> list[Problem]:
    if not isinstance(found, dict):
        return [Problem("", "it is not a JSON object")]
    from sampan.apps import extensions, jsonschema
    from sampan.apps.vendored import boutiques_schema

    plain, problems = extensions.plain(found)
    return [*problems, *(jsonschema.check(boutiques_schema(), plain) or jsonschema.check(_OPEN, plain))]
