"""Several places for one image: mirrors are asked first and passed over when they fail in any way."""

from __future__ import annotations

import hashlib
import json

import pytest

from sampan.errors import DigestMismatch, NotAtRegistry, UsageError
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from tests.peers.docker_registry import free_port
from tests.peers.faulty import Faulty, body, cut, header, refused, stall, status
from tests.peers.recorded import RecordedTask
from tests.registry.conftest import BIG, big_layer, reference

pytestmark = pytest.mark.client


@pytest.fixture
def two(faulty, elsewhere, layout):
    """The registry, and a mirror that has the same below `copy/`."""
    faulty.add(layout)
    elsewhere.add(layout, "copy/x")
    return faulty, elsewhere


@pytest.fixture
def configure(tmp_path):
    def write(text):
        file = tmp_path / "home/.config/containers/registries.conf"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


@pytest.fixture
def mirrored(two, configure, make_client):
    registry, mirror = two
    configure(f'[[registry]]\nprefix = "{registry.host}"\n[[registry.mirror]]\nlocation = "{mirror.host}/copy"\n')
    return registry, mirror, make_client()


def fetch(client, server, layout, tmp_path, task=None):
    with (tmp_path / "blob").open("w+b") as file:
        client.fetch_blob(reference(server.host), big_layer(layout), file, task)
    return (tmp_path / "blob").read_bytes()


def test_the_mirror_is_asked_and_the_registry_is_not(mirrored, layout, tmp_path):
    registry, mirror, client = mirrored
    assert client.manifest(reference(registry.host)).digest == client.head_manifest(reference(registry.host)).digest
    assert fetch(client, registry, layout, tmp_path) == BIG
    assert registry.requests == []
    assert {one.path.split("/")[2] for one in mirror.requests if len(one.path) > 4} == {"copy"}


@pytest.mark.parametrize(
    ("action", "warned"),
    [
        (status(404), False),
        (refused(401, "UNAUTHORIZED"), True),
        (refused(403, "DENIED"), True),
        (status(429, {"Retry-After": "100"}), True),
        (status(500), True),
        (status(503), True),
        (body(lambda _: b"<html>"), True),
        (cut(5), True),
        (header("Docker-Content-Digest", "sha256:" + "0" * 64), True),
        (status(302), True),
    ],
    ids=lambda value: "",
)
def test_whatever_a_mirror_fails_with_the_next_one_is_asked(mirrored, clock, notice, action, warned):
    registry, mirror, client = mirrored
    mirror.on("/manifests/", action)
    client.manifest(reference(registry.host))
    assert (len(mirror.asked("/manifests/")), len(registry.asked("/manifests/")), clock.waits) == (1, 1, [])
    assert len(notice.warnings) == warned
    assert all(sentence.startswith(f"{mirror.host} does not help: ") for sentence in notice.warnings)


def test_a_mirror_that_is_not_there_is_asked_once(two, configure, make_client, layout, tmp_path, clock, notice):
    registry, _ = two
    port = free_port()
    configure(f'[[registry]]\nprefix = "{registry.host}"\n[[registry.mirror]]\nlocation = "127.0.0.1:{port}"\n')
    client = make_client()
    client.manifest(reference(registry.host))
    assert fetch(client, registry, layout, tmp_path) == BIG
    assert len(notice.warnings) == 1
    assert "refuses the connection; asking the next one" in notice.warnings[0]
    assert clock.waits == []


def test_the_registrys_own_failure_is_the_one_that_is_told(mirrored):
    registry, mirror, client = mirrored
    for server in (registry, mirror):
        server.on("/manifests/", status(404))
    with pytest.raises(NotAtRegistry, match=f"the registry has no tag 1 of {registry.host}/x"):
        client.manifest(reference(registry.host))


def test_a_mirror_that_breaks_off_is_continued_at_the_registry(mirrored, layout, tmp_path):
    registry, mirror, client = mirrored
    mirror.on("/blobs/", cut(500_000))
    assert fetch(client, registry, layout, tmp_path) == BIG
    assert [one.range for one in registry.asked("/blobs/")] == [f"bytes=500000-{len(BIG) - 1}"]


