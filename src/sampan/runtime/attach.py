"""`attach`: this terminal on the streams of a detached container (docs/design/attach.md)."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import struct
import sys
import termios
import tty
from typing import TYPE_CHECKING

from sampan.container import state
from sampan.errors import HostError, ProtocolError, UsageError
from sampan.runtime import life, start
from sampan.store import records

if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.runtime.session import Session

STDIN, STDOUT, STDERR, RESIZE, DETACH, HELLO, EXIT, GONE = range(8)
HEADER = struct.Struct(">BxxxI")
MAX_FRAME = 65536
DETACH_KEYS = b"\x10\x11"  # Ctrl-P Ctrl-Q, as Docker's


class Attached:
    """One connection; `run` moves bytes until the container ends or the user leaves."""

    def __init__(self, connection: socket.socket, *, stdin: bool) -> None:
        self._connection = connection
        self._received = b""
        self._hello: dict[str, object] = {}
        self._wants_stdin = stdin
        self._held = b""
        self.status: int | None = None
        self.left = False

    def run(self) -> int | None:
        """The container's exit status; `None` if the user left it running. Raises `ProtocolError`, `HostError`."""
        while not self._hello:
            self._receive()
        terminal = bool(self._hello.get("terminal")) and sys.stdin.isatty()
        before = termios.tcgetattr(0) if terminal else None
        if before is not None:
            tty.setraw(0)
            signal.signal(signal.SIGWINCH, lambda *_: self._resize())
            self._resize()
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._connection, selectors.EVENT_READ)
                if self._wants_stdin and (self._hello.get("stdin") or self._hello.get("terminal")):
                    selector.register(0, selectors.EVENT_READ)
                while self.status is None and not self.left:
                    for key, _ in selector.select():
                        if key.fileobj == 0:
                            self._input(selector, terminal=terminal)
                        else:
                            self._receive()
        finally:
            if before is not None:
                termios.tcsetattr(0, termios.TCSADRAIN, before)
        return self.status

    def _receive(self) -> None:
        piece = self._connection.recv(MAX_FRAME)
        if not piece:
            raise HostError("the container's watcher has gone away", "see `sampan ps -a`")
        self._received += piece
        while len(self._received) >= HEADER.size:
            kind, length = HEADER.unpack_from(self._received)
            if length > MAX_FRAME:
                raise ProtocolError(f"the container's watcher sent a frame of {length} bytes")
            if len(self._received) < HEADER.size + length:
                return
            content = self._received[HEADER.size : HEADER.size + length]
            self._received = self._received[HEADER.size + length :]
            self._frame(kind, content)

    def _frame(self, kind: int, content: bytes) -> None:
        if kind in (STDOUT, STDERR):
            _write(1 if kind == STDOUT else 2, content)
        elif kind == HELLO:
            self._hello = records.understood(content, "the watcher's hello")
        elif kind == EXIT:
            status = records.understood(content, "the watcher's word of the end").get("status")
            self.status = status if isinstance(status, int) else 0
        elif kind == GONE:
            raise HostError(
                f"the container's watcher has closed the connection: {content.decode('utf-8', 'replace')}",
                "`sampan logs` has everything",
            )

    def _input(self, selector: selectors.BaseSelector, *, terminal: bool) -> None:
        data = os.read(0, 4096)
        if terminal:
            data = self._held + data
            if DETACH_KEYS in data:
                self._send(DETACH, b"")
                self.left = True
                return
            # The first of the two keys waits for the second.
            self._held = data[-1:] if data.endswith(DETACH_KEYS[:1]) else b""
            data = data[: len(data) - len(self._held)]
            if not data:
                return
        self._send(STDIN, data)
        if not data:
            selector.unregister(0)

    def _resize(self) -> None:
        size = os.get_terminal_size(0)
        self._send(RESIZE, struct.pack(">HH", size.lines, size.columns))

    def _send(self, kind: int, content: bytes) -> None:
        try:
            self._connection.sendall(HEADER.pack(kind, len(content)) + content)
        except OSError:
            pass  # its last frames say why


def attach(record: Record, session: Session, *, stdin: bool = True) -> int | None:
    """Attach to a detached container; its exit status, `None` if the user left with Ctrl-P Ctrl-Q.

    Raises `ContainerNotFound` if it does not run, `UsageError` if there is nothing to attach to.
    """
    life.here(record)
    name = record.name or record.id[:12]
    if state.watcher(record.directory) is None:
        raise UsageError(f"there is nothing to attach to: {name} was started in the foreground, its streams are its starter's")
    path = start.attach_socket(record, session)
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except OSError as error:
            raise UsageError(
                f"there is nothing to attach to at {path}: {error.strerror}", f"`sampan logs -f {name}` follows its output"
            ) from error
        return Attached(connection, stdin=stdin).run()


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
