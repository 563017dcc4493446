"""Answers over a pair of sockets: what is whole, what is cut, and what is no HTTP."""

from __future__ import annotations

import socket
import threading

import pytest

from sampan.registry.http1 import Cut, Malformed, Response, Unsendable, request_head

pytestmark = pytest.mark.client


def read(data: bytes, method: str = "GET"):
    ours, theirs = socket.socketpair()
    with ours:
        sender = threading.Thread(target=lambda: (theirs.sendall(data), theirs.close()))
        sender.start()
        try:
            response = Response(ours, method)
            body = b""
            while found := response.read(1000):
                body += found
            reusable = response.is_reusable
            response.close()
        finally:
            sender.join()
    return response.status, body, reusable


@pytest.mark.parametrize(
    ("data", "status", "body", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", 200, b"hello", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello", False),
        (b"HTTP/1.1 200 OK\r\n\r\nup to the end", 200, b"up to the end", False),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404, b"", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 C\r\nContent-Length: 0\r\n\r\n", 201, b"", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: r\r\n\r\n", 200, b"hello", True),
    ],
)  # fmt: skip
def test_answers(data, status, body, reusable):
    assert read(data) == (status, body, reusable)


def test_head_has_no_body_whatever_it_says():
    assert read(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD") == (200, b"", True)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", Cut), (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", Cut),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", Cut), (b"SSH-2.0-OpenSSH_9\r\n", Malformed),
        (b"HTTP/1.1 two hundred\r\n\r\n", Malformed), (b"HTTP/1.1 101 Switching\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", Malformed),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 1000 + b"\r\n", Malformed), (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70000 + b"\r\n\r\n", Malformed),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", (Cut, Malformed)),
    ],
)  # fmt: skip
def test_faults(data, fault):
    with pytest.raises(fault):
        read(data)


@pytest.mark.parametrize("header", [("A b", "c"), ("", "c"), ("A", "b\r\nC: d"), ("A", "☃")])
def test_what_cannot_be_sent(header):
    with pytest.raises(Unsendable):
        request_head("GET", "/", [header])


def test_a_request():
    assert request_head("GET", "/v2/a b/é", [("Host", "x")]) == b"GET /v2/a%20b/%C3%A9 HTTP/1.1\r\nHost: x\r\n\r\n"
