"""A repository through nginx and squid, and by servers and proxies that die, stall, lie, fall behind and come back."""

from __future__ import annotations

import http.server
import os
import shutil
import socket
import threading
import time
from contextlib import contextmanager

import pytest

from sampan.cvmfs.client.client import open_client
from sampan.cvmfs.client.distance import in_order
from sampan.cvmfs.client.servers import SERVER_PAUSE, Servers
from sampan.cvmfs.client.site import Site, Sources
from sampan.cvmfs.entry import directory
from sampan.errors import IntegrityError, NotInRepository, RepositoryError, Unreachable, UsageError
from tests.lazy.published import Published, free_port, nginx, squid

CONTENT = os.urandom(200_000)
PATIENCE = 0.5


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    base = tmp_path_factory.mktemp("published")
    tree = base / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep/file").write_bytes(CONTENT)
    for number in range(20):
        (tree / f"f{number}").write_text(str(number))
    found = Published(base)
    found.graft("/data", tree)
    return found


@pytest.fixture(scope="module")
def web(published, tmp_path_factory):
    with nginx(published.place.parent.parent, tmp_path_factory.mktemp("web") / "nginx") as server:
        yield server


def url_of(port: int, published: Published) -> str:
    return f"http://127.0.0.1:{port}/cvmfs/{published.fqrn}"


def site(published: Published, cache, *urls: str, proxies=((None,),)) -> Site:
    return Site(published.fqrn, Sources(urls, proxies, PATIENCE, PATIENCE), (published.key,), cache=str(cache))


