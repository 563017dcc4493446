"""The files that starts of an image read, as they were recorded (`sampan repo trace`): where the list lies, its form, what it leads to.

It lies beside the image, below the base path of the image's directory: `.metadata/prefetch/NAME`, where NAME is the last part of the
directory's path (a digest). A line a path, relative to the image's root, percent-encoded; the first line names the form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

from sampan.cvmfs.entry import pieces
from sampan.errors import RepositoryError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.cvmfs.client.client import Client
    from sampan.cvmfs.entry import Piece

FORM = b"sampan prefetch 1"
MAX_BYTES = 16 << 20
_FLAT = b"/.flat/"


def list_path(image: bytes) -> bytes:
    """Where the list of the image in a directory of the repository lies."""
    base = image.partition(_FLAT)[0] if _FLAT in image else image.rpartition(b"/")[0]
    return base + b"/.metadata/prefetch/" + image.rpartition(b"/")[2]


def dump(paths: Iterable[bytes]) -> bytes:
    """A list, the same for the same paths."""
    return b"".join(line + b"\n" for line in (FORM, *(quote_from_bytes(path).encode() for path in sorted(set(paths)))))


def parse(data: bytes) -> tuple[bytes, ...]:
    """The paths of a list, without those that would lead out of the image. Raises `RepositoryError` for another form."""
    first, _, rest = data.partition(b"\n")
    if first != FORM:
        raise RepositoryError(f"a list of recorded files has the unknown form {printable(first[:40])!r}", "upgrade sampan")
    found = [unquote_to_bytes(line) for line in rest.split(b"\n") if line]
    return tuple(path for path in found if path and b".." not in path.split(b"/"))


def read(client: Client, image: bytes) -> tuple[bytes, ...]:
    """The recorded paths of an image, relative to it; none if nothing was recorded. Raises what reading raises."""
    entry = client.repository.lookup(list_path(image))
    if entry is None or not entry.is_file or entry.size > MAX_BYTES:
        return ()
    return parse(client.read_entry(entry))


def recorded(client: Client, image: bytes) -> list[tuple[Piece, str]]:
    """The objects of the recorded files, with their compression; what is not there any more is passed over."""
    found: list[tuple[Piece, str]] = []
    for path in read(client, image):
        entry = client.repository.lookup(image + b"/" + path)
        if entry is not None and entry.body is not None:
            found += [(piece, entry.body.compression) for piece in pieces(entry.body, 0, entry.body.size)]
    return found
