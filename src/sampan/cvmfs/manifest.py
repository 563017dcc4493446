"""The manifest: the one document of a repository that changes, and so says which revision is current. Pure.

Lines of one letter and a value; what a later version adds under other letters is ignored, as every client does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sampan.cvmfs.hashing import Hash
from sampan.errors import RepositoryError, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = ".cvmfspublished"
ROOT_KEY = "d41d8cd98f00b204e9800998ecf8427e"
"""MD5 of the root's path, the empty text."""
DEFAULT_TTL = 240
_MAX_NUMBER = 1 << 62


class Manifest(NamedTuple):
    """One state of a repository. `timestamp` and `ttl` in seconds; `root` is the root catalog, of `root_size` bytes uncompressed."""

    root: Hash
    revision: int
    timestamp: int
    fqrn: str
    certificate: Hash
    root_size: int = 0
    ttl: int = DEFAULT_TTL
    history: Hash | None = None
    metainfo: Hash | None = None
    reflog: Hash | None = None
    collectable: bool = True
    alternative_paths: bool = False

    def text(self) -> bytes:
        """What is signed, in the order of the official tools."""
        lines = [f"C{self.root}", f"B{self.root_size}", f"R{ROOT_KEY}", f"D{self.ttl}", f"S{self.revision}"]
        lines += [f"G{_word(self.collectable)}", f"A{_word(self.alternative_paths)}", f"N{self.fqrn}", f"X{self.certificate}"]
        if self.history is not None:
            lines.append(f"H{self.history}")
        lines.append(f"T{self.timestamp}")
        if self.metainfo is not None:
            lines.append(f"M{self.metainfo}")
        if self.reflog is not None:
            lines.append(f"Y{self.reflog}")
        return ("\n".join(lines) + "\n").encode("ascii")


def parse(text: bytes) -> Manifest:
    """Raises `RepositoryError` for a manifest that lacks something or has it twice."""
    fields: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.decode("utf-8", "replace")
        if line[:1] in fields:
            raise RepositoryError(f"the manifest has two lines {printable(line[:1])!r}")
        if line:
            fields[line[0]] = line[1:]
    missing = [letter for letter in "CRDSNXT" if letter not in fields]
    if missing:
        raise RepositoryError(f"the manifest has no line {missing[0]!r}")
    if fields["R"] != ROOT_KEY:
        raise RepositoryError("the manifest is that of a part of a repository, not of its root")
    return Manifest(
        root=Hash.parse(fields["C"]),
        revision=_number(fields, "S"),
        timestamp=_number(fields, "T"),
        fqrn=checked_fqrn(fields["N"]),
        certificate=Hash.parse(fields["X"]),
        root_size=_number(fields, "B"),
        ttl=_number(fields, "D"),
        history=_hash(fields, "H"),
        metainfo=_hash(fields, "M"),
        reflog=_hash(fields, "Y"),
        collectable=fields.get("G") == "yes",
        alternative_paths=fields.get("A") == "yes",
    )


def checked_fqrn(name: str) -> str:
    """A repository's name as `software.example.org`. Raises `RepositoryError` for one that no host or directory could have."""
    if not 0 < len(name) <= 255 or not name[0].isalnum() or not all(c.isascii() and (c.isalnum() or c in "._-") for c in name):
        raise RepositoryError(
            f"{printable(name[:80])!r} cannot be the name of a repository", "names are like software.example.org"
        )
    return name


def _word(value: bool) -> str:
    return "yes" if value else "no"


def _number(fields: Mapping[str, str], letter: str) -> int:
    digits = fields.get(letter, "0")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19 or int(digits) > _MAX_NUMBER:
        raise RepositoryError(f"the manifest's line {letter!r} is no number: {printable(digits[:40])!r}")
    return int(digits)


def _hash(fields: Mapping[str, str], letter: str) -> Hash | None:
    return Hash.parse(fields[letter]) if fields.get(letter) else None
