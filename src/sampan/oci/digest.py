"""Digests: checked before they reach a path or a URL, and compared while bytes stream past. On the start-up path.

A digest is `ALGORITHM:ENCODED` (image-spec, descriptor.md "Digests"). sampan verifies sha256 and sha512. Any other
well-formed digest is carried along (an index may name one for a platform nobody asks for) and refused by name where
its bytes would have to be verified. The checks are by hand: a digest comes from a registry and becomes a file name, and
`re` alone costs more than the rest of this module.
"""

from __future__ import annotations

from sampan.errors import DigestMismatch, ProtocolError, UnsupportedContent, printable

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterable
    from hashlib import _Hash

HEX_LENGTHS = {"sha256": 64, "sha512": 128, "blake3": 64}
"""Hex digits of each algorithm that the image-spec registers."""
VERIFIABLE = ("sha256", "sha512")
MAX_LENGTH = 250
"""A digest is also a file name: longer ones would not fit a directory entry."""

_LOWER_HEX = "0123456789abcdef"
_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
_ENCODED = _LOWER + "ABCDEFGHIJKLMNOPQRSTUVWXYZ=_-"


class Digest:
    """An algorithm and the encoded hash; `str()` gives the usual text."""

    __slots__ = ("algorithm", "encoded")
    algorithm: str
    encoded: str

    def __init__(self, algorithm: str, encoded: str) -> None:
        """Raises `ProtocolError` if the two do not make a digest."""
        reason = _fault(algorithm, encoded)
        if reason:
            raise ProtocolError(f"{printable(f'{algorithm}:{encoded}'[:MAX_LENGTH])!r} is not a digest: {reason}")
        object.__setattr__(self, "algorithm", algorithm)
        object.__setattr__(self, "encoded", encoded)

    @classmethod
    def parse(cls, text: str) -> Digest:
        """The digest in `text`. Raises `ProtocolError`."""
        algorithm, colon, encoded = text.partition(":")
        if not colon:
            raise ProtocolError(f"{printable(text[:MAX_LENGTH])!r} is not a digest: it has no algorithm in front")
        return cls(algorithm, encoded)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a digest does not change: {name}")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.encoded}"

    def __repr__(self) -> str:
        return f"Digest({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Digest) and (self.algorithm, self.encoded) == (other.algorithm, other.encoded)

    def __hash__(self) -> int:
        return hash((self.algorithm, self.encoded))

    @property
    def short(self) -> str:
        """For sentences and lists: the algorithm and twelve digits."""
        return f"{self.algorithm}:{self.encoded[:12]}"


class Verifier:
    """Hashes a stream as it passes and compares size and digest at its end.

    `what` names the stream in errors, as in `layer sha256:0123 of debian:12`. A stream that grows past its size is
    refused at once, so a hostile peer cannot fill the disk.
    """

    __slots__ = ("_digest", "_hash", "_size", "_what", "count")

    def __init__(self, digest: Digest, size: int | None, what: str) -> None:
        """`size` in bytes, `None` if it is not known. Raises `UnsupportedContent` for an algorithm sampan lacks."""
        self._digest = digest
        self._size = size
        self._what = what
        self._hash = new_hash(digest.algorithm)
        self.count = 0

    def update(self, piece: bytes | bytearray | memoryview) -> None:
        """Take the next bytes. Raises `DigestMismatch` once they are too many."""
        self.count += len(piece)
        if self._size is not None and self.count > self._size:
            raise DigestMismatch(f"{self._what} is longer than the {self._size} bytes it was announced with")
        self._hash.update(piece)

    def finish(self) -> None:
        """The stream has ended. Raises `DigestMismatch` if it is not what it was announced as."""
        if self._size is not None and self.count != self._size:
            raise DigestMismatch(f"{self._what} has {self.count} bytes instead of the {self._size} it was announced with")
        found = self._hash.hexdigest()
        if found != self._digest.encoded:
            raise DigestMismatch(
                f"{self._what} does not match its digest: its bytes have {self._digest.algorithm}:{found[:12]}..."
            )


def new_hash(algorithm: str) -> _Hash:
    """A fresh hash object. Raises `UnsupportedContent` for an algorithm that sampan cannot verify."""
    if algorithm not in VERIFIABLE:
        raise UnsupportedContent(
            f"cannot verify a digest of the algorithm {algorithm!r}", f"sampan verifies {' and '.join(VERIFIABLE)}"
        )
    import hashlib

    return hashlib.new(algorithm)


def sha256_of(data: bytes | bytearray | memoryview) -> Digest:
    """The sha256 digest of `data`."""
    import hashlib

    return Digest("sha256", hashlib.sha256(data).hexdigest())


def verify(data: bytes | bytearray | memoryview, digest: Digest, size: int | None, what: str) -> None:
    """Raises `DigestMismatch` unless `data` has this digest and size (`None`: any)."""
    verifier = Verifier(digest, size, what)
    verifier.update(data)
    verifier.finish()


def chain_ids(diff_ids: Iterable[Digest]) -> tuple[Digest, ...]:
    """For each layer the id of the file system that ends with it (image-spec, config.md "Layer ChainID").

    The last one names the tree of the whole image; images with a common base share a prefix.
    """
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(sha256_of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)


def _fault(algorithm: str, encoded: str) -> str | None:
    length = HEX_LENGTHS.get(algorithm)
    if length is not None:
        if len(encoded) != length or not only(encoded, _LOWER_HEX):
            return f"{algorithm} has {length} lower-case hexadecimal digits"
        return None
    component = algorithm
    for separator in "+._":
        component = component.replace(separator, "-")
    if not all(only(part, _LOWER) for part in component.split("-")):
        return "the algorithm has letters other than a-z, 0-9 and single + . _ -"
    if not only(encoded, _ENCODED):
        return "the hash has letters other than a-z, A-Z, 0-9, = _ -"
    if len(algorithm) + 1 + len(encoded) > MAX_LENGTH:
        return f"it is longer than {MAX_LENGTH} bytes"
    return None


def only(text: str, letters: str) -> bool:
    """Whether `text` has at least one letter, and none but `letters`."""
    return bool(text) and not text.strip(letters)
