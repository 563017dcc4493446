"""HTTP/1.1 without sockets: heads, lengths, chunks, and what could be read in two ways."""

from __future__ import annotations

import pytest

from sampan.registry.http1 import MAX_HEADERS, MAX_LINE, Cut, Malformed, Response, Unsendable, Wire, request_head

pytestmark = pytest.mark.client


def wire(data: bytes, piece: int = 1 << 20) -> Wire:
    """A connection that gives these bytes, so many at a time, and then ends."""
    rest = bytearray(data)

    def receive(buffer: memoryview) -> int:
        count = min(piece, len(buffer), len(rest))
        buffer[:count] = rest[:count]
        del rest[:count]
        return count

    return Wire(receive)


def read(data: bytes, method: str = "GET", piece: int = 1 << 20):
    response = Response(wire(data, piece), method)
    body = b""
    while found := response.read(1000):
        body += found
    return response, body


@pytest.mark.parametrize("piece", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("data", "status", "body", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
        (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
        (b"HTTP/1.1 200 OK\ncontent-length:5\n\nhello", 200, b"hello", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive, Close\r\n\r\nhello", 200, b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: Keep-Alive\r\n\r\nhello", 200, b"hello", True),
        (b"HTTP/1.1 200 OK\r\n\r\nup to the end", 200, b"up to the end", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n", 201, b"", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: r\r\n\r\n", 200, b"hello", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA \r\n0123456789\r\n00\r\n\r\n", 200, b"0123456789", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n0\r\n\r\n", 200, b"", False),
    ],
)  # fmt: skip
def test_answers(data, status, body, reusable, piece):
    response, found = read(data, piece=piece)
    assert (response.status, found, response.is_reusable) == (status, body, reusable)
    assert response.read(10) == b""


def test_head_has_no_body_whatever_it_says():
    response, body = read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 ...", "HEAD")
    assert (body, response.is_reusable) == (b"", True)


def test_an_answer_is_reusable_only_when_it_has_been_read():
    response = Response(wire(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), "GET")
    assert not response.is_reusable
    assert (response.read(3), response.is_reusable) == (b"hel", False)
    assert (response.read(3), response.is_reusable) == (b"lo", True)


def test_one_answer_after_the_other():
    one = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
    connection = wire(one + b"a" + one + b"b")
    first = Response(connection, "GET")
    assert first.read(10) == b"a"
    assert Response(connection, "GET").read(10) == b"b"


def test_headers_keep_their_order_and_old_ways_to_write_them():
    response, _ = read(b"HTTP/1.1 204 X\r\nA: 1\r\nb:  two \r\n  words\r\nA: \xe9\r\nEmpty:\r\n\r\n")
    assert response.headers == [("A", "1"), ("b", "two words"), ("A", "é"), ("Empty", "")]


@pytest.mark.parametrize(
    "data",
    [
        b"220 mail.example ESMTP\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 X\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\n: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n folded first\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        b"HTTP/1.1 200 " + b"x" * (MAX_LINE * 2),
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (MAX_HEADERS + 1) + b"\r\n",
        b"HTTP/1.1 200 OK\r\n" + (b"A: " + b"b" * 30_000 + b"\r\n") * 5 + b"\r\n",
    ],
)
def test_what_is_no_answer_or_could_be_read_in_two_ways(data):
    with pytest.raises(Malformed):
        read(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ],
)
def test_answers_that_are_cut(data):
    with pytest.raises(Cut):
        read(data)


def test_what_came_before_a_failure_is_not_lost():
    pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", b"abc", TimeoutError("stalled"), b"defghij"]

    def receive(buffer: memoryview) -> int:
        piece = pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        buffer[: len(piece)] = piece
        return len(piece)

    response = Response(Wire(receive), "GET")
    assert response.read(100) == b"abc"
    assert response.read(100) == b"defghij"


def test_requests():
    assert request_head("GET", "/v2/?a=b%20c", [("Host", "x:5"), ("Accept", "a, b")]) == (
        b"GET /v2/?a=b%20c HTTP/1.1\r\nHost: x:5\r\nAccept: a, b\r\n\r\n"
    )
    assert request_head("GET", "/é \x7f", []) == b"GET /%C3%A9%20%7F HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("header", [("A\r\nB", "x"), ("A b", "x"), ("", "x"), ("A", "x\r\ny"), ("A", "x\0"), ("A", "€")])
def test_requests_that_no_line_can_hold(header):
    with pytest.raises(Unsendable):
        request_head("GET", "/", [header])
