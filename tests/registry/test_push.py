"""Sending into a registry: sessions, chunks, breaks, mounts, other origins, subjects; and what is not taken."""

from __future__ import annotations

import hashlib
import json

import pytest

from sampan.errors import DigestMismatch, NotAtRegistry, ProtocolError, RemoteError, StoreError, Unauthorized, Unreachable
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, sha256_of
from sampan.oci.mediatypes import OCI_INDEX, OCI_MANIFEST
from sampan.oci.reference import Reference
from sampan.registry import upload
from tests.peers.faulty import header, lost, redirect, refused, status
from tests.peers.recorded import RecordedTask
from tests.registry.conftest import BIG, reference

pytestmark = pytest.mark.client
BLOB = Descriptor("x", sha256_of(BIG), len(BIG))
PIECE = 65536


def read(start):
    return (BIG[at : at + PIECE] for at in range(start, len(BIG), PIECE))


@pytest.fixture
def taking(faulty):
    faulty.uploads.begin_strict()
    return faulty


@pytest.fixture
def target(taking, client):
    return client.target(reference(taking.host))


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(upload, "CHUNK", 1_000_000)
    monkeypatch.setattr(upload, "SMALLEST_CHUNK", 100_000)


def methods(server):
    return [one.method for one in server.requests if "/v2/x/" in one.path]


def stored(server, digest=BLOB.digest):
    return server.blobs.get(str(digest), (None,))[0]


def test_all_in_one_request(taking, target):
    task = RecordedTask()
    assert not target.has_blob(BLOB.digest)
    target.send_blob(BLOB, read, task)
    assert stored(taking) == BIG
    assert target.has_blob(BLOB.digest)
    assert methods(taking) == ["HEAD", "POST", "PUT", "HEAD"]
    put = taking.asked("PUT ")[0]
    assert (put.headers["content-length"], put.headers["content-type"]) == (str(len(BIG)), "application/octet-stream")
    assert "content-range" not in put.headers
    assert "transfer-encoding" not in put.headers
    assert sum(task.amounts) == len(BIG)


@pytest.mark.parametrize("relative", [True, False])
def test_the_address_is_kept_with_its_query(taking, target, relative):
    taking.uploads.relative = relative
    target.send_blob(BLOB, read)
    assert "?state=a%2Fb&step=1&digest=sha256:" in taking.asked("PUT ")[0].path


def test_an_empty_blob_and_sha512(taking, target):
    empty = Descriptor("x", sha256_of(b""), 0)
    target.send_blob(empty, lambda _: ())
    assert stored(taking, empty.digest) == b""
    long = Descriptor("x", Digest("sha512", hashlib.sha512(BIG).hexdigest()), len(BIG))
    target.send_blob(long, read)
    assert stored(taking, long.digest) == BIG
    assert taking.asked("POST ")[1].path.endswith("?digest-algorithm=sha512")


def test_too_large_for_one_request_goes_in_chunks(taking, target, small_chunks, clock):
    taking.uploads.largest = 600_000
    task = RecordedTask()
    target.send_blob(BLOB, read, task)
    assert stored(taking) == BIG
    ranges = [one.headers["content-range"] for one in taking.asked("PATCH ")]
    assert ranges[:3] == ["0-999999", "0-499999", "500000-999999"]
    assert ranges[-1] == f"3000000-{len(BIG) - 1}"
    assert taking.asked("PUT ")[-1].body == b""
    assert (clock.waits, sum(task.amounts)) == ([], len(BIG))


def test_chunks_are_as_long_as_the_registry_wants_them(taking, target, small_chunks):
    taking.uploads.least, taking.uploads.largest = 1_500_000, 2_000_000
    target.send_blob(BLOB, read)
    assert [len(one.body) for one in taking.asked("PATCH ")] == [1_500_000, 1_500_000, 200_000]


