"""certs.d: authorities and certificates of single registries; layers that lie elsewhere."""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess

import pytest

from sampan.errors import BadSetting, NotAtRegistry, ProtocolError, Unreachable
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, sha256_of
from sampan.registry.certificates import CertificateDirectories
from sampan.registry.tls import TlsRules
from sampan.settings import load
from sampan.values import changed
from tests.peers.certificates import make_authority
from tests.peers.faulty import Faulty, cut, redirect
from tests.registry.conftest import BIG, big_layer, reference

pytestmark = pytest.mark.client


@pytest.fixture
def place_files(tmp_path):
    """Copies files into the user's certs.d for a host."""

    def place(host, **files):
        directory = tmp_path / f"home/.config/containers/certs.d/{host}"
        directory.mkdir(parents=True, exist_ok=True)
        for name, source in files.items():
            (directory / name.replace("_", ".")).write_bytes(source.read_bytes())
        return directory

    return place


@pytest.fixture
def mutual(tmp_path):
    """A registry that wants a certificate of its authority from whoever asks, and the files of one that is good."""
    ours = tmp_path / "mutual"
    ours.mkdir()
    authority, certificate, key = make_authority(ours)
    with Faulty(tls=(certificate, key), client_authority=authority) as server:
        server.authority = authority
        server.client = (certificate, key)
        yield server


def test_an_authority_for_one_registry(tls_faulty, layout, make_client, place_files):
    tls_faulty.add(layout)
    place_files(tls_faulty.host, ca_crt=tls_faulty.authority)
    assert make_client().manifest(reference(tls_faulty.host)).content
    with pytest.raises(Unreachable, match="authority that this machine does not know") as caught:
        make_client().manifest(reference(tls_faulty.host.replace("127.0.0.1", "localhost")))
    assert f"certs.d/localhost:{tls_faulty.port}/ca.crt" in caught.value.hint


def test_a_certificate_of_ones_own(mutual, layout, make_client, place_files):
    mutual.add(layout)
    certificate, key = mutual.client
    place_files(mutual.host, ca_crt=mutual.authority)
    with pytest.raises(Unreachable):
        make_client().manifest(reference(mutual.host))
    place_files(mutual.host, client_cert=certificate, client_key=key)
    assert make_client().manifest(reference(mutual.host)).content


def test_the_certificate_does_not_go_elsewhere(mutual, layout, make_client, place_files):
    """Redirected to a host for which there are files too: its authority counts, our certificate stays at home."""
    mutual.add(layout)
    certificate, key = mutual.client
    other = mutual.host.replace("127.0.0.1", "localhost")
    for host in (mutual.host, other):
        place_files(host, ca_crt=mutual.authority, client_cert=certificate, client_key=key)
    mutual.on("/manifests/", redirect(f"https://{other}{{path}}"))
    with pytest.raises(Unreachable):
        make_client().manifest(reference(mutual.host))
    assert {one.headers["host"] for one in mutual.requests} == {mutual.host}


def test_the_three_places(tmp_path, notice):
    def write(place, name):
        file = tmp_path / place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
        return str(file)

    def found(host="a.com:5000"):
        return CertificateDirectories({"HOME": str(tmp_path)}, notice, f"{tmp_path}/etc").rules(host)

    assert found() == TlsRules()
    docker = write("etc/docker/certs.d/a.com:5000", "z.crt")
    assert found() == TlsRules((docker,))
    certificate, key = (write("etc/containers/certs.d/a.com:5000", f"c.{kind}") for kind in ("cert", "key"))
    assert found() == TlsRules((), ((certificate, key),))
    own = write(".config/containers/certs.d/a.com:5000", "ca.crt")
    assert found() == TlsRules((own,))
    hub = write("etc/docker/certs.d/docker.io", "ca.crt")
    assert found("registry-1.docker.io") == TlsRules((hub,))
    assert found("a.com") == TlsRules()


def test_files_that_cannot_be_used(tls_faulty, make_client, place_files, notice, tmp_path):
    directory = place_files(tls_faulty.host, client_cert=tls_faulty.authority)
    with pytest.raises(BadSetting, match=r"client.cert has no key client.key beside it"):
        make_client().manifest(reference(tls_faulty.host))
    (directory / "client.key").write_text("no key")
    with pytest.raises(BadSetting, match="cannot use the certificate .*client.cert with the key"):
        make_client().manifest(reference(tls_faulty.host))
    (directory / "client.cert").unlink()
    (directory / "ca.crt").write_text("no certificate")
    with pytest.raises(BadSetting, match="cannot use the authority's certificate"):
        make_client().manifest(reference(tls_faulty.host))


