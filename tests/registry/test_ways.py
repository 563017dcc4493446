"""How a registry is reached: plain http or TLS, and proxies."""

from __future__ import annotations

import socket
import threading

import pytest

from sampan.errors import BadSetting, Unreachable
from tests.peers.certificates import make_authority
from tests.peers.faulty import Faulty, cut, status
from tests.peers.proxy import Proxy
from tests.registry.conftest import BIG, big_layer, reference

pytestmark = pytest.mark.client


@pytest.fixture
def named(monkeypatch):
    """`registry.test` is this machine, for the name service; for us it is a host of the network."""
    real = socket.getaddrinfo

    def look_up(host, *more, **options):
        return real("127.0.0.1" if host == "registry.test" else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_loopback_is_asked_by_plain_http_first(faulty, layout, client):
    faulty.add(layout)
    client.manifest(reference(faulty.host))
    client.manifest(reference(faulty.host))
    assert [one.path for one in faulty.requests] == ["/v2/", "/v2/x/manifests/1", "/v2/x/manifests/1"]


def test_others_are_never_asked_by_plain_http(faulty, layout, client, named):
    faulty.add(layout)
    with pytest.raises(Unreachable, match=r"registry.test:\d+ does not speak TLS") as caught:
        client.manifest(reference(f"registry.test:{faulty.port}"))
    assert "insecure_registries" in caught.value.hint
    assert faulty.requests == []


def test_unless_the_settings_say_so(faulty, layout, make_client, named):
    faulty.add(layout)
    make_client(insecure=f"registry.test:{faulty.port}").manifest(reference(f"registry.test:{faulty.port}"))
    with pytest.raises(Unreachable, match="does not speak TLS"):
        make_client(insecure="registry.test").manifest(reference(f"registry.test:{faulty.port}"))


def test_tls_of_a_named_registry(tls_faulty, layout, make_client, named):
    tls_faulty.add(layout)
    trusting = {"SSL_CERT_FILE": str(tls_faulty.authority)}
    assert make_client(**trusting).manifest(reference(f"registry.test:{tls_faulty.port}")).content
    # Listed as insecure, but it speaks TLS: so TLS is spoken, and verified.
    insecure = f"registry.test:{tls_faulty.port}"
    assert make_client(insecure=insecure, **trusting).manifest(reference(insecure)).content
    with pytest.raises(Unreachable, match="authority that this machine does not know"):
        make_client(insecure=insecure).manifest(reference(insecure))


def test_a_certificate_for_another_name(tls_faulty, layout, make_client, monkeypatch):
    tls_faulty.add(layout)
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **options: real("127.0.0.1", *more, **options))
    with pytest.raises(Unreachable, match=r"the certificate of other.test:\d+ is for another name"):
        make_client(SSL_CERT_FILE=str(tls_faulty.authority)).manifest(reference(f"other.test:{tls_faulty.port}"))


def test_a_directory_of_authorities(tls_faulty, layout, make_client, tmp_path):
    """SSL_CERT_DIR holds files named by the hash of their subject, as `openssl rehash` makes them."""
    import subprocess

    authorities = tmp_path / "authorities"
    authorities.mkdir()
    (authorities / "ca.pem").write_bytes(tls_faulty.authority.read_bytes())
    subprocess.run(["openssl", "rehash", str(authorities)], check=True, capture_output=True)
    tls_faulty.add(layout)
    assert make_client(SSL_CERT_DIR=str(authorities)).manifest(reference(tls_faulty.host)).content


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_unusable_ssl_cert_file(tls_faulty, make_client, tmp_path, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadSetting, match=f"cannot read the certificates of SSL_CERT_FILE={file}"):
        make_client(SSL_CERT_FILE=str(file)).manifest(reference(tls_faulty.host))


def test_a_loopback_registry_that_hangs_up_is_no_tls(faulty, client):
    faulty.on("/v2/", lambda asked, reply: (_ for _ in ()).throw(ConnectionResetError()))
    with pytest.raises(Unreachable, match=r"was cut \(tried 5 times\)"):
        client.manifest(reference(faulty.host))


