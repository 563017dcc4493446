"""TOML files of other programs: read within limits, then asked for by key and kind. Keys that nobody knows are left alone."""

from __future__ import annotations

from sampan.errors import BadSetting, printable
from sampan.settings import parse_toml

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

    Table = dict[str, Any]

MAX_FILE = 1024 * 1024


def read_toml(file: str) -> Table | None:
    """The document in a file; `None` if there is none. Raises `BadSetting`."""
    data = read_bytes(file)
    return None if data is None else parsed(data, file)


def read_bytes(file: str) -> bytes | None:
    """What is in a file; `None` if there is none. Raises `BadSetting`."""
    try:
        with open(file, "rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise BadSetting(f"cannot read {file}: {error.strerror}") from error
    if len(data) > MAX_FILE:
        raise BadSetting(f"{file} has more than {MAX_FILE} bytes")
    return data


def parsed(data: bytes, file: str) -> Table:
    """The document. Raises `BadSetting`."""
    try:
        return parse_toml(data, file)
    except RecursionError as error:
        raise BadSetting(f"{file} is nested too deeply") from error


def text_in(table: Table, key: str, file: str) -> str:
    """The text under `key`, empty if there is none. Raises `BadSetting` if it is something else, or holds odd letters."""
    value = table.get(key, "")
    if not isinstance(value, str) or not value.isprintable():
        raise _wrong(key, "a text in quotes", file)
    return value


def flag_in(table: Table, key: str, file: str) -> bool:
    """The flag under `key`, false if there is none. Raises `BadSetting` if it is something else."""
    value = table.get(key, False)
    if not isinstance(value, bool):
        raise _wrong(key, "true or false", file)
    return value


def texts_in(table: Table, key: str, file: str) -> tuple[str, ...]:
    """The list of texts under `key`; a single text counts as a list of one. Raises `BadSetting`."""
    value = table.get(key, [])
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or not all(isinstance(item, str) and item.isprintable() for item in value):
        raise _wrong(key, "a list of texts", file)
    return tuple(value)


def table_in(table: Table, key: str, file: str) -> Table:
    """The table under `key`, empty if there is none. Raises `BadSetting` if it is something else."""
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise _wrong(key, "a table", file)
    return value


def tables_in(table: Table, key: str, file: str) -> list[Table]:
    """The list of tables under `key`, empty if there is none. Raises `BadSetting` if it is something else."""
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _wrong(key, f"written as [[{key}]]", file)
    return value


def _wrong(key: str, kind: str, file: str) -> BadSetting:
    return BadSetting(f"{file}: {printable(key[:80])!r} must be {kind}")
