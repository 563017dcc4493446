"""Clones: what `udocker export --clone` writes, a tar archive of a container's directory. Its root is under ROOT, beside it are
`container.json` (the image's configuration) and `imagerepo.name` (the image's name).

Members are renamed one after the other on their way, so no archive has to fit into memory. What others wrote is checked where the
root is applied, as every layer is: here only names change.
"""

from __future__ import annotations

import io
import json
import tarfile
from typing import IO, TYPE_CHECKING

from sampan.errors import LayerError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = "ROOT"
CONFIGURATION = "container.json"
IMAGE = "imagerepo.name"
_SMALL = 8 << 20


class Goal:
    """What tarfile writes to, by a function that takes bytes."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.write = write


def pack(root: IO[bytes], configuration: Mapping[str, object], image: str, goal: Goal) -> None:
    """Write a clone to `goal`: the tar archive `root` below ROOT, and the two files. Raises OSError."""
    with tarfile.open(fileobj=goal, mode="w|", format=tarfile.PAX_FORMAT) as out:  # type: ignore[call-overload]
        for name, data in ((CONFIGURATION, json.dumps(configuration).encode()), (IMAGE, image.encode())):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
        _rename(root, out, lambda name: f"{ROOT}/{name}" if name else ROOT)


def unpack(clone: IO[bytes], goal: IO[bytes]) -> tuple[Mapping[str, object], str] | None:
    """Write what is below ROOT to `goal` as a tar archive; the configuration and the image's name (empty for none).

    `None` if there is no ROOT: then it is no clone, and `goal` is empty. Raises `LayerError`, OSError.
    """
    found: dict[str, bytes] = {}
    seen = 0

    def below(name: str) -> str | None:
        nonlocal seen
        first, _, rest = name.partition("/")
        if first != ROOT:
            return None
        seen += 1
        return rest or "."

    with tarfile.open(fileobj=goal, mode="w|", format=tarfile.PAX_FORMAT) as out:
        _rename(clone, out, below, found)
    if not seen:
        return None
    try:
        document = json.loads(found.get(CONFIGURATION, b"{}"))
    except ValueError as error:
        raise LayerError(f"{CONFIGURATION} in the clone is no JSON: {printable(str(error))}") from error
    name = found.get(IMAGE, b"").decode("utf-8", "replace").strip()
    return (document if isinstance(document, dict) else {}), name


def _rename(
    source: IO[bytes], out: tarfile.TarFile, renamed: Callable[[str], str | None], kept: dict[str, bytes] | None = None
) -> None:  # fmt: skip
    """Copy members under the names that `renamed` gives them; small files that get none are read into `kept`."""
    try:
        with tarfile.open(fileobj=source, mode="r|*") as archive:
            for member in archive:
                plain = member.name.removeprefix("./").strip("/")
                plain = "" if plain == "." else plain
                name = renamed(plain)
                if name is None:
                    if kept is not None and member.isfile() and member.size < _SMALL and (stream := archive.extractfile(member)):
                        kept[plain] = stream.read()
                    continue
                member.name = name
                if member.islnk():
                    member.linkname = renamed(member.linkname.removeprefix("./").strip("/")) or member.linkname
                member.pax_headers = {key: value for key, value in member.pax_headers.items() if key not in ("path", "linkpath")}
                out.addfile(member, archive.extractfile(member) if member.isfile() else None)
    except tarfile.TarError as error:
        raise LayerError(f"the archive cannot be read: {printable(str(error))}") from error
