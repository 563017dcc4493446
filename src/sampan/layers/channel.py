"""A bounded queue of byte pieces between two threads of a pipeline, which either side can end with an error."""

from __future__ import annotations

from collections import deque
from threading import Condition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


class Closed(Exception):
    """The other side needs no more; the sender stops. Never leaves the pipeline."""


class Channel:
    """Pieces in order, at most `depth` at once. One sender, one receiver.

    `queue.Queue` has no way to wake a sender whose receiver has failed.
    """

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._pieces: deque[bytes] = deque()
        self._changed = Condition()
        self._ended = False
        self._error: BaseException | None = None
        self._closed = False

    def send(self, piece: bytes) -> None:
        """Add a piece, waiting for room. Raises `Closed` when the receiver is gone."""
        with self._changed:
            while len(self._pieces) >= self._depth and not self._closed:
                self._changed.wait()
            if self._closed:
                raise Closed
            self._pieces.append(piece)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """No more pieces come; with an error, the receiver raises it after those that did."""
        with self._changed:
            self._ended = True
            self._error = error
            self._changed.notify_all()

    def close(self) -> None:
        """The receiver takes no more."""
        with self._changed:
            self._closed = True
            self._pieces.clear()
            self._changed.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        while True:
            with self._changed:
                while not self._pieces and not self._ended and not self._closed:
                    self._changed.wait()
                if self._closed:
                    return
                if not self._pieces:
                    if self._error is not None:
                        raise self._error
                    return
                piece = self._pieces.popleft()
                self._changed.notify_all()
            yield piece
