"""JSON from outside: read within limits, then asked for by key and kind. On the start-up path (without `json`, see `oci.scan`).

Manifests, indexes and configurations come from registries and archives. Different tools must not read different
things out of one document, so what JSON leaves open is refused: duplicate keys, numbers that are none, text that is no
Unicode. `null` counts as absent, as it does for the Go programs that write most of these documents.
"""

from __future__ import annotations

from sampan.errors import ProtocolError, printable
from sampan.oci.scan import Hooks, scan, slowly

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 32
MAX_NUMBER = 30
"""Letters of a number: enough for any size; converting a million digits takes minutes."""


def read_document(data: bytes, what: str, limit: int = MAX_BYTES) -> dict[str, object]:
    """The JSON object in `data`. Raises `ProtocolError` that begins with `what`, as in `the manifest of debian:12`."""
    found = _read(data, what, limit)
    if not isinstance(found, dict):
        raise ProtocolError(f"{what} is not a JSON object")
    return found


def read_list(data: bytes, what: str, limit: int = MAX_BYTES) -> list[dict[str, object]]:
    """The JSON list of objects in `data`, by the same rules."""
    found = _read(data, what, limit)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ProtocolError(f"{what} is not a JSON list of objects")
    return found


def _read(data: bytes, what: str, limit: int) -> object:
    if len(data) > limit:
        raise ProtocolError(f"{what} has {len(data)} bytes; at most {limit} are accepted")
    try:
        text = data.decode("utf-8")
        try:
            found = scan(text, _Hooks)
        except ValueError:
            found = slowly(text, _Hooks)  # which says where it is wrong
    except RecursionError as error:
        raise ProtocolError(f"{what} is nested too deeply") from error
    except ValueError as error:  # not UTF-8, not JSON, or refused by a hook
        raise ProtocolError(f"{what} is not the JSON it should be: {printable(str(error)[:200])}") from error
    _check_values(found, what)
    return found


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:60]!r} stands twice in one object")
    return found


def _whole(text: str) -> int:
    if len(text) > MAX_NUMBER:
        raise ValueError(f"a number has more than {MAX_NUMBER} digits")
    return int(text)


def _fraction(text: str) -> float:
    if len(text) > MAX_NUMBER:
        raise ValueError(f"a number has more than {MAX_NUMBER} digits")
    return float(text)


def _constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


class _Hooks(Hooks):
    object_pairs_hook = staticmethod(_object)  # type: ignore[assignment]
    parse_int = staticmethod(_whole)  # type: ignore[assignment]
    parse_float = staticmethod(_fraction)  # type: ignore[assignment]
    parse_constant = staticmethod(_constant)


def _check_values(root: object, what: str) -> None:
    """Bounded depth, and text that can be written as UTF-8 again (JSON can spell half a surrogate pair)."""
    level: list[object] = [root]
    for _ in range(MAX_DEPTH):
        deeper: list[object] = []
        for value in level:
            if isinstance(value, dict):
                deeper += value
                deeper += value.values()
            elif isinstance(value, list):
                deeper += value
            elif isinstance(value, str) and not _is_unicode(value):
                raise ProtocolError(f"{what} has text that is not Unicode")
        if not deeper:
            return
        level = deeper
    raise ProtocolError(f"{what} is nested more than {MAX_DEPTH} levels deep")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def text_of(document: dict[str, object], key: str, what: str) -> str:
    """The text under `key`, empty if there is none. Raises `ProtocolError` if it is something else."""
    value = document.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(key, "a text", what)
    return value


def number_of(document: dict[str, object], key: str, what: str) -> int:
    """The whole number under `key`, which must be there and fit 63 bits. Raises `ProtocolError`."""
    value = document.get(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(key, "a whole number", what)
    if not 0 <= value < 1 << 63:
        raise ProtocolError(f"{what} has {key!r} out of range: {value}")
    return value


def map_of(document: dict[str, object], key: str, what: str) -> dict[str, object]:
    """The object under `key`, empty if there is none. Raises `ProtocolError` if it is something else."""
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(key, "an object", what)
    return value


def maps_of(document: dict[str, object], key: str, what: str) -> list[dict[str, object]]:
    """The list of objects under `key`, empty if there is none. Raises `ProtocolError` if it is something else."""
    value = document.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _wrong(key, "a list of objects", what)
    return value


def texts_of(document: dict[str, object], key: str, what: str) -> tuple[str, ...]:
    """The list of texts under `key`, empty if there is none. Raises `ProtocolError` if it is something else."""
    value = document.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(key, "a list of texts", what)
    return tuple(value)


def text_map_of(document: dict[str, object], key: str, what: str) -> dict[str, str]:
    """The object of texts under `key`, empty if there is none; a `null` inside counts as empty. Raises `ProtocolError`."""
    found: dict[str, str] = {}
    for name, value in map_of(document, key, what).items():
        if value is not None and not isinstance(value, str):
            raise _wrong(f"{key}.{name}", "a text", what)
        found[name] = value or ""
    return found


def _wrong(key: str, kind: str, what: str) -> ProtocolError:
    return ProtocolError(f"{what} has {printable(key[:80])!r} that is not {kind}")
