"""Faults on the way: survived, or one clear sentence; what was fetched is not fetched again."""

from __future__ import annotations

import errno
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sampan.errors import NotAtRegistry, ProtocolError, RemoteError, SampanError, Unauthorized, Unreachable
from sampan.registry.pacing import Limits
from tests.peers.docker_registry import free_port
from tests.peers.faulty import Faulty, body, cut, header, refused, stall, status
from tests.registry.conftest import BIG, big_layer, reference

pytestmark = pytest.mark.client
LAST = len(BIG) - 1


@pytest.fixture
def served(faulty, layout):
    faulty.add(layout)
    return faulty


def fetch(client, server, layout, tmp_path):
    with (tmp_path / "blob").open("w+b") as file:
        client.fetch_blob(reference(server.host), big_layer(layout), file)
    return (tmp_path / "blob").read_bytes()


def test_too_many_requests_twice(served, client, clock, notice):
    served.on("/manifests/", status(429, {"Retry-After": "3", "RateLimit-Limit": "100;w=21600"}), times=2)
    client.manifest(reference(served.host))
    assert clock.waits == [4.0, 5.0]  # Retry-After and the usual pause
    assert notice.warnings == [
        f"{served.host} limits the number of requests to 100 in 6 h (429); trying again in 4.0 s (1 of 4)",
        f"{served.host} limits the number of requests to 100 in 6 h (429); trying again in 5.0 s (2 of 4)",
    ]


def test_retry_after_as_a_date(served, client, clock):
    served.on("/manifests/", status(503, {"Retry-After": "Fri, 15 Jan 2027 08:00:30 GMT"}), times=1)
    client.manifest(reference(served.host))
    assert clock.waits == [31.0]


def test_hours_are_not_waited(served, client, clock):
    served.on("/manifests/", refused(429, "TOOMANYREQUESTS", "slow down"), times=None)
    served.rules[0].action = status(429, {"Retry-After": "20000", "RateLimit-Limit": ";w="})
    with pytest.raises(RemoteError, match=r"limits the number of requests \(429\)") as caught:
        client.manifest(reference(served.host))
    assert (clock.waits, caught.value.hint) == ([], "it asks to wait 6 h")


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
def test_faults_that_pass(served, client, code):
    served.on("/manifests/", status(code), times=4)
    client.manifest(reference(served.host))
    assert len(served.asked("/manifests/")) == 5


def test_faults_that_do_not_pass(served, client):
    served.on("/manifests/", refused(503, "UNAVAILABLE", "the disk is full"))
    sentence = re.escape(f"{served.host} has a fault (503 Service Unavailable): the disk is full (tried 5 times)")
    with pytest.raises(RemoteError, match=sentence):
        client.manifest(reference(served.host))
    assert len(served.asked("/manifests/")) == 5


@pytest.mark.parametrize(
    ("action", "error", "sentence"),
    [
        (refused(404, "MANIFEST_UNKNOWN"), NotAtRegistry, "the registry has no tag 1 of"),
        (refused(404, "NAME_UNKNOWN"), NotAtRegistry, "the registry has no image"),
        (status(404, {"Content-Type": "text/html"}, b"<html>no such page"), ProtocolError, "does not look like a registry"),
        (refused(403, "DENIED", "not\x1b[31m yours"), Unauthorized, r"denies access to .* \(403\): not\\x1b\[31m yours"),
        (refused(400, "NAME_INVALID", "bad"), ProtocolError, r"answers 400 \(Bad Request\) where tag 1 of .* was asked for: bad"),
        (status(406), ProtocolError, r"answers 406 \(Not Acceptable\)"),
        (status(418, body=b"\xff{"), ProtocolError, "answers 418"),
        (status(204), ProtocolError, "answers 204"),
        (status(401), Unauthorized, "but does not say how to log in"),
    ],
)
def test_refusals_are_not_tried_again(served, client, clock, action, error, sentence):
    served.on("/manifests/", action)
    with pytest.raises(error, match=sentence) as caught:
        client.manifest(reference(served.host))
    assert caught.value.sentence.isprintable()
    assert (len(served.asked("/manifests/")), clock.waits) == (1, [])


def test_a_cut_blob_goes_on_where_it_stopped(served, client, layout, tmp_path):
    served.on("/blobs/", cut(1_000_000), times=2)
    assert fetch(client, served, layout, tmp_path) == BIG
    assert [one.range for one in served.asked("/blobs/")] == [None, f"bytes=1000000-{LAST}", f"bytes=2000000-{LAST}"]


def test_many_cuts_are_survived_while_there_is_progress(served, client, layout, tmp_path):
    served.on("/blobs/", cut(1 << 20), times=2)
    served.on("/blobs/", cut(100_000), times=3)
    assert fetch(client, served, layout, tmp_path) == BIG
    assert len(served.asked("/blobs/")) == 6


def test_a_server_that_always_cuts_at_once_is_given_up(served, client, layout, tmp_path):
    served.on("/blobs/", cut(10))
    with pytest.raises(Unreachable, match=r"the connection to .* was cut \(tried 5 times\)"):
        fetch(client, served, layout, tmp_path)
    assert (tmp_path / "blob").read_bytes() == BIG[:50]


def test_a_server_without_ranges_starts_from_zero(served, client, layout, tmp_path):
    served.ranges = False
    served.on("/blobs/", cut(1_000_000), times=1)
    assert fetch(client, served, layout, tmp_path) == BIG
    assert len(served.asked("/blobs/")) == 2