def test_a_break_in_the_middle_is_continued(taking, target, small_chunks, clock):
    taking.uploads.cuts = [1_200_000, 700_000]
    task = RecordedTask()
    target.send_blob(BLOB, read, task)
    assert stored(taking) == BIG
    assert [one.headers["content-range"].split("-")[0] for one in taking.asked("PATCH ")][:2] == ["1200000", "1900000"]
    assert (len(taking.asked("POST ")), len(clock.waits)) == (1, 2)
    assert sum(task.amounts) == len(BIG)


def test_the_registry_may_have_got_less_or_more_than_was_sent(taking, target, small_chunks):
    """After 416 its own word counts."""
    taking.uploads.largest = 1_000_000

    def lie(asked, reply):
        session = next(iter(taking.uploads.sessions.values()))
        if len(session) > 500_000:
            del session[500_000:]  # lost behind our back

    taking.on("PATCH ", lie, times=1)
    target.send_blob(BLOB, read)
    assert stored(taking) == BIG


def test_a_lost_session_begins_anew(taking, target, small_chunks, clock):
    taking.uploads.largest = 1_000_000

    def lose(asked, reply):
        taking.uploads.sessions.clear()

    taking.on("PATCH ", lose, times=1)
    target.send_blob(BLOB, read)
    assert stored(taking) == BIG
    assert (len(taking.asked("POST ")), len(clock.waits)) == (2, 1)


def test_a_session_that_does_not_get_on_is_given_up(taking, target, small_chunks):
    taking.uploads.largest = 1_000_000

    def forget(asked, reply):
        next(iter(taking.uploads.sessions.values())).clear()
        status(416)(asked, reply)

    taking.on("PATCH ", forget)
    with pytest.raises(Unreachable, match=r"does not get on \(tried 5 times\)"):
        target.send_blob(BLOB, read)
    assert taking.uploads.sessions == {}
    assert len(taking.uploads.deleted) == 5


def test_a_lost_answer_to_the_last_request(taking, target):
    taking.on("PUT ", lost(504), times=1)
    target.send_blob(BLOB, read)
    assert stored(taking) == BIG
    assert len(taking.asked("POST ")) == 1


def test_faults_on_the_way_are_tried_again(taking, target, clock):
    taking.on("POST ", status(503, {"Retry-After": "1"}), times=2)
    taking.on("HEAD ", status(500), times=1)
    assert not target.has_blob(BLOB.digest)
    target.send_blob(BLOB, read)
    assert (stored(taking), len(clock.waits)) == (BIG, 3)


def test_uploads_elsewhere_get_no_credentials(taking, elsewhere, make_client, tmp_path):
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {taking.host: {"username": "ana", "password": "secret"}}}))
    taking.login = "basic"
    elsewhere.uploads.sessions = taking.uploads.sessions
    taking.uploads.elsewhere = elsewhere.uploads.elsewhere = elsewhere.url
    elsewhere.blobs = taking.blobs
    target = make_client(authfile=str(file)).target(reference(taking.host))
    target.send_blob(BLOB, read)
    assert stored(elsewhere) == BIG
    assert {one.authorization for one in elsewhere.requests} == {None}
    assert all(one.authorization for one in taking.requests if one.path != "/v2/")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("http://169.254.169.254/x", "an address for uploads that is not on the network"),
        ("ftp://x/y", "not a URL of the web"),
        (None, "does not say where blob"),
    ],
)
def test_addresses_that_are_not_sent_to(taking, target, location, words):
    taking.on("POST ", header("Location", location))
    with pytest.raises(ProtocolError, match=words):
        target.send_blob(BLOB, read)


def test_never_from_tls_to_plain_http(tls_faulty, elsewhere, make_client):
    tls_faulty.uploads.elsewhere = elsewhere.url
    with pytest.raises(ProtocolError, match="wants uploads over plain http") as caught:
        make_client(SSL_CERT_FILE=str(tls_faulty.authority)).target(reference(tls_faulty.host)).send_blob(BLOB, read)
    assert "X-Forwarded-Proto" in caught.value.hint
    assert elsewhere.requests == []


