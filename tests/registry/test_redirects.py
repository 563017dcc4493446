"""Redirects: followed five times, with credentials only inside the origin, never from TLS to plain http."""

from __future__ import annotations

import pytest

from sampan.errors import ProtocolError
from tests.peers.faulty import header, redirect, status
from tests.registry.conftest import BIG, big_layer, reference

pytestmark = pytest.mark.client


@pytest.fixture
def two(faulty, elsewhere, layout, make_client, tmp_path):
    """`faulty` with a password, `elsewhere` without; the client has the password of `faulty`."""
    for server in (faulty, elsewhere):
        server.add(layout)
    faulty.login = "basic"
    file = tmp_path / "auth.json"
    file.write_text(f'{{"auths": {{"{faulty.host}": {{"username": "ana", "password": "secret"}}}}}}')
    return faulty, elsewhere, make_client(authfile=str(file))


def fetch(client, server, layout, tmp_path):
    with (tmp_path / "blob").open("w+b") as file:
        client.fetch_blob(reference(server.host), big_layer(layout), file)
    return (tmp_path / "blob").read_bytes()


def test_another_port_gets_no_credentials(two, layout, tmp_path):
    faulty, elsewhere, client = two
    faulty.on("/blobs/", redirect(elsewhere.url + "{path}?signature=a%2Fb"))
    assert fetch(client, faulty, layout, tmp_path) == BIG
    (arrived,) = elsewhere.requests
    assert arrived.path.endswith("?signature=a%2Fb")
    assert set(arrived.headers) <= {"host", "accept", "accept-encoding", "user-agent"}
    assert faulty.asked("/blobs/")[0].authorization is not None


def test_another_name_of_the_same_machine_gets_none(two, layout, tmp_path):
    faulty, elsewhere, client = two
    elsewhere.on("nothing", status(200))
    faulty.on("/blobs/", redirect(f"http://localhost:{faulty.port}{{path}}"), times=1)
    faulty.login, faulty.users = None, {}
    fetch(client, faulty, layout, tmp_path)
    assert [one.authorization for one in faulty.asked("/blobs/")] == [None, None]


def test_the_same_origin_keeps_them(two, layout, tmp_path):
    faulty, _, client = two
    faulty.on("/blobs/", redirect("/v2/x/blobs/" + str(big_layer(layout).digest) + "?again"), times=1)
    assert fetch(client, faulty, layout, tmp_path) == BIG
    assert [one.authorization is not None for one in faulty.asked("/blobs/")] == [True, True]


def test_coming_back_from_elsewhere_does_not_bring_them_back(two, layout, tmp_path):
    faulty, elsewhere, client = two
    faulty.on("/blobs/", redirect(elsewhere.url + "{path}"), times=1)
    elsewhere.on("/blobs/", redirect(faulty.url + "{path}?back"), times=1)
    # The way back arrives without a proof and is refused; then all begins again at the registry, which serves it itself.
    assert fetch(client, faulty, layout, tmp_path) == BIG
    assert [one.authorization is not None for one in faulty.asked("/blobs/")] == [True, False, True]
    assert elsewhere.requests[0].authorization is None


def test_a_signed_address_that_expired_is_asked_for_again(two, layout, tmp_path, clock):
    faulty, elsewhere, client = two
    faulty.on("/blobs/", redirect(elsewhere.url + "{path}"))
    elsewhere.on("/blobs/", status(403, body=b"<Error>Request has expired</Error>"), times=1)
    assert fetch(client, faulty, layout, tmp_path) == BIG
    assert (len(faulty.asked("/blobs/")), len(clock.waits)) == (2, 1)


def test_a_login_that_the_other_origin_asks_for_is_not_answered(two, layout, tmp_path):
    faulty, elsewhere, client = two
    faulty.on("/blobs/", redirect(elsewhere.url + "{path}"))
    elsewhere.login = "basic"
    with pytest.raises(Exception, match=r"to which the registry leads, refuses blob .* \(401\) \(tried 5 times\)"):
        fetch(client, faulty, layout, tmp_path)
    assert {one.authorization for one in elsewhere.requests} == {None}


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_all_kinds_for_get_and_head(two, code):
    faulty, elsewhere, client = two
    faulty.on("/manifests/", redirect(elsewhere.url + "{path}", code))
    assert client.manifest(reference(faulty.host)).digest == client.head_manifest(reference(faulty.host)).digest
    assert [one.method for one in elsewhere.requests] == ["GET", "HEAD"]


@pytest.mark.parametrize(("hops", "ends"), [(5, True), (6, False)])
def test_five_are_followed(faulty, layout, client, hops, ends):
    faulty.add(layout)
    faulty.on("/manifests/", redirect("{path}+"), times=hops - 1)
    faulty.on("/manifests/", redirect("/v2/x/manifests/1?end"), times=1)
    if ends:
        client.manifest(reference(faulty.host))
    else:
        with pytest.raises(ProtocolError, match="redirects more than 5 times"):
            client.manifest(reference(faulty.host))
    assert len(faulty.asked("/manifests/")) == min(hops, 5) + 1


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("ftp://x/y", "not a URL of the web"),
        ("http://user:pw@127.0.0.1:1/", "has a user name in it"),
        ("http://[::1/", "no URL"),
        ("http://x:99999/", "is not a URL"),
        ("file:///etc/passwd", "not a URL of the web"),
    ],
)
def test_targets_that_are_refused(faulty, layout, client, clock, target, words):
    faulty.add(layout)
    faulty.on("/manifests/", redirect(target))
    with pytest.raises(ProtocolError, match=words):
        client.manifest(reference(faulty.host))
    assert clock.waits == []


def test_a_redirect_to_nowhere(faulty, layout, client):
    faulty.add(layout)
    faulty.on("/manifests/", header("Location", None))
    faulty.rules.clear()
    faulty.on("/manifests/", status(302))
    with pytest.raises(ProtocolError, match="redirects without saying where to"):
        client.manifest(reference(faulty.host))


def test_never_from_tls_to_plain_http(tls_faulty, elsewhere, layout, make_client):
    for server in (tls_faulty, elsewhere):
        server.add(layout)
    tls_faulty.on("/manifests/", redirect(elsewhere.url + "{path}"))
    with pytest.raises(ProtocolError, match=f"from TLS to plain http, at {elsewhere.host}"):
        make_client(SSL_CERT_FILE=str(tls_faulty.authority)).manifest(reference(tls_faulty.host))
    assert elsewhere.requests == []


def test_a_range_goes_along(two, layout, tmp_path):
    faulty, elsewhere, client = two
    faulty.on("/blobs/", redirect(elsewhere.url + "{path}"))
    rest = b"".join(client.blob(reference(faulty.host), big_layer(layout), start=3_000_000))
    assert rest == BIG[3_000_000:]
    assert elsewhere.requests[0].range == f"bytes=3000000-{len(BIG) - 1}"
