"""A client of docs/design/attach.md, written from that page."""

from __future__ import annotations

import json
import socket
import struct

STDIN, STDOUT, STDERR, RESIZE, DETACH, HELLO, EXIT, GONE = range(8)


def frame(kind, content=b""):
    return bytes([kind, 0, 0, 0]) + struct.pack(">I", len(content)) + content


class Client:
    """Connected, and greeted unless `greeted` is false."""

    def __init__(self, path, greeted=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.settimeout(10)
        self.output = {STDOUT: bytearray(), STDERR: bytearray()}
        self._got = b""
        self.last = None
        if greeted:
            kind, content = self.receive()
            assert kind == HELLO, (kind, content)
            self.hello = json.loads(content)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.socket.close()

    def send(self, kind, content=b""):
        self.socket.sendall(frame(kind, content))

    def type(self, text):
        self.send(STDIN, text.encode())

    def _exactly(self, size):
        while len(self._got) < size:
            more = self.socket.recv(1 << 20)
            if not more:
                assert self._got == b"", "cut within a frame"
                return None
            self._got += more
        data, self._got = self._got[:size], self._got[size:]
        return data

    def receive(self):
        """(kind, content), or None at the end."""
        head = self._exactly(8)
        if head is None:
            return None
        assert head[1:4] == b"\0\0\0"
        size = struct.unpack(">I", head[4:])[0]
        assert size <= 65536
        content = self._exactly(size) if size else b""
        assert content is not None
        if head[0] in self.output:
            self.output[head[0]] += content
        else:
            self.last = (head[0], content)
        return head[0], content

    def read_until(self, text):
        """Reads until stdout has `text`; all of stdout so far."""
        output, at = self.output[STDOUT], 0
        while output.find(text.encode(), max(0, at - len(text))) < 0:
            at = len(output)
            assert self.receive() is not None, f"no {text!r} in {bytes(output[-2000:])!r}"
        return output.decode()

    def read_all(self):
        """Reads to the end; the last frame that is no output."""
        while self.receive() is not None:
            pass
        return self.last