def test_a_mirror_that_makes_progress_is_kept(mirrored, layout, tmp_path, clock):
    registry, mirror, client = mirrored
    mirror.on("/blobs/", cut(2_000_000), times=1)
    assert fetch(client, registry, layout, tmp_path) == BIG
    assert (registry.asked("/blobs/"), len(clock.waits)) == ([], 1)


@pytest.mark.parametrize("change", [lambda data: data[:-1] + b"!", lambda data: data + b"!", lambda data: b"!" * len(data)])
def test_wrong_bytes_of_a_mirror_are_fetched_anew(mirrored, layout, tmp_path, change, notice):
    registry, mirror, client = mirrored
    mirror.on("/blobs/", body(change))
    task = RecordedTask()
    assert fetch(client, registry, layout, tmp_path, task) == BIG
    assert sum(task.amounts) == len(BIG)
    assert "does not help" in notice.warnings[0]


def test_wrong_bytes_of_both_are_an_error(mirrored, layout, tmp_path):
    registry, mirror, client = mirrored
    for server in (registry, mirror):
        server.on("/blobs/", body(lambda data: data[:-1] + b"!"))
    with pytest.raises(DigestMismatch, match="does not match its digest"):
        fetch(client, registry, layout, tmp_path)


def test_wrong_bytes_of_a_mirror_before_a_cut(mirrored, layout, tmp_path):
    registry, mirror, client = mirrored

    def spoil(_, reply):
        reply.body = b"!" * len(reply.body)
        reply.cut_at = 300_000

    mirror.on("/blobs/", spoil)
    assert fetch(client, registry, layout, tmp_path) == BIG


def test_small_blobs_too(mirrored):
    registry, mirror, client = mirrored
    digest = Digest.parse(registry.put(b"abc", "x"))
    mirror.blobs[str(digest)] = (b"abd", "x")
    assert client.small_blob(reference(registry.host), Descriptor("x", digest, 3)) == b"abc"


def test_each_mirror_has_its_own_credentials(mirrored, make_client, tmp_path):
    registry, mirror, _ = mirrored
    registry.login = mirror.login = "basic"
    registry.users, mirror.users = {"ana": "one"}, {"bob": "two"}
    entries = {
        registry.host: {"username": "ana", "password": "one"},
        f"{mirror.host}/copy": {"username": "bob", "password": "two"},
    }
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": entries}))
    client = make_client(authfile=str(file))
    client.manifest(reference(registry.host))
    assert registry.requests == []
    mirror.on("/manifests/", status(404))
    client.manifest(reference(registry.host))
    assert len({one.authorization for one in (*registry.asked("/manifests/"), *mirror.asked("/manifests/"))}) == 2


def test_another_location_replaces_the_registry(two, configure, make_client):
    """This is how going back to the origin is forbidden."""
    registry, mirror = two
    configure(f'[[registry]]\nprefix = "{registry.host}"\nlocation = "{mirror.host}/copy"\n')
    mirror.on("/manifests/", status(404))
    with pytest.raises(NotAtRegistry):
        make_client().manifest(reference(registry.host))
    assert registry.requests == []


def test_a_blocked_registry_is_not_asked(two, configure, make_client):
    registry, _ = two
    configure(f'[[registry]]\nprefix = "{registry.host}"\nblocked = true\n')
    with pytest.raises(UsageError, match="is blocked on this machine"):
        make_client().manifest(reference(registry.host))
    assert registry.requests == []


def test_tags_come_from_where_tags_may_come_from(two, configure, make_client, layout, tmp_path):
    registry, mirror = two
    configure(
        f'[[registry]]\nprefix = "{registry.host}"\n[[registry.mirror]]\nlocation = "{mirror.host}/copy"\n'
        'pull-from-mirror = "digest-only"\n'
    )
    client = make_client()
    client.manifest(reference(registry.host))
    assert mirror.requests == []
    fetch(client, registry, layout, tmp_path)
    assert (len(mirror.asked("/blobs/")), registry.asked("/blobs/")) == (1, [])


