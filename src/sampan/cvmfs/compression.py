"""Compressors of file contents. A repository records which it uses, because the compressed bytes decide the objects' names.

`zlib-6` is what the official tools do, byte for byte, so objects are shared with what they published. `libdeflate-6` takes a quarter of
the time. isal and zlib-ng are not offered: their output depends on the processor. Python may be built on a zlib that compresses
differently (zlib-ng in its compatible mode): each publish compresses a sample and compares with what was recorded.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import TYPE_CHECKING, NamedTuple

from sampan.errors import HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = "zlib-6"
_KNOWN = {"zlib-6": "d5941449e3ecbc6a4067b400a5c82e2db3dc3beb"}
"""What the official tools' compressor makes of the sample."""
_LEVELS = {"zlib": range(1, 10), "libdeflate": range(1, 13)}
_HINT = "compressors are none, zlib-1 to zlib-9 and libdeflate-1 to libdeflate-12"


class Compressor(NamedTuple):
    """`compress` may run in several threads; `compression` is what catalogs call its output."""

    name: str
    compression: str
    compress: Callable[[bytes], bytes]

    def sample(self) -> str:
        """The SHA-1 of what it makes of the sample."""
        return hashlib.sha1(self.compress(_sample()), usedforsecurity=False).hexdigest()


def compressor(name: str, recorded: str | None = None) -> Compressor:
    """The compressor `name`, whose sample must be the `recorded` one if there is a record.

    Raises `UsageError` for an unknown name, `HostError` if it is missing here or makes other bytes than it did.
    """
    library, _, digits = name.partition("-")
    if name == "none":
        found = Compressor(name, "none", bytes)
    elif library not in _LEVELS or not digits.isascii() or not digits.isdigit() or int(digits) not in _LEVELS[library]:
        raise UsageError(f"there is no compressor {name!r}", _HINT)
    else:
        found = Compressor(name, "zlib", _zlib(int(digits)) if library == "zlib" else _libdeflate(int(digits)))
    expected = recorded or _KNOWN.get(name)
    if expected is not None and found.sample() != expected:
        raise HostError(
            f"the compressor {name} of this Python makes other bytes than it has to, so every file would get another name",
            "publish with the Python that published before, or one with the original zlib",
        )
    return found


def _zlib(level: int) -> Callable[[bytes], bytes]:
    return lambda data: zlib.compress(data, level)


def _libdeflate(level: int) -> Callable[[bytes], bytes]:
    try:
        import deflate
    except ImportError as error:
        raise HostError("the compressor libdeflate needs the Python package deflate", "pip install deflate") from error
    return lambda data: bytes(deflate.zlib_compress(data, level))


def _sample() -> bytes:
    """Numbers, text and repetition, so that matches, literals and both kinds of Huffman tables occur."""
    lines = (f"{number * number % 977} of {number}: {'ab' * (number % 7)} /usr/lib/x86_64-linux-gnu\n" for number in range(4000))
    noise = b"".join(hashlib.sha256(bytes((number,))).digest() for number in range(64))
    return "".join(lines).encode() + noise + bytes(20000)
