"""Records: one JSON object a file, with its format number. On the start-up path.

`json` itself is not imported for it (`oci.scan`).
"""

from __future__ import annotations

import os

from sampan.errors import CorruptRecord, NewerStore, StoreError
from sampan.oci.scan import scan

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1
MAX_BYTES = 4 << 20
_HINT = "`sampan store fsck` finds all that is damaged"


def dump(document: dict[str, object]) -> bytes:
    """The document as one line of JSON. It holds dicts with text keys, lists, texts, whole numbers, booleans and None."""
    return ("".join(_pieces(document)) + "\n").encode("ascii")


def _pieces(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield _quoted(value)
    elif value is None or isinstance(value, bool):
        yield {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, int):
        yield str(value)
    elif isinstance(value, dict):
        opening = "{"
        for key, inner in value.items():
            yield f"{opening}{_quoted(key)}: "
            yield from _pieces(inner)
            opening = ", "
        yield "}" if value else "{}"
    elif isinstance(value, (list, tuple)):
        opening = "["
        for inner in value:
            yield opening
            yield from _pieces(inner)
            opening = ", "
        yield "]" if value else "[]"
    else:
        raise TypeError(f"a record cannot hold {type(value).__name__}")


def _quoted(text: str) -> str:
    try:
        from _json import encode_basestring_ascii  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        import json

        return json.dumps(text)
    return str(encode_basestring_ascii(text))


def read(path: str) -> dict[str, object] | None:
    """The record at `path`; `None` if there is none. Raises `CorruptRecord`, `NewerStore`, `StoreError`."""
    raw = read_bytes(path)
    return None if raw is None else understood(raw, path)


def read_bytes(path: str) -> bytes | None:
    """The content of a small file; `None` if there is none. Raises `CorruptRecord` if it is not small, `StoreError`."""
    try:
        with open(path, "rb", buffering=0) as stream:
            raw = stream.read(MAX_BYTES + 1) or b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise corrupt(path, f"it is larger than {MAX_BYTES} bytes")
    return raw


def understood(raw: bytes, path: str) -> dict[str, object]:
    """The record in `raw`. Raises `CorruptRecord`, and `NewerStore` for one of a later format."""
    document = object_in(raw, path)
    number = document.get("format")
    if isinstance(number, bool) or not isinstance(number, int) or number < 1:
        raise corrupt(path, "it has no format number")
    if number > FORMAT:
        raise NewerStore(f"{path} was written by a newer sampan (format {number})", "upgrade sampan, or use another SAMPAN_HOME")
    return document


def object_in(raw: bytes, path: str) -> dict[str, object]:
    """The JSON object in `raw`. Raises `CorruptRecord`."""
    try:
        document = scan(raw.decode("utf-8"))
    except ValueError as error:
        raise corrupt(path, "it is not JSON" if raw else "it is empty") from error
    if not isinstance(document, dict):
        raise corrupt(path, "it is not an object")
    return document


def corrupt(path: str, reason: str) -> CorruptRecord:
    """The error for a record that cannot be used."""
    return CorruptRecord(f"the record {path} is damaged: {reason}", _HINT)


def text_of(document: dict[str, object], key: str, path: str) -> str:
    """A text of a record. Raises `CorruptRecord` if it is missing or none."""
    value = document.get(key)
    if not isinstance(value, str):
        raise corrupt(path, f"{key} is not a text")
    return value


def number_of(document: dict[str, object], key: str, path: str) -> int:
    """A whole number of a record, not negative. Raises `CorruptRecord` if it is missing or none."""
    value = document.get(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise corrupt(path, f"{key} is not a number")
    return value


def write(path: str, temporary: str, document: dict[str, object]) -> None:
    """Write the record under its temporary name, then give it its own. Raises OSError.

    Of several writers the last one wins; a reader sees one whole record or another.
    """
    put(path, temporary, dump(document))


def put(path: str, temporary: str, data: bytes) -> None:
    """Make `data` the content of `path` in one step that survives a crash. Raises OSError."""
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        try:
            os.fchmod(descriptor, 0o644)  # whatever the umask: others read a shared store, and a private one is closed at its top
            while data:
                data = data[os.write(descriptor, data) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        # A network file system may have renamed and lost the answer: then the temporary name is gone.
        if os.path.exists(temporary) or not os.path.exists(path):
            remove_if_there(temporary)
            raise
    flush_directory(os.path.dirname(path))


def flush_directory(path: str) -> None:
    """Bring the names in a directory to the disk, where the file system can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError:
        pass  # some network file systems refuse it for directories; their rename is durable by itself
    finally:
        os.close(descriptor)


def remove_if_there(path: str) -> bool:
    """Remove a file; False if there was none."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True
