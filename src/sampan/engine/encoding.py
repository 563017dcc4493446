"""The bytes of a launch file, format 1 (docs/design/launch-file.md), and back.

Records are tuples of text, the record's name first. Text becomes bytes as file names do (`os.fsencode`), so a path that is no UTF-8
goes through unchanged. What a record means, and whether its fields are right, is checked by `sampan-run` alone; here is only the
grammar. On the start-up path; pure.
"""

from __future__ import annotations

import os

from sampan.errors import UsageError, printable

FORMAT = b"sampan-launch 1"
MAX_BYTES = 8 << 20
MAX_RECORDS = 65536
# Linux before 5.1 cuts a #! line at 127 bytes, and every Linux at the first blank.
MAX_INTERPRETER = 120


def header(program: str | None) -> bytes:
    """The header of a launch file: for an open descriptor, or with `program` (the path of `sampan-run`) for a file that runs itself."""
    if program is None:
        return FORMAT
    path = os.fsencode(program)
    if b"\n" in path or b"\0" in path:
        raise UsageError(
            f"a launch file cannot name the program {printable(program)}: there is a line end in its path",
            "move the store, or set SAMPAN_HOME",
        )
    if len(path) <= MAX_INTERPRETER and b" " not in path and b"\t" not in path:
        return b"#!" + path + b"\n" + FORMAT
    return b"#!/bin/sh\nexec '" + path.replace(b"'", b"'\\''") + b'\' "$0" "$@"\n' + FORMAT


def encode(records: list[tuple[str, ...]], header: bytes = FORMAT) -> bytes:
    """The bytes of a launch file; `UsageError` if a field holds a NUL or the file becomes larger than the format allows."""
    words: list[str] = []
    for record in records:
        words += (record[0], str(len(record) - 1), *record[1:])
    # In one go: a thousand jobs encode a hundred words each.
    data = b"\0".join((header, os.fsencode("\0".join((*words, "")))))
    if data.count(b"\0") != len(words) + 1:
        guilty = next(record[0] for record in records if any("\0" in text for text in record))
        raise UsageError(f"a NUL byte cannot stand in a launch file, and there is one in a field of {printable(guilty)!r}")
    if len(data) > MAX_BYTES or len(records) > MAX_RECORDS:
        raise UsageError(
            f"a launch file takes 8 MiB and {MAX_RECORDS} records, and this start needs {len(data)} bytes and {len(records)} records",
            "bind a directory instead of many files, or pass long values in a file",
        )
    return data


def decode(data: bytes) -> list[tuple[str, ...]]:
    """The records of a launch file; `UsageError` if the bytes break the grammar."""
    head, found, rest = data.partition(b"\0")
    last = head.rpartition(b"\n")[2]
    if not found or not last.startswith(b"sampan-launch "):
        raise UsageError("this is not a launch file")
    if last != FORMAT:
        raise UsageError(f"this launch file is of format {printable(last[14:34])}, and this sampan reads format 1")
    if len(data) > MAX_BYTES:
        raise UsageError("this launch file is longer than 8 MiB")
    words = rest.split(b"\0")
    if words.pop() != b"":
        raise UsageError("this launch file is cut off: its last field does not end")
    records: list[tuple[str, ...]] = []
    at = 0
    while at < len(words):
        count = words[at + 1] if at + 1 < len(words) else b""
        # isdigit of bytes knows only ASCII digits; sampan-run takes seven of them.
        if not count.isdigit() or len(count) > 7 or at + 2 + int(count) > len(words):
            raise UsageError(f"this launch file is damaged in record {len(records) + 1}, {printable(words[at][:40])!r}")
        end = at + 2 + int(count)
        records.append((os.fsdecode(words[at]), *map(os.fsdecode, words[at + 2 : end])))
        at = end
    if len(records) > MAX_RECORDS:
        raise UsageError(f"this launch file has more than {MAX_RECORDS} records")
    return records