def test_redirects_of_what_is_sent_are_not_followed(taking, elsewhere, target):
    taking.on("POST ", redirect(elsewhere.url + "{path}"))
    with pytest.raises(RemoteError, match="does not take blob .*: 307"):
        target.send_blob(BLOB, read)
    assert elsewhere.requests == []


def test_a_blob_of_another_image_is_mounted(taking, client, target):
    other = client.target(reference(taking.host, "other/y:1"))
    other.send_blob(BLOB, read)
    assert target.mount(BLOB.digest, "other/y")
    assert target.has_blob(BLOB.digest)
    assert "mount=sha256:" in taking.asked("POST ")[-1].path
    assert taking.asked("POST ")[-1].path.endswith("&from=other/y")


def test_a_mount_that_becomes_a_session_is_no_mount(taking, client, target):
    client.target(reference(taking.host, "other/y:1")).send_blob(BLOB, read)
    taking.uploads.mounts = False
    assert not target.mount(BLOB.digest, "other/y")
    assert taking.uploads.sessions == {}


@pytest.mark.parametrize("action", [status(405), refused(403, "DENIED"), refused(404, "NAME_UNKNOWN"), status(500)])
def test_a_mount_that_fails_is_no_failure(taking, target, action):
    taking.on("mount=", action)
    assert not target.mount(BLOB.digest, "other/y")
    target.send_blob(BLOB, read)


def test_tokens_for_pushing_and_mounting(taking, make_client, tmp_path):
    taking.login = "bearer"
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {taking.host: {"username": "ana", "password": "secret"}}}))
    target = make_client(authfile=str(file)).target(reference(taking.host))
    target.send_blob(BLOB, read)
    target.mount(BLOB.digest, "other/y")
    scopes = [one.path.partition("scope=")[2].partition("&account")[0] for one in taking.asked("/token")]
    assert scopes == [
        "repository%3Ax%3Apull%2Cpush",
        "repository%3Ax%3Apull%2Cpush&scope=repository%3Aother%2Fy%3Apull",
    ]


def test_a_token_that_expires_while_a_blob_is_sent(taking, make_client, tmp_path, small_chunks):
    taking.login = "bearer"
    taking.uploads.largest = 1_000_000
    taking.on("PATCH ", lambda asked, reply: taking.valid.clear(), times=2)
    target = make_client().target(reference(taking.host))
    target.send_blob(BLOB, read)
    assert (stored(taking), len(taking.tokens)) == (BIG, 2)


@pytest.mark.parametrize(
    ("action", "error", "words"),
    [
        (refused(401, "UNAUTHORIZED"), Unauthorized, "does not say how to log in"),
        (refused(403, "DENIED", "no quota"), Unauthorized, r"you may not push to .*/x \(403\): no quota"),
        (refused(404, "NAME_UNKNOWN"), NotAtRegistry, r"has no place for .*/x \(404\)"),
        (refused(405, "UNSUPPORTED"), RemoteError, r"takes no uploads \(405\): it is read-only"),
        (refused(413, "SIZE_INVALID"), RemoteError, r"too large for it \(413\)"),
        (refused(507, "X", "full"), RemoteError, r"does not take blob .*: 507 X: full"),
    ],
)
def test_refusals_of_blobs(taking, target, clock, action, error, words):
    taking.on("POST ", action)
    with pytest.raises(error, match=words):
        target.send_blob(BLOB, read)
    assert clock.waits == []


def test_a_refusal_in_the_middle_deletes_the_session(taking, target):
    taking.on("PUT ", refused(400, "DIGEST_INVALID", "wrong"))
    with pytest.raises(RemoteError, match="does not take blob .* of .*: 400 DIGEST_INVALID: wrong"):
        target.send_blob(BLOB, read)
    assert taking.uploads.deleted == ["0"]


