"""The signed form of manifest and whitelist: text, `--`, the hash of the text, a signature of that hash's text. Pure."""

from __future__ import annotations

from typing import NamedTuple

from sampan.cvmfs.hashing import Hash
from sampan.errors import RepositoryError

MAX_BYTES = 4 << 20
_MARK = b"\n--\n"


class Letter(NamedTuple):
    """`text` is everything before the mark, with its last newline; `hash_text` is what was signed."""

    text: bytes
    hash_text: bytes
    signature: bytes


def split(data: bytes, what: str) -> Letter:
    """The parts of a letter whose hash is right; the signature is the caller's to verify. Raises `RepositoryError`."""
    if len(data) > MAX_BYTES:
        raise RepositoryError(f"{what} has {len(data)} bytes, more than the limit of {MAX_BYTES}")
    before, mark, behind = data.partition(_MARK)
    hash_text, newline, signature = behind.partition(b"\n")
    if not mark or not newline or not signature:
        raise RepositoryError(f"{what} is not signed, or cut")
    text = before + b"\n"
    stated = Hash.parse(hash_text.decode("ascii", "replace"))
    if Hash.of(text, stated.algorithm) != stated:
        raise RepositoryError(f"{what} differs from the hash in it, so it was damaged or changed")
    return Letter(text, hash_text, signature)


def hash_text(text: bytes, algorithm: str) -> bytes:
    """What has to be signed for `text`."""
    return Hash.of(text, algorithm).text.encode()


def join(text: bytes, signed: bytes, signature: bytes) -> bytes:
    """The letter of `text`, whose hash text `signed` has this signature."""
    return text + b"--\n" + signed + b"\n" + signature