def test_an_insecure_registry_by_name_or_with_a_foreign_certificate(tls_faulty, layout, configure, make_client):
    tls_faulty.add(layout)
    configure(f'[[registry]]\nlocation = "{tls_faulty.host}"\ninsecure = true\n')
    assert make_client().manifest(reference(tls_faulty.host)).content


@pytest.fixture
def hosts(tmp_path):
    def write(domain, text):
        file = tmp_path / f"home/.config/containerd/certs.d/{domain}/hosts.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    return write


def test_hosts_are_told_whose_images_they_are_asked_for(faulty, elsewhere, layout, hosts, make_client, tmp_path):
    faulty.add(layout)
    elsewhere.add(layout)
    hosts(faulty.host, f'server = "{faulty.url}"\n[host."{elsewhere.url}"]\n[host."{elsewhere.url}".header]\nx-key = "k"\n')
    client = make_client()
    client.manifest(reference(faulty.host))
    fetch(client, faulty, layout, tmp_path)
    assert [one.path.partition("?")[2] for one in elsewhere.requests] == [f"ns={faulty.host.replace(':', '%3A')}"] * 2
    assert {one.headers["x-key"] for one in elsewhere.requests} == {"k"}
    elsewhere.on("/", status(500))
    make_client().manifest(reference(faulty.host))
    assert [(one.path, one.headers.get("x-key")) for one in faulty.requests] == [("/v2/x/manifests/1", None)]


def test_headers_and_credentials_stay_with_their_origin(faulty, elsewhere, layout, hosts, make_client, tmp_path):
    from tests.peers.faulty import redirect

    faulty.add(layout)
    elsewhere.add(layout)
    hosts(faulty.host, f'server = "{faulty.url}"\n[header]\nx-key = "k"\n')
    faulty.on("/blobs/", redirect(elsewhere.url + "{path}"))
    assert fetch(make_client(), faulty, layout, tmp_path) == BIG
    assert faulty.requests[0].headers["x-key"] == "k"
    assert "x-key" not in elsewhere.requests[0].headers


def test_another_root_of_the_names(faulty, layout, hosts, make_client):
    faulty.add(layout)
    asked = []
    right = faulty.answer

    def answer(one):
        asked.append(one.path)
        one.path = one.path.replace("/registry/api", "/v2")
        return right(one)

    faulty.answer = answer
    hosts("lab.test", f'server = "{faulty.url}/registry/api"\noverride_path = true\n')
    make_client().manifest(reference("lab.test"))
    assert asked == ["/registry/api/x/manifests/1?ns=lab.test"]


def test_hosts_with_tls_of_their_own(tls_faulty, layout, hosts, make_client):
    tls_faulty.add(layout)
    for text in (f'ca = "{tls_faulty.authority}"', "skip_verify = true"):
        hosts("lab.test", f'server = "{tls_faulty.url}"\n{text}\n')
        assert make_client().manifest(reference("lab.test")).content


def test_sha512_and_stalls_over_mirrors(mirrored, layout, make_client, tmp_path):
    from sampan.registry.pacing import Limits

    registry, mirror, _ = mirrored
    content = b"x" * 1000
    digest = Digest("sha512", hashlib.sha512(content).hexdigest())
    registry.blobs[str(digest)] = (content, "x")
    mirror.blobs[str(digest)] = (content, "x")
    mirror.on("/blobs/", stall(10, 1.0))
    client = make_client(limits=Limits(connect=5, silence=0.2))
    assert client.small_blob(reference(registry.host), Descriptor("x", digest, 1000)) == content


def test_ipv6_mirrors(faulty, layout, configure, make_client):
    faulty.add(layout)
    try:
        server = Faulty("::1")
    except OSError as error:
        pytest.skip(f"no IPv6 loopback: {error}")
    with server:
        server.add(layout)
        configure(f'[[registry]]\nprefix = "{faulty.host}"\n[[registry.mirror]]\nlocation = "{server.host}"\n')
        make_client().manifest(reference(faulty.host))
        assert (len(server.asked("/manifests/")), faulty.requests) == (1, [])