def test_a_file_that_cannot_be_read_deletes_the_session(taking, target):
    def broken(start):
        yield BIG[:PIECE]
        raise StoreError("cannot read it")

    with pytest.raises(StoreError, match="cannot read it"):
        target.send_blob(BLOB, broken)
    assert len(taking.uploads.deleted) == 1


def test_stop_deletes_the_session_too(taking, client):
    target = client.target(reference(taking.host))

    def stopping(start):
        yield BIG[:PIECE]
        client.stop()
        yield BIG[PIECE : 2 * PIECE]

    with pytest.raises(Unreachable, match="the transfer was stopped"):
        target.send_blob(BLOB, stopping)
    assert len(taking.uploads.deleted) == 1


def image(server, **more):
    config = server.put(b"{}", "x")
    document = {
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [],
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2}, **more,
    }  # fmt: skip
    return json.dumps(document).encode()


def test_manifests_byte_for_byte(taking, target, client):
    content = image(taking)
    target.send_manifest("1", content, OCI_MANIFEST)
    assert client.manifest(reference(taking.host)).content == content
    digest = sha256_of(content)
    target.send_manifest(str(digest), content, OCI_MANIFEST)
    assert [one.headers["content-type"] for one in taking.asked("PUT ")] == [OCI_MANIFEST] * 2


def test_a_manifest_that_was_understood_differently(taking, target):
    taking.on("PUT ", header("Docker-Content-Digest", "sha256:" + "0" * 64))
    with pytest.raises(DigestMismatch, match="what the registry has stored"):
        target.send_manifest("1", image(taking), OCI_MANIFEST)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (refused(415, "MANIFEST_INVALID", "no OCI"), r"does not know the media type \(415\): no OCI"),
        (refused(400, "MANIFEST_INVALID", "bad"), "does not take the manifest 1 of .*: 400 MANIFEST_INVALID: bad"),
        (refused(400, "TAG_INVALID\x1b", "bad\x1b[2J"), r"does not take the manifest 1 of .*: 400: bad\\x1b\[2J"),
    ],
)
def test_refusals_of_manifests(taking, target, action, words):
    taking.on("PUT ", action)
    with pytest.raises(RemoteError, match=words) as caught:
        target.send_manifest("1", image(taking), OCI_MANIFEST)
    assert caught.value.sentence.isprintable()


def test_a_subject_is_noted_under_a_tag_where_the_registry_does_not(taking, target, client):
    subject = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "ab" * 32, "size": 7}
    content = image(taking, subject=subject, artifactType="text/sbom", annotations={"a": "b"})
    target.send_manifest("1", content, OCI_MANIFEST)
    target.send_manifest("1", content, OCI_MANIFEST)
    second = image(taking, subject=subject)
    target.send_manifest("2", second, OCI_MANIFEST)
    tagged = json.loads(client.manifest(reference(taking.host, f"x:sha256-{'ab' * 32}")).content)
    assert tagged["mediaType"] == OCI_INDEX
    assert [(one["digest"], one.get("artifactType"), one.get("annotations")) for one in tagged["manifests"]] == [
        (str(sha256_of(content)), "text/sbom", {"a": "b"}),
        (str(sha256_of(second)), "application/vnd.oci.image.config.v1+json", None),
    ]
    digest = Digest.parse(subject["digest"])
    found = client.referrers(Reference.parse(f"{taking.host}/x"), digest)
    assert [str(one.digest) for one in found] == [str(sha256_of(content)), str(sha256_of(second))]


def test_a_registry_that_notes_subjects_gets_no_tag(taking, target):
    taking.uploads.subjects = True
    subject = {"mediaType": OCI_MANIFEST, "digest": "sha256:" + "ab" * 32, "size": 7}
    target.send_manifest("1", image(taking, subject=subject), OCI_MANIFEST)
    assert list(taking.tags) == [("x", "1")]
