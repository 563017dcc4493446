"""The whitelist, signed by the master key: which certificates may sign the manifest, and until when. And the client's black list. Pure."""

from __future__ import annotations

import calendar
import time
from typing import NamedTuple

from sampan.cvmfs.hashing import ALGORITHMS
from sampan.cvmfs.manifest import checked_fqrn
from sampan.errors import RepositoryError, printable

NAME = ".cvmfswhitelist"
_STAMP = 14
_ENOUGH_LINES = 3
_ALGORITHMS = ("", *ALGORITHMS[1:])
_HEX = frozenset("0123456789ABCDEF:")


class Whitelist(NamedTuple):
    """`issued` and `expires` in seconds; fingerprints as `Certificate.fingerprint` makes them."""

    issued: int
    expires: int
    fqrn: str
    fingerprints: tuple[str, ...]

    def text(self) -> bytes:
        """What is signed."""
        lines = [stamp(self.issued), f"E{stamp(self.expires)}", f"N{self.fqrn}", *self.fingerprints]
        return ("\n".join(lines) + "\n").encode("ascii")


def stamp(seconds: int) -> str:
    """`20261121015948`, UTC."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))


def parse(text: bytes) -> Whitelist:
    """Raises `RepositoryError`."""
    lines = text.decode("utf-8", "replace").splitlines()
    if len(lines) < _ENOUGH_LINES or lines[1][:1] != "E" or lines[2][:1] != "N":
        raise RepositoryError("the whitelist does not begin with a time, an expiry and the repository's name")
    fingerprints = []
    for line in lines[3:]:
        words = line.partition("#")[0].split()
        # `Vpkcs7` and `Wcachain` ask for other ways of verifying besides; they are no fingerprints.
        digits, _, algorithm = words[0].partition("-") if words else ("", "", "")
        if ":" in digits and _HEX.issuperset(digits) and algorithm.lower() in _ALGORITHMS:
            fingerprints.append(words[0])
    return Whitelist(_seconds(lines[0]), _seconds(lines[1][1:]), checked_fqrn(lines[2][1:]), tuple(fingerprints))


def _seconds(text: str) -> int:
    digits = text[:_STAMP]
    if len(digits) != _STAMP or not digits.isascii() or not digits.isdigit():
        raise RepositoryError(f"the whitelist has {printable(text[:40])!r} where a time should be")
    year, rest = int(digits[:4]), [int(digits[at : at + 2]) for at in range(4, _STAMP, 2)]
    month, day, hour, minute, second = rest
    if not (year >= 1970 and 1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        raise RepositoryError(f"the whitelist has an impossible time: {digits}")
    return calendar.timegm((year, month, day, hour, minute, second))


class Blacklist(NamedTuple):
    """Certificates that are refused, and revisions below which a repository is refused, whatever its whitelist says."""

    fingerprints: frozenset[str] = frozenset()
    revisions: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, text: bytes) -> Blacklist:
        """The client's file: a fingerprint, or `<FQRN NUMBER`, a line. Raises `RepositoryError`."""
        fingerprints, revisions = set(), []
        for number, line in enumerate(text.decode("utf-8", "replace").splitlines(), 1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            if words[0].startswith("<"):
                name, digits = words[0][1:] or (words[1] if len(words) > 1 else ""), words[-1]
                if len(words) < 2 or not digits.isascii() or not digits.isdigit():
                    raise RepositoryError(
                        f"line {number} of the black list has no revision behind the name: {printable(line[:80])!r}"
                    )
                revisions.append((name, int(digits[:19])))
            else:
                fingerprints.add(words[0].upper())
        return cls(frozenset(fingerprints), tuple(revisions))

    def blocks(self, fqrn: str, revision: int) -> bool:
        """Whether this revision is too old."""
        return any(name == fqrn and revision < least for name, least in self.revisions)