@pytest.mark.parametrize(
    "action",
    [
        status(416),
        header("Content-Range", f"bytes 0-{LAST}/{len(BIG)}"),
        header("Content-Range", None),
        header("Content-Range", "bytes */12"),
        header("Content-Range", "lines 1-2/3"),
    ],
)
def test_a_part_that_is_not_the_one_asked_for_does_not_count(served, client, layout, tmp_path, action):
    served.on("/blobs/", cut(1_000_000), times=1)
    served.on("/blobs/", action, times=1)
    assert fetch(client, served, layout, tmp_path) == BIG
    assert [one.range is not None for one in served.asked("/blobs/")] == [False, True, False]


def test_a_cut_manifest_is_fetched_again(served, client):
    served.on("/manifests/", cut(20), times=2)
    client.manifest(reference(served.host))
    assert len(served.asked("/manifests/")) == 3


def test_a_connection_cut_before_the_answer(served, client):
    served.on("/manifests/", header("Content-Length", "100000"), times=1)
    served.rules[0].action = lambda asked, reply: (_ for _ in ()).throw(ConnectionResetError())
    client.manifest(reference(served.host))
    assert len(served.asked("/manifests/")) == 2


def test_a_stalled_blob_is_resumed(served, make_client, layout, tmp_path):
    served.on("/blobs/", stall(1_000_000, 1.0), times=1)
    client = make_client(limits=Limits(connect=5, silence=0.2))
    assert fetch(client, served, layout, tmp_path) == BIG
    asked = [one.range for one in served.asked("/blobs/")]
    # What came less than one piece before the stall can be lost, not more.
    assert 700_000 < int(re.match(r"bytes=(\d+)-", asked[1])[1]) <= 1_000_000


def test_a_server_that_never_answers(served, make_client):
    client = make_client(limits=Limits(connect=5, silence=0.1, tries=2))
    client.manifest(reference(served.host))
    served.on("/manifests/", lambda asked, reply: time.sleep(0.5))
    with pytest.raises(Unreachable, match=r"has stopped answering \(tried 2 times\)"):
        client.manifest(reference(served.host))


def test_nobody_listens(client, clock):
    port = free_port()
    with pytest.raises(Unreachable, match=rf"127.0.0.1:{port} refuses the connection \(tried 5 times\)") as caught:
        client.manifest(reference(f"127.0.0.1:{port}"))
    assert caught.value.hint == "is the registry running, and is the port right?"
    assert clock.waits == [0.25, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("code", "sentence", "waits"),
    [
        (socket.EAI_NONAME, "there is no host of the name registry.test", 0),
        (socket.EAI_AGAIN, "name service does not answer for registry.test", 4),
    ],
)
def test_no_such_host(client, clock, monkeypatch, code, sentence, waits):
    def fail(*_, **__):
        raise socket.gaierror(code, "made up")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(Unreachable, match=sentence):
        client.manifest(reference("registry.test"))
    assert len(clock.waits) == waits


@pytest.mark.parametrize(
    ("code", "words"), [(errno.ENETUNREACH, "no way to"), (errno.EHOSTUNREACH, "no way to"), (errno.ECONNRESET, "was cut")]
)
def test_no_way_there(client, monkeypatch, code, words):
    def fail(*_, **__):
        raise OSError(code, "made up")

    monkeypatch.setattr(socket.socket, "connect", fail)
    with pytest.raises(Unreachable, match=words):
        client.manifest(reference("127.0.0.1:1"))


def test_a_host_that_no_name_service_takes(client, clock):
    with pytest.raises(SampanError, match="cannot be asked"):
        client.manifest(reference("a" * 64 + ".example"))
    assert clock.waits == []


def test_ipv6(client, layout):
    try:
        server = Faulty("::1")
    except OSError as error:
        pytest.skip(f"no IPv6 loopback: {error}")
    with server:
        server.add(layout)
        assert client.manifest(reference(server.host)).content


def test_what_other_answers_are_waited_for_while_one_blob_stalls(served, make_client, layout):
    """Four blobs at once: the time of one, not of four."""
    served.on("/blobs/", stall(100_000, 0.4))
    client, started = make_client(), time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: b"".join(client.blob(reference(served.host), big_layer(layout))), range(4)))
    assert found == [BIG] * 4
    assert time.monotonic() - started < 1.4


@pytest.mark.parametrize("secure", [False, True])
def test_stop_ends_what_is_under_way(layout, faulty, tls_faulty, make_client, secure):
    server = tls_faulty if secure else faulty
    server.add(layout)
    server.on("/blobs/", stall(600_000, 3.0))
    client = make_client(SSL_CERT_FILE=str(tls_faulty.authority), limits=Limits(connect=5, silence=30))
    begun = threading.Event()

    def bring():
        for _ in client.blob(reference(server.host), big_layer(layout)):
            begun.set()

    with ThreadPoolExecutor(1) as threads:
        started = time.monotonic()
        work = threads.submit(bring)
        assert begun.wait(5)
        client.stop()
        with pytest.raises(Unreachable, match="the transfer was stopped"):
            work.result(5)
    assert time.monotonic() - started < 2


def test_a_page_for_people_instead_of_a_manifest(served, client):
    served.on("/manifests/", body(lambda _: b"<!DOCTYPE html><html>Please log in"), times=None)
    with pytest.raises(ProtocolError, match="answers with a web page instead of tag 1") as caught:
        client.manifest(reference(served.host))
    assert "login page" in caught.value.hint
