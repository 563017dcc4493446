"""Names of objects: hashes of their stored bytes, and of paths. Pure.

A hash is 20 bytes by one of three algorithms, written as hex digits with the algorithm behind it unless it is SHA-1. What an object is
(catalog, piece of a file, ...) is said by a letter behind its name, which is no part of the hash.
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from sampan.errors import HostError, RepositoryError, printable

SHA1 = "sha1"
RMD160 = "rmd160"
SHAKE128 = "shake128"
ALGORITHMS = (SHA1, RMD160, SHAKE128)
"""In the order of their numbers in a catalog's flags."""

CONTENT, CATALOG, HISTORY, CERTIFICATE, METAINFO, PIECE = "", "C", "H", "X", "M", "P"

_LENGTH = 20
_HEX = frozenset("0123456789abcdef")
_PAIR = struct.Struct("<qq")


class Hash(NamedTuple):
    """The name of an object."""

    digest: bytes
    algorithm: str = SHA1

    @property
    def text(self) -> str:
        """As manifests and tables have it: `ab12...` or `ab12...-shake128`."""
        return self.digest.hex() if self.algorithm == SHA1 else f"{self.digest.hex()}-{self.algorithm}"

    def __str__(self) -> str:
        return self.text

    def path(self, suffix: str = "") -> str:
        """Where the object lies below the repository: `data/ab/12...C`."""
        text = self.text
        return f"data/{text[:2]}/{text[2:]}{suffix}"

    @classmethod
    def parse(cls, text: str) -> Hash:
        """Raises `RepositoryError`."""
        digits, _, algorithm = text.partition("-")
        known = algorithm in ALGORITHMS[1:] if algorithm else "-" not in text
        if len(digits) != 2 * _LENGTH or not known or not _HEX.issuperset(digits):
            raise RepositoryError(f"{printable(text[:80])!r} is not a hash of a known kind")
        return cls(bytes.fromhex(digits), algorithm or SHA1)

    @classmethod
    def of(cls, data: bytes, algorithm: str = SHA1) -> Hash:
        """The hash of these bytes. Raises `HostError` where the algorithm is not available."""
        if algorithm == SHA1:
            return cls(hashlib.sha1(data, usedforsecurity=False).digest())
        if algorithm == SHAKE128:
            return cls(hashlib.shake_128(data, usedforsecurity=False).digest(_LENGTH), SHAKE128)
        try:
            return cls(hashlib.new("ripemd160", data, usedforsecurity=False).digest(), RMD160)
        except ValueError as error:
            raise HostError(
                "this Python's OpenSSL has no RIPEMD-160, by which the repository names its objects",
                "enable OpenSSL's legacy provider",
            ) from error


NO_HASH = "0" * 2 * _LENGTH
"""What stands for `no previous revision`."""


def path_key(path: bytes) -> tuple[int, int]:
    """The MD5 of an absolute path as the two integers that catalogs have for it."""
    low, high = _PAIR.unpack(hashlib.md5(path, usedforsecurity=False).digest())
    return low, high
