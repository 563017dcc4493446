"""Digests of files and directories, that anybody can check with coreutils.

A file: its sha256. A directory: the sha256 of the listing `DIGEST  ./PATH` of its regular files, sorted by path as bytes
(`find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum`).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PIECE = 1 << 20
SMALL = 1 << 16


@dataclass(frozen=True)
class Measured:
    """What lies at a path: `file` or `directory`, bytes of all its files, digest (empty if it was not asked for)."""

    kind: str
    size: int
    digest: str


def measured(path: str, *, checksum: bool = True, check: Callable[[], None] | None = None) -> Measured:
    """Measure a file or a directory; `check` is called now and then, and may raise. Raises OSError."""
    if not os.path.isdir(path):
        size = os.stat(path).st_size
        return Measured("file", size, f"sha256:{_of_file(path, check)}" if checksum else "")
    total, whole = 0, hashlib.sha256()
    for relative in files_below(path):
        place = os.path.join(os.fsencode(path), relative)
        total += os.stat(place).st_size
        if checksum:
            whole.update(_line(_of_file(place, check), b"./" + relative))
    return Measured("directory", total, f"sha256:{whole.hexdigest()}" if checksum else "")


def files_below(path: str) -> Iterator[bytes]:
    """Paths of the regular files below a directory, sorted as bytes; links are not followed."""
    root = os.fsencode(path)
    found = []
    for base, _, names in os.walk(root):
        for name in names:
            place = os.path.join(base, name)
            if os.path.isfile(place) and not os.path.islink(place):
                found.append(os.path.relpath(place, root))
    yield from sorted(found, key=lambda one: b"./" + one)


def _line(digest: str, path: bytes) -> bytes:
    """One line as sha256sum writes it: a backslash in front where the name had to be escaped."""
    escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if escaped != path else b"") + digest.encode("ascii") + b"  " + escaped + b"\n"


def _of_file(path: str | bytes, check: Callable[[], None] | None) -> str:
    found = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:
        piece = stream.read(SMALL)
        while piece:
            found.update(piece)
            if len(piece) < SMALL:
                piece = stream.read(SMALL)
                continue
            if check is not None:
                check()
            piece = stream.read(PIECE)
    return found.hexdigest()