def test_a_key_with_a_password_is_refused_not_asked_for(tls_faulty, make_client, place_files, tmp_path):
    directory = place_files(tls_faulty.host, client_cert=tls_faulty.authority)
    subprocess.run(
        ["openssl", "genpkey", "-algorithm", "RSA", "-aes128", "-pass", "pass:x", "-out", str(directory / "client.key")],
        check=True, capture_output=True,
    )  # fmt: skip
    with pytest.raises(BadSetting, match="is protected by a password"):
        make_client().manifest(reference(tls_faulty.host))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_what_only_root_may_read_is_left_out(tls_faulty, layout, make_client, place_files, notice):
    tls_faulty.add(layout)
    directory = place_files(tls_faulty.host, ca_crt=tls_faulty.authority, x_cert=tls_faulty.authority, x_key=tls_faulty.authority)
    (directory / "x.key").chmod(0)
    assert make_client().manifest(reference(tls_faulty.host)).content
    assert any("x.key cannot be read" in sentence for sentence in notice.debugged)


def test_ssl_contexts_verify_unless_told_otherwise():
    from sampan.registry.tls import client_context

    assert client_context({}).verify_mode == ssl.CERT_REQUIRED
    assert client_context({}, TlsRules(verify=False)).verify_mode == ssl.CERT_NONE


@pytest.fixture
def foreign(faulty, elsewhere, layout, tmp_path, notice, clock, make_client):
    """A registry without a layer that its manifest says lies elsewhere; gives the layer and a client that may go there."""
    faulty.add(layout)
    layer = big_layer(layout)
    del faulty.blobs[str(layer.digest)]
    elsewhere.blobs[str(layer.digest)] = (BIG, "x")
    return changed(layer, urls=(f"{elsewhere.url}/v2/x/blobs/{layer.digest}",)), make_client(SAMPAN_FOREIGN_LAYERS="1")


def bring(client, server, layer):
    return b"".join(client.blob(reference(server.host), layer))


def test_foreign_layers_are_fetched_only_if_the_settings_say_so(foreign, faulty, elsewhere, make_client):
    layer, client = foreign
    with pytest.raises(NotAtRegistry) as caught:
        bring(make_client(), faulty, layer)
    assert elsewhere.host in caught.value.hint
    assert "foreign_layers" in caught.value.hint
    assert elsewhere.requests == []
    assert bring(client, faulty, layer) == BIG


def test_foreign_layers_without_credentials_and_over_cuts(foreign, faulty, elsewhere):
    layer, client = foreign
    elsewhere.on("/blobs/", cut(1_000_000), times=3)
    broken = changed(layer, urls=(f"{elsewhere.url}/v2/x/blobs/sha256:{'0' * 64}", *layer.urls))
    assert bring(client, faulty, broken) == BIG
    assert {one.authorization for one in elsewhere.requests} == {None}
    assert [one.range for one in elsewhere.requests][-1] == f"bytes=2000000-{len(BIG) - 1}"


@pytest.mark.parametrize("url", ["ftp://x/y", "file:///etc/passwd", "http://169.254.169.254/x", "http://u:p@127.0.0.1/"])
def test_foreign_layers_from_odd_places(foreign, faulty, url):
    layer, client = foreign
    with pytest.raises(ProtocolError):
        bring(client, faulty, changed(layer, urls=(url,)))


def test_settings_know_the_flag():
    assert load({"HOME": "/x", "SAMPAN_FOREIGN_LAYERS": "yes"}, "/nonexistent").flag("foreign_layers")
    assert not load({"HOME": "/x"}, "/nonexistent").flag("foreign_layers")


def test_sha512_blobs_resume(faulty, client, tmp_path):
    digest = Digest("sha512", hashlib.sha512(BIG).hexdigest())
    faulty.blobs[str(digest)] = (BIG, "x")
    faulty.on("/blobs/", cut(1_000_000), times=1)
    with (tmp_path / "blob").open("w+b") as file:
        client.fetch_blob(reference(faulty.host), Descriptor("x", digest, len(BIG)), file)
        file.seek(0)
        assert sha256_of(file.read()) == sha256_of(BIG)