@contextmanager
def answering(answer):
    """A server that lets `answer(request)` speak."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            answer(self)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def give(request, data: bytes, status: int = 200) -> None:
    request.send_response(status)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def lying(published: Published):
    """Signed files are right, objects are not."""

    def answer(request):
        name = request.path.split(published.fqrn + "/", 1)[1]
        data = (published.place / name).read_bytes()
        give(request, data[:-1] + bytes([data[-1] ^ 1]) if name.startswith("data/") else data)

    return answer


def test_by_a_web_server_only_what_is_read_is_fetched(published, web, tmp_path):
    before = web.requests()
    with open_client(site(published, tmp_path / "cache", url_of(web.port, published))) as client:
        assert client.read("/data/deep/file") == CONTENT
        assert client.read("/data/deep/file", 1000, 10) == CONTENT[1000:1010]
        asked = client.contents.servers.web.requests
        assert web.requests() - before == asked
        assert asked < 10  # signed files, certificate, catalogs, one object; twenty other files stay there
    with open_client(site(published, tmp_path / "cache", url_of(web.port, published))) as client:
        assert client.read("/data/deep/file") == CONTENT
        assert client.contents.servers.web.requests <= 2  # the signed files alone


def test_a_second_node_is_served_by_the_proxy(published, web, tmp_path):
    with squid(tmp_path / "squid") as proxy:
        proxies = ((f"http://127.0.0.1:{proxy.port}",),)
        for node in ("a", "b"):
            before = web.requests()
            with open_client(site(published, tmp_path / node, url_of(web.port, published), proxies=proxies)) as client:
                assert client.read("/data/deep/file") == CONTENT
                asked = client.contents.servers.web.requests
        assert web.requests() - before <= 2, "objects come from the proxy, signed files are looked at anew"
        assert proxy.requests() >= 2 * asked - 2


def test_a_proxy_that_dies_is_gone_around(published, web, tmp_path):
    with squid(tmp_path / "squid") as proxy:
        dead = f"http://127.0.0.1:{free_port()}"
        proxies = ((dead,), (f"http://127.0.0.1:{proxy.port}",), (None,))
        with open_client(site(published, tmp_path / "a", url_of(web.port, published), proxies=proxies)) as client:
            before = proxy.requests()
            assert client.read("/data/f1") == b"1"
            assert proxy.requests() > before
            proxy.stop()
            assert client.read("/data/f2") == b"2"


def test_one_that_is_dead_one_that_lies_and_one_that_is_right(published, web, tmp_path):
    with answering(lying(published)) as liar:
        urls = [url_of(port, published) for port in (free_port(), liar, web.port)]
        with open_client(site(published, tmp_path / "a", *urls)) as client:
            client.contents.servers.reorder(urls)
            assert client.read("/data/deep/file") == CONTENT
        with pytest.raises(IntegrityError), open_client(site(published, tmp_path / "b", urls[1])) as client:
            client.read("/data/deep/file")
        assert not list((tmp_path / "b" / "txn").iterdir())


def test_each_server_that_was_tried_is_named_with_its_reason(published, tmp_path):
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, answering(lambda request: give(request, b"", 500)) as broken:
        dead = free_port()
        urls = [url_of(port, published) for port in (dead, silent.getsockname()[1], broken)]
        with pytest.raises(Unreachable) as failure:
            open_client(site(published, tmp_path / "a", *urls))
        sentence = failure.value.sentence
        assert "\n" not in sentence
        for reason in (f":{dead} refuses the connection", "does not answer within 0.5 s", f":{broken} answers 500"):
            assert reason in sentence, sentence
        assert failure.value.hint


def test_one_that_stalls_or_drips_is_given_up(published, web, tmp_path):
    def drips(request):
        request.send_response(200)
        request.send_header("Content-Length", "100000")
        request.end_headers()
        for _ in range(40):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.1)

    with answering(drips) as slow:
        urls = [url_of(slow, published), url_of(web.port, published)]
        begin = time.monotonic()
        with open_client(site(published, tmp_path / "a", *urls)) as client:
            client.contents.servers.reorder(urls)
            assert client.read("/data/f3") == b"3"
        assert time.monotonic() - begin < 30


def test_one_that_failed_is_left_out_for_half_an_hour(published):
    asked = []
    is_well = []

    def moody(request):
        asked.append(request.path)
        give(request, b"x") if is_well else give(request, b"", 500)

    now = [1000.0]
    with answering(moody) as first, answering(lambda request: give(request, b"second")) as second:
        sources = Sources((url_of(first, published), url_of(second, published)), ((None,),), PATIENCE, PATIENCE)
        servers = Servers(published.fqrn, sources, clock=lambda: now[0])
        assert servers.fetch("a", bytes) == b"second"
        count = len(asked)
        assert servers.fetch("b", bytes) == b"second"
        assert len(asked) == count
        is_well.append(True)
        now[0] += SERVER_PAUSE + 1
        assert servers.fetch("c", bytes) == b"x"
        servers.web.close()


def test_when_nobody_answers_a_thousand_files_do_not_wait_a_thousand_times(published):
    now = [0.0]
    sources = Sources((url_of(free_port(), published),), ((None,),), PATIENCE, PATIENCE)
    servers = Servers(published.fqrn, sources, clock=lambda: now[0])
    for _ in range(1000):
        with pytest.raises(Unreachable):
            servers.fetch("a", bytes)
    assert servers.web.requests <= 2


def test_a_replica_that_is_behind_is_not_taken(published, web, tmp_path):
    cache = tmp_path / "cache"
    old = tmp_path / "old/cvmfs" / published.fqrn
    shutil.copytree(published.place, old)
    with published.publication() as publication:
        publication.put(b"/newer", directory())
    with open_client(site(published, cache, url_of(web.port, published))) as client:
        revision = client.repository.manifest.revision
    with nginx(tmp_path / "old", tmp_path / "nginx") as behind:
        try:
            with open_client(site(published, cache, url_of(behind.port, published))) as client:
                assert client.repository.manifest.revision == revision
        except RepositoryError as error:
            assert "older" in error.sentence or "behind" in error.sentence


def test_offline_what_was_read_is_there(published, web, tmp_path):
    with open_client(site(published, tmp_path / "a", url_of(web.port, published))) as client:
        assert client.read("/data/f1") == b"1"
    with open_client(site(published, tmp_path / "a"), offline=True) as client:
        assert client.read("/data/f1") == b"1"
        with pytest.raises(Unreachable, match="no server may be asked"):
            client.read("/data/f2")
    with pytest.raises(Unreachable, match="was never opened here"):
        open_client(site(published, tmp_path / "b"), offline=True)


def test_what_is_not_known_is_said(published, web, tmp_path):
    address = url_of(web.port, published)
    with pytest.raises(UsageError, match="no server of"):
        open_client(site(published, tmp_path / "a"))
    with pytest.raises(UsageError, match="no public key"):
        open_client(site(published, tmp_path / "a", address).but(keys=()))
    stranger = Published(tmp_path / "other", published.fqrn)
    with pytest.raises(RepositoryError):
        open_client(site(published, tmp_path / "a", address).but(keys=(stranger.key,)))
    with open_client(site(published, tmp_path / "a", address)) as client, pytest.raises(NotInRepository):
        client.read("/data/nothing")
    pinned = site(published, tmp_path / "a", address).but(root="0" * 40)
    with open_client(pinned) as client, pytest.raises(NotInRepository):
        client.stat("/data")


def test_a_revision_that_is_gone_from_the_server(published, web, tmp_path):
    with open_client(site(published, tmp_path / "a", url_of(web.port, published))) as client:
        body = client.stat("/data/f5").body
        path = published.object_path(body.hash)
        path.rename(path.with_suffix(".away"))
        try:
            with pytest.raises(NotInRepository, match="asked: 127.0.0.1"):
                client.read("/data/f5")
        finally:
            path.with_suffix(".away").rename(path)


def test_distance():
    urls = ["http://a/x", "http://b/x", "http://c/x"]
    assert in_order(b"2,3,1\n", urls) == ["http://b/x", "http://c/x", "http://a/x"]
    for wrong in (b"", b"1,2", b"1,2,2", b"0,1,2", b"<html>", b"1,2,3,4"):
        assert in_order(wrong, urls) is None
