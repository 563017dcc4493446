"""Invariant: whatever a server sends, an answer is read or refused by Malformed or Cut, alike in pieces of any size, and it ends."""

from __future__ import annotations

from sampan.registry.http1 import Cut, Malformed, Response, Wire

SEEDS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: a/b\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\r\nConnection: keep-alive\r\n folded\r\n\r\nrest",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: x\r\n\r\n",
]


def outcome(data: bytes, method: str, piece: int) -> object:
    rest = bytearray(data)

    def receive(buffer: memoryview) -> int:
        count = min(piece, len(buffer), len(rest))
        buffer[:count] = rest[:count]
        del rest[:count]
        return count

    body = bytearray()
    try:
        response = Response(Wire(receive), method)
        while found := response.read(7):
            body += found
    except (Malformed, Cut) as error:
        return type(error)
    assert all("\n" not in name and "\n" not in value for name, value in response.headers)
    return response.status, tuple(response.headers), bytes(body), response.is_reusable


def test_one(data: bytes) -> None:
    for method in ("GET", "HEAD"):
        whole = outcome(data, method, 1 << 20)
        assert outcome(data, method, 3) == whole
        assert outcome(data, method, 1) == whole
