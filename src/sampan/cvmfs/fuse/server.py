"""The server: threads that read the kernel's messages from /dev/fuse and write the answers back.

Theory of operation. Two threads read; more would only fight for the interpreter. What would have to wait for the network is
handed to a pool, so a stalled server holds up nobody who reads what is here. The kernel ends a connection by ENODEV, which
is how the server learns that the last mount, in whichever mount namespace, is gone.

A tree that changes underneath (a new revision) is told to the kernel by notifications, from a thread that answers no
requests: the kernel takes a directory's lock for a notification, which it may hold while it waits for an answer.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from sampan.cvmfs.fuse import wire
from sampan.cvmfs.fuse.answers import Answers
from sampan.cvmfs.fuse.tree import WouldWait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cvmfs.fuse.tree import Tree

READERS = 2
WAITERS = 16
"""Requests that wait for the network at the same time."""
_AGAIN = (errno.EINTR, errno.EAGAIN, errno.ENOENT)  # ENOENT: the request was interrupted before it was read


class Server:
    """Answers what comes from a descriptor of /dev/fuse until the file system is unmounted everywhere."""

    def __init__(
        self, descriptor: int, tree: Tree, complain: Callable[[str], None], valid: int = 86400, absent: int = 240
    ) -> None:
        """`complain` gets a sentence about each fault; `valid`, `absent`: as in `Answers`."""
        self.answers = Answers(tree, valid, absent, complain)
        self.last_request = time.monotonic()
        self._descriptor = descriptor
        self._waiters = ThreadPoolExecutor(WAITERS, "sampan-fuse-wait")
        self._readers = [threading.Thread(target=self._read, name=f"sampan-fuse-{n}", daemon=True) for n in range(READERS)]
        self._left = READERS
        self._lock = threading.Lock()

    def start(self, patience: float = 10.0) -> bool:
        """Begin to answer; whether the kernel has begun to ask."""
        for reader in self._readers:
            reader.start()
        return self.answers.started.wait(patience)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether the file system is gone, waiting so long for it."""
        return self.answers.ended.wait(seconds)

    def close(self) -> None:
        """Give the descriptor back; the kernel then fails what is asked."""
        with suppress(OSError):
            os.close(self._descriptor)
        self._waiters.shutdown(wait=False)

    def _read(self) -> None:
        buffer = bytearray(wire.BUFFER)
        view = memoryview(buffer)
        buffers = [buffer]
        answer, descriptor = self.answers.answer, self._descriptor
        while True:
            try:
                length = os.readv(descriptor, buffers)
            except OSError as error:
                if error.errno in _AGAIN:
                    continue
                break  # ENODEV: unmounted; anything else: the device is of no use any more
            self.last_request = time.monotonic()
            message = bytes(view[:length])
            try:
                reply = answer(message, wait=False)
            except WouldWait:
                self._waiters.submit(self._answer_later, message)
                continue
            if reply is not None:
                self._write(reply)
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self.answers.ended.set()

    def _answer_later(self, message: bytes) -> None:
        reply = self.answers.answer(message, wait=True)
        if reply is not None:
            self._write(reply)

    def _write(self, reply: tuple[bytes, ...]) -> bool:
        try:
            os.writev(self._descriptor, reply)
        except OSError:
            return False  # the asker is gone, or all is over
        return True

    def name_changed(self, directory: int, name: bytes) -> None:
        """The kernel shall look a name up again. Never from a thread that answers."""
        body = wire.INVALID_ENTRY_OUT.pack(directory, len(name), 0) + name + b"\0"
        self._write((wire.OUT.pack(wire.OUT.size + len(body), wire.NOTIFY_INVALID_ENTRY, 0), body))

    def node_changed(self, number: int) -> None:
        """The kernel shall forget the attributes and pages of a node."""
        body = wire.INVALID_INODE_OUT.pack(number, 0, 0)
        self._write((wire.OUT.pack(wire.OUT.size + len(body), wire.NOTIFY_INVALID_INODE, 0), body))
