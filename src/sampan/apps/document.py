"""JSON that people write: descriptors and invocations. On the path of `app launch`.

Read by the scanner in C that `json` itself uses, because `import json` costs more than a whole launch may. A key that stands
twice in one object with two values is refused: two programs would take different ones from it. Where the text is no JSON, `json` is
imported after all, for the line and the column.
"""

from __future__ import annotations

from sampan.errors import UsageError, printable

MAX_BYTES = 4 << 20
MAX_DEPTH = 64
MAX_DIGITS = 40


def read(data: bytes, what: str) -> object:
    """The value of a JSON document. Raises `UsageError` that begins with `what`, and names the place."""
    if len(data) > MAX_BYTES:
        raise UsageError(f"{what} has {len(data)} bytes; at most {MAX_BYTES} are read")
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{what} is not UTF-8: byte {data[error.start]:#04x} in line {line}") from error
    try:
        value = _scan(text)
    except ValueError as error:
        raise UsageError(f"{what} is not the JSON it should be: {_place(text, error)}") from error
    _check_depth(value, what)
    return value


class _Scanner:
    """What the scanner wants to know."""

    strict = True
    object_hook = None

    @staticmethod
    def object_pairs_hook(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            # Real descriptors say the same thing twice; saying two things is what nobody could mean.
            for key, value in pairs:
                if found[key] != value:
                    raise _Refused(f"the key {printable(key[:60])!r} stands twice in one object, with different values")
        return found

    @staticmethod
    def parse_float(text: str) -> float:
        value = float(text)
        if len(text) > MAX_DIGITS or value in (float("inf"), float("-inf")):
            raise _Refused(f"the number {text[:20]} is out of range")
        return value

    @staticmethod
    def parse_int(text: str) -> int:
        if len(text) > MAX_DIGITS:
            raise _Refused(f"the number {text[:20]}... is out of range")
        return int(text)

    @staticmethod
    def parse_constant(name: str) -> float:
        raise _Refused(f"{name} is not a number of JSON")


class _Refused(ValueError):
    """JSON, but not one that sampan takes."""


def _scan(text: str) -> object:
    try:
        from _json import make_scanner  # type: ignore[import-not-found,unused-ignore]

        scan = make_scanner(_Scanner)  # type: ignore[arg-type,unused-ignore]
    except (ImportError, AttributeError, TypeError):
        return _by_json(text)
    stripped = text.strip(" \t\r\n")
    try:
        value, end = scan(stripped, 0)
    except (StopIteration, RecursionError, SystemError) as error:
        raise ValueError("it is not JSON") from error
    if end != len(stripped):
        raise ValueError("something follows the value")
    return value


def _by_json(text: str) -> object:
    import json

    try:
        return json.loads(
            text,
            object_pairs_hook=_Scanner.object_pairs_hook,
            parse_float=_Scanner.parse_float,
            parse_int=_Scanner.parse_int,
            parse_constant=_Scanner.parse_constant,
        )
    except RecursionError as error:
        raise _Refused("it is nested too deeply") from error


def _place(text: str, error: ValueError) -> str:
    """What is wrong and where."""
    if isinstance(error, _Refused):
        return str(error)
    try:
        _by_json(text)
    except ValueError as found:
        return printable(str(found)[:200])
    return printable(str(error)[:200])


def _check_depth(root: object, what: str) -> None:
    level: list[object] = [root]
    for _ in range(MAX_DEPTH):
        deeper: list[object] = []
        for value in level:
            if isinstance(value, dict):
                deeper += value.values()
            elif isinstance(value, list):
                deeper += value
        if not deeper:
            return
        level = deeper
    raise UsageError(f"{what} is nested more than {MAX_DEPTH} levels deep")
