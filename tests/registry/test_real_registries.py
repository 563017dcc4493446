"""Debian's docker-registry: open, with a password, with TLS, with tokens."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from sampan.errors import NotAtRegistry, Unauthorized, Unreachable
from sampan.oci.config import ImageConfig
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import sha256_of
from sampan.oci.document import read_document
from sampan.oci.manifest import Index, parse_manifest
from sampan.oci.mediatypes import OCI_MANIFEST
from sampan.oci.platform import Platform, Wanted
from sampan.oci.reference import Reference
from sampan.oci.select import select
from sampan.registry import upload
from tests.peers.docker_registry import PASSWORD, USER, seed
from tests.peers.recorded import RecordedTask
from tests.registry.conftest import BIG

pytestmark = pytest.mark.client


@pytest.fixture(scope="session")
def seeded(registry, layout):
    """The images of `layout` in all registries, which share a directory."""
    for name in ("tools", "deep/er/tools", "private/tools"):
        seed(registry, layout, "1", f"{name}:1")
    seed(registry, layout, "many", "many:1")
    seed(registry, layout, "1", "docker:1", docker=True)
    return registry


def pull(client, reference, directory, platform="linux/amd64"):
    """All of an image: its configuration and the bytes of its layers, fetched four at once."""
    fetched = client.manifest(reference)
    parsed = parse_manifest(fetched.content, str(reference), content_type=fetched.media_type)
    if isinstance(parsed, Index):
        wanted = Wanted(Platform("linux", *platform.split("/")[1:]))
        entry = select(parsed, wanted, lambda _: parsed, str(reference))
        fetched = client.manifest(reference.with_digest(entry.digest))
        parsed = parse_manifest(fetched.content, str(reference), expected=entry.media_type)
    parsed.check_runnable(str(reference))
    config = ImageConfig.from_document(read_document(client.small_blob(reference, parsed.config), "config"), "config")

    def bring(layer):
        path = directory / layer.digest.encoded
        with path.open("w+b") as file:
            client.fetch_blob(reference, layer, file)
        return path.read_bytes()

    with ThreadPoolExecutor(4) as threads:
        return config, list(threads.map(bring, parsed.layers))


def login(tmp_path, host, user=USER, password=PASSWORD):
    file = tmp_path / f"auth-{user}.json"
    file.write_text(json.dumps({"auths": {host: {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}}}))
    return str(file)


def test_an_open_registry(seeded, client, tmp_path):
    """D12: a name with a port is a name like any other."""
    config, layers = pull(client, Reference.parse(f"{seeded.host}/tools:1"), tmp_path)
    assert (config.cmd, layers[1]) == (("cat", "/etc/motd"), BIG)


@pytest.mark.parametrize("name", ["deep/er/tools:1", "many:1", "docker:1"])
def test_names_indexes_and_docker_types(seeded, client, tmp_path, name):
    config, layers = pull(client, Reference.parse(f"{seeded.host}/{name}"), tmp_path)
    assert (config.architecture, bool(layers)) == ("amd64", True)


def test_another_platform(seeded, client, tmp_path):
    config, _ = pull(client, Reference.parse(f"{seeded.host}/many:1"), tmp_path, "linux/arm64")
    assert (config.architecture, config.variant) == ("arm64", "v8")


def test_by_digest_and_by_head(seeded, client):
    tagged = Reference.parse(f"{seeded.host}/tools:1")
    fetched = client.manifest(tagged)
    told = client.head_manifest(tagged)
    assert (told.digest, told.size, told.media_type) == (fetched.digest, len(fetched.content), fetched.media_type)
    assert client.manifest(tagged.with_digest(fetched.digest)) == fetched
    assert client.manifest(Reference.parse(f"{seeded.host}/tools@{fetched.digest}")) == fetched


def test_localhost_is_another_name_of_it(seeded, client, tmp_path):
    pull(client, Reference.parse(f"{seeded.host.replace('127.0.0.1', 'localhost')}/tools:1"), tmp_path)


@pytest.mark.parametrize(
    ("name", "sentence"), [("tools:2", "the registry has no tag 2 of"), ("nothing:1", "the registry has no tag 1 of")]
)
def test_what_is_not_there(seeded, client, name, sentence):
    with pytest.raises(NotAtRegistry, match=sentence):
        client.manifest(Reference.parse(f"{seeded.host}/{name}"))
    with pytest.raises(NotAtRegistry):
        client.head_manifest(Reference.parse(f"{seeded.host}/{name}"))


def test_a_password(seeded, basic_registry, make_client, tmp_path):
    reference = Reference.parse(f"{basic_registry.host}/tools:1")
    client = make_client(authfile=login(tmp_path, basic_registry.host))
    assert pull(client, reference, tmp_path)[1][1] == BIG


def test_no_or_a_wrong_password(seeded, basic_registry, make_client, tmp_path):
    reference = Reference.parse(f"{basic_registry.host}/tools:1")
    with pytest.raises(Unauthorized, match="wants a login") as caught:
        make_client().manifest(reference)
    assert caught.value.hint == f"sampan login {basic_registry.host}"
    with pytest.raises(Unauthorized, match='refused the password of "bob"') as caught:
        make_client(authfile=login(tmp_path, basic_registry.host, "bob")).manifest(reference)
    assert f"sampan login {basic_registry.host}" in caught.value.hint


def test_tls_with_an_authority_of_ones_own(seeded, tls_registry, make_client, tmp_path):
    for host in (tls_registry.host, tls_registry.host.replace("127.0.0.1", "localhost")):
        client = make_client(SSL_CERT_FILE=str(tls_registry.authority))
        assert pull(client, Reference.parse(f"{host}/tools:1"), tmp_path)[1][1] == BIG


def test_tls_with_an_unknown_authority(seeded, tls_registry, client, clock):
    with pytest.raises(Unreachable, match="signed by an authority that this machine does not know") as caught:
        client.manifest(Reference.parse(f"{tls_registry.host}/tools:1"))
    assert "SSL_CERT_FILE" in caught.value.hint
    assert clock.waits == []


def test_tokens_without_credentials(seeded, token_registry, client, tmp_path):
    before = len(token_registry.tokens.asked)
    pull(client, Reference.parse(f"{token_registry.host}/tools:1"), tmp_path)
    asked = token_registry.tokens.asked[before:]
    assert [(user, query["scope"], query["service"]) for user, query, _ in asked] == [
        ("", ["repository:tools:pull"], ["registry.test"])
    ]


def test_tokens_with_credentials(seeded, token_registry, make_client, tmp_path):
    before = len(token_registry.tokens.asked)
    client = make_client(authfile=login(tmp_path, token_registry.host))
    assert pull(client, Reference.parse(f"{token_registry.host}/private/tools:1"), tmp_path)[1][1] == BIG
    assert [(user, query["scope"]) for user, query, _ in token_registry.tokens.asked[before:]] == [
        (USER, ["repository:private/tools:pull"])
    ]


def test_a_private_image_without_credentials(seeded, token_registry, client):
    with pytest.raises(Unauthorized, match=r"there is no image .*/private/tools, or it is private"):
        client.manifest(Reference.parse(f"{token_registry.host}/private/tools:1"))


def test_a_wrong_password_for_a_public_image_goes_on_without(seeded, token_registry, make_client, tmp_path, notice):
    client = make_client(authfile=login(tmp_path, token_registry.host, "bob", "wrong"))
    pull(client, Reference.parse(f"{token_registry.host}/tools:1"), tmp_path)
    assert notice.warnings == ['the registry refused the password of "bob" (401); going on without it']
    with pytest.raises(Unauthorized, match='refused the password of "bob"'):
        client.manifest(Reference.parse(f"{token_registry.host}/private/tools:1"))


def test_a_download_continues_where_another_process_stopped(seeded, client, layout, tmp_path):
    reference = Reference.parse(f"{seeded.host}/tools:1")
    fetched = client.manifest(reference)
    layer = parse_manifest(fetched.content, "x").layers[1]
    task = RecordedTask()
    with (tmp_path / "part").open("w+b") as file:
        file.write(BIG[:1_000_000])
        client.fetch_blob(reference, layer, file, task)
        file.seek(0)
        assert file.read() == BIG
    assert (task.amounts[0], sum(task.amounts)) == (1_000_000, len(BIG))


def pieces(start):
    return (BIG[at : at + 100_000] for at in range(start, len(BIG), 100_000))


def test_chunks_are_taken(seeded, client, monkeypatch):
    """As after a 413 of something in between."""
    monkeypatch.setattr(upload._Session, "_put", lambda *_: False)
    monkeypatch.setattr(upload, "CHUNK", 1_000_000)
    descriptor = Descriptor("x", sha256_of(BIG + b"chunks"), len(BIG) + 6)
    target = client.target(Reference.parse(f"{seeded.host}/sent/chunks:1"))
    content = BIG + b"chunks"
    target.send_blob(descriptor, lambda start: (content[start:],))
    assert target.has_blob(descriptor.digest)
    assert b"".join(client.blob(Reference.parse(f"{seeded.host}/sent/chunks:1"), descriptor)) == content


def test_a_broken_upload_goes_on_by_the_registrys_word(seeded, client, monkeypatch):
    content = BIG + b"broken"
    descriptor = Descriptor("x", sha256_of(content), len(content))
    breaks = [1_500_000]

    def read(start):
        for at in range(start, len(content), 100_000):
            if breaks and at >= breaks[0]:
                breaks.pop()
                raise ConnectionResetError  # as if the line had gone while it was sent
            yield content[at : at + 100_000]

    target = client.target(Reference.parse(f"{seeded.host}/sent/broken:1"))
    target.send_blob(descriptor, read)
    assert target.has_blob(descriptor.digest)


def test_mounts_with_tokens(seeded, token_registry, make_client, tmp_path):
    client = make_client(authfile=login(tmp_path, token_registry.host))
    layer = parse_manifest(client.manifest(Reference.parse(f"{token_registry.host}/tools:1")).content, "x").layers[1]
    target = client.target(Reference.parse(f"{token_registry.host}/private/mounted:1"))
    assert not target.has_blob(layer.digest)
    assert target.mount(layer.digest, "tools")
    assert target.has_blob(layer.digest)
    assert not target.mount(layer.digest, "nothing/here")


def test_a_subject_is_noted_by_a_tag(seeded, client):
    """This registry has no referrers."""
    name = Reference.parse(f"{seeded.host}/tools:1")
    fetched = client.manifest(name)
    target = client.target(name)
    config = Descriptor("x", sha256_of(b"{}"), 2)
    target.send_blob(config, lambda _: (b"{}",))
    subject = {"mediaType": fetched.media_type, "digest": str(fetched.digest), "size": len(fetched.content)}
    content = json.dumps({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [], "subject": subject, "artifactType": "text/test",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": str(config.digest), "size": 2},
    }).encode()  # fmt: skip
    target.send_manifest(str(sha256_of(content)), content, OCI_MANIFEST)
    assert [one.digest for one in client.referrers(name, fetched.digest, "text/test")] == [sha256_of(content)]


def test_tags_and_images_are_listed(seeded, client):
    assert "1" in client.tags(Reference.parse(f"{seeded.host}/tools"))
    assert f"{seeded.host}/deep/er/tools" in [one.name for one in client.search(seeded.host, "deep", 10)]
