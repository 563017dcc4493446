"""What an image may cost. Each limit is named in its error; none is met by an image that was not made to hurt."""

from __future__ import annotations

from sampan.errors import LayerError

MAX_LAYERS = 1000
MAX_PATH = 4095
"""Bytes of a path or a link's target: what a system call takes."""
MAX_COMPONENTS = 256
MAX_NAME = 255
MAX_EXTENDED = 1 << 20
"""Bytes of the extended headers before one entry."""
MAX_XATTR = 64 << 10
MAX_ENTRIES = 5_000_000
MAX_ATTRIBUTES = 128 << 20
"""Bytes of link targets and extended attributes of all entries: they are held in memory."""
FREE_BYTES = 1 << 30
"""Unpacked bytes that any image may have; beyond it the ratio counts."""
MAX_RATIO = 1000
MAX_TIME = 1 << 40
"""Seconds from 1970 that a time may be away."""
MAX_WINDOW_LOG = 27
"""zstd: 128 MiB of window, the most that its own program takes unasked."""


class Allowance:
    """Counts what the layers of one image unpack to. Shared by the threads of one build."""

    __slots__ = ("_attributes", "_compressed", "_entries", "_stream", "_unpacked")

    def __init__(self) -> None:
        self._attributes = 0
        self._compressed = 0
        self._entries = 0
        self._stream = 0
        self._unpacked = 0

    def add_layer(self, compressed: int) -> None:
        """A layer of `compressed` bytes begins."""
        self._compressed += compressed

    def add_stream(self, size: int) -> None:
        """`size` more bytes came out of decompression."""
        self._stream += size
        if self._stream > FREE_BYTES:
            self._check(self._stream)

    def add_entry(self, size: int) -> None:
        """An entry whose file will have `size` bytes, holes included."""
        self._entries += 1
        self._unpacked += size
        if self._entries > MAX_ENTRIES:
            raise LayerError(f"the image has more than {MAX_ENTRIES} entries")
        if self._unpacked > FREE_BYTES:
            self._check(self._unpacked)

    def add_attributes(self, size: int) -> None:
        """An entry whose target and extended attributes have `size` bytes."""
        self._attributes += size
        if self._attributes > MAX_ATTRIBUTES:
            raise LayerError(f"the image has more than {MAX_ATTRIBUTES} bytes of link targets and extended attributes")

    def _check(self, size: int) -> None:
        if size > FREE_BYTES + MAX_RATIO * self._compressed:
            raise LayerError(
                f"the image unpacks to more than {MAX_RATIO} times its compressed size: {size} bytes "
                f"and counting from {self._compressed}"
            )
