"""Descriptors in files that were found valid before: remembered by their digests, on this node. On the path of `app launch`.

Checking a descriptor of twenty inputs costs as much as all the rest of a launch, and a loop launches the same file a thousand times.
What is remembered is that these very bytes fit the rules of this sampan; whoever changes one of them has the file checked again. The
memory lies in the runtime directory, which is its user's alone, and is bounded: a digest's first two digits choose its place.

Rejected: the file's path and time instead of its bytes (an editor may keep both), and the store (a launch may have none to write to).
"""

from __future__ import annotations

import os

from sampan import __version__
from sampan.errors import HostError
from sampan.host.runtime_directory import runtime_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.settings import Settings


class Memory:
    """Whether one descriptor is known, and the place to note it."""

    __slots__ = ("_line", "_path")

    def __init__(self, data: bytes, settings: Settings) -> None:
        digest = _sha256(data)
        self._line = f"{__version__} {digest}\n"
        try:
            self._path = os.path.join(runtime_directory(settings.text("runtime_dir")), f"descriptor.{digest[:2]}")
        except HostError:
            self._path = ""  # no place that can be trusted: it is checked each time

    def knows(self) -> bool:
        """Whether these bytes were found valid by this sampan."""
        try:
            with open(self._path, "rb", buffering=0) as stream:
                return stream.read(200) == self._line.encode()
        except OSError:
            return False

    def note(self) -> None:
        """Remember it; without a place it is checked again the next time."""
        temporary = f"{self._path}.{os.getpid()}"
        try:
            with open(temporary, "wb", buffering=0) as stream:
                stream.write(self._line.encode())
            os.rename(temporary, self._path)
        except OSError:
            pass


def _sha256(data: bytes) -> str:
    """The digest, without `hashlib`, whose import costs more than the hash."""
    for name in ("_sha2", "_sha256", "hashlib"):  # since Python 3.12, before it, and where an interpreter was built without
        try:
            return str(__import__(name).sha256(data).hexdigest())
        except ImportError:
            continue
    raise AssertionError("there is always hashlib")