def test_something_that_is_no_web_server(client):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet():
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=greet, daemon=True).start()
        with pytest.raises(Unreachable, match="answers, but not as a web server does"):
            client.manifest(reference(f"127.0.0.1:{listener.getsockname()[1]}"))
        listener.shutdown(socket.SHUT_RDWR)


def test_a_tunnel_through_a_proxy(tls_faulty, layout, make_client, proxy):
    """The proxy resolves the name: this machine does not have to."""
    tls_faulty.add(layout)
    trusting = {"SSL_CERT_FILE": str(tls_faulty.authority), "https_proxy": f"http://me:p%40ss@{proxy.host}"}
    assert make_client(**trusting).manifest(reference(f"registry.test:{tls_faulty.port}")).content
    ((line, proof),) = proxy.asked
    assert (line.split()[:2], proof) == (["CONNECT", f"registry.test:{tls_faulty.port}"], "Basic bWU6cEBzcw==")
    assert all("proxy-authorization" not in one.headers for one in tls_faulty.requests)


@pytest.mark.parametrize("cut_at", [None, 1_000_000])
def test_a_tunnel_through_a_proxy_that_speaks_tls_itself(tls_faulty, layout, make_client, tmp_path, cut_at):
    """TLS inside TLS."""
    ours = tmp_path / "proxy"
    ours.mkdir()
    authority, certificate, key = make_authority(ours)
    both = tmp_path / "both.pem"
    both.write_bytes(authority.read_bytes() + tls_faulty.authority.read_bytes())
    tls_faulty.add(layout)
    if cut_at:
        tls_faulty.on("/blobs/", cut(cut_at), times=1)
    with Proxy(tls=(certificate, key)) as proxy:
        client = make_client(SSL_CERT_FILE=str(both), https_proxy=f"https://me:pw@localhost:{proxy.host.rpartition(':')[2]}")
        name = reference(f"registry.test:{tls_faulty.port}")
        assert b"".join(client.blob(name, big_layer(layout))) == BIG
    assert proxy.asked[0] == (f"CONNECT registry.test:{tls_faulty.port} HTTP/1.1", "Basic bWU6cHc=")


def test_plain_http_through_a_proxy(faulty, layout, make_client):
    """A proxy gets the whole URL; the faulty registry reads it as its own."""
    faulty.add(layout)
    client = make_client(insecure="registry.test", http_proxy=faulty.url)
    assert client.manifest(reference("registry.test")).content
    assert faulty.requests[-1].path == "http://registry.test/v2/x/manifests/1"


def test_no_proxy(tls_faulty, layout, make_client, proxy, named):
    tls_faulty.add(layout)
    direct = {"SSL_CERT_FILE": str(tls_faulty.authority), "https_proxy": f"http://{proxy.host}", "no_proxy": ".test"}
    assert make_client(**direct).manifest(reference(f"registry.test:{tls_faulty.port}")).content
    assert proxy.asked == []


@pytest.mark.parametrize(
    ("code", "sentence", "waits"),
    [(407, "wants a password", 0), (403, "refuses the way to registry.test", 0), (502, "does not answer", 4)],
)
def test_a_proxy_that_refuses(make_client, proxy, clock, code, sentence, waits):
    proxy.status = code
    with pytest.raises(Unreachable, match=sentence):
        make_client(https_proxy=f"http://{proxy.host}").manifest(reference("registry.test"))
    assert len(clock.waits) == waits


def test_a_proxy_that_is_not_there(make_client):
    with pytest.raises(Unreachable, match="the proxy on the way to registry.test does not answer") as caught:
        make_client(https_proxy="http://127.0.0.1:1").manifest(reference("registry.test"))
    assert "https_proxy" in caught.value.hint


def test_certificates_that_have_expired(tmp_path, layout, make_client):
    authority, certificate, key = make_authority(tmp_path, days=0)
    with Faulty(tls=(certificate, key)) as server:
        server.on("/", status(200))
        with pytest.raises(Unreachable, match="has expired") as caught:
            make_client(SSL_CERT_FILE=str(authority)).manifest(reference(server.host))
    assert "clock" in caught.value.hint
