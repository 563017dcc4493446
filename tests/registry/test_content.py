"""What comes is what was asked for: digests, sizes, types; and downloads that begin with something."""

from __future__ import annotations

import errno
import hashlib
import io

import pytest

from sampan.errors import DigestMismatch, NoSpace, ProtocolError, StoreError, UnsupportedContent
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, sha256_of
from sampan.oci.manifest import parse_manifest
from sampan.oci.mediatypes import ACCEPTED
from tests.peers.faulty import Reply, body, header, status
from tests.peers.recorded import RecordedTask
from tests.registry.conftest import BIG, big_layer, reference

pytestmark = pytest.mark.client


@pytest.fixture
def served(faulty, layout):
    faulty.add(layout)
    return faulty


def fetch(client, server, layout, file, task=None):
    client.fetch_blob(reference(server.host), big_layer(layout), file, task)
    file.seek(0)
    return file.read()


def flipped(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def test_what_is_asked_for(served, client, layout):
    client.manifest(reference(served.host))
    b"".join(client.blob(reference(served.host), big_layer(layout)))
    asked = served.asked("/manifests/")[0].headers
    assert asked["accept"] == ", ".join(ACCEPTED)
    assert {one.headers["accept-encoding"] for one in served.requests} == {"identity"}
    assert {one.headers["user-agent"].partition("/")[0] for one in served.requests} == {"sampan"}


def test_a_tampered_layer_is_refused(served, client, layout):
    """D5: a pull that does not verify installs whatever comes."""
    served.on("/blobs/", body(flipped))
    file = io.BytesIO()
    with pytest.raises(DigestMismatch, match=r"blob sha256:.* does not match its digest"):
        fetch(client, served, layout, file)
    assert file.getvalue() == b""
    assert len(served.asked("/blobs/")) == 1


def test_a_tampered_manifest_is_refused(served, client):
    fetched = client.manifest(reference(served.host))
    served.on("/manifests/", body(lambda data: data + b" "))
    with pytest.raises(DigestMismatch, match=r"tag 1 of .* does not match"):
        client.manifest(reference(served.host))
    with pytest.raises(DigestMismatch, match=r"manifest sha256:.* does not match"):
        client.manifest(reference(served.host).with_digest(fetched.digest))


def test_a_registry_that_tells_no_digest_is_believed_by_the_bytes(served, client):
    right = client.manifest(reference(served.host))
    for value in (None, "junk", "md5:abc", "blake3:" + "0" * 64, "sha512:" + hashlib.sha512(right.content).hexdigest()):
        served.rules.clear()
        served.on("/manifests/", header("Docker-Content-Digest", value))
        assert client.manifest(reference(served.host)) == right


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_registry_that_tells_another_digest_is_not(served, client, algorithm):
    wrong = f"{algorithm}:{'0' * (64 if algorithm == 'sha256' else 128)}"
    served.on("/manifests/", header("Docker-Content-Digest", wrong))
    with pytest.raises(DigestMismatch):
        client.manifest(reference(served.host))


def test_sha512(served, client):
    content = b'{"schemaVersion": 2}'
    digest = Digest("sha512", hashlib.sha512(content).hexdigest())
    served.blobs[str(digest)] = (content, ACCEPTED[0])
    pinned = reference(served.host, f"x@{digest}")
    assert client.manifest(pinned).digest == digest
    served.blobs[str(digest)] = (content + b" ", ACCEPTED[0])
    with pytest.raises(DigestMismatch):
        client.manifest(pinned)
    found = client.small_blob(reference(served.host), Descriptor("x", Digest.parse(served.put(b"abc", "x")), 3))
    assert found == b"abc"


def test_an_algorithm_that_cannot_be_verified_is_refused_by_name(served, client, layout):
    digest = Digest.parse("blake3:" + "0" * 64)
    with pytest.raises(UnsupportedContent, match="blake3"):
        client.fetch_blob(reference(served.host), Descriptor("x", digest, 1), io.BytesIO())
    served.blobs[str(digest)] = (b"{}", ACCEPTED[0])
    with pytest.raises(UnsupportedContent, match="blake3"):
        client.manifest(reference(served.host, f"x@{digest}"))
    assert served.asked("/blobs/") == []


@pytest.mark.parametrize("content_type", ["text/html", "application/octet-stream", "application/json; charset=utf-8", None])
def test_a_wrong_content_type_does_not_matter(served, client, content_type):
    served.on("/manifests/", header("Content-Type", content_type))
    fetched = client.manifest(reference(served.host, "x:many"))
    assert parse_manifest(fetched.content, "x", content_type=fetched.media_type).media_type == ACCEPTED[0]


def test_a_huge_manifest_is_not_read_to_its_end(served, client):
    served.on("/manifests/", body(lambda _: b" " * (4 * 1024 * 1024 + 1)))
    with pytest.raises(ProtocolError, match="has more than 4194304 bytes"):
        client.manifest(reference(served.host))


@pytest.mark.parametrize(
    "action", [status(404), status(405), header("Docker-Content-Digest", None), header("Docker-Content-Digest", "x")]
)
def test_head_falls_back_to_get(served, client, action):
    right = client.manifest(reference(served.host))
    served.on("HEAD /", action)
    told = client.head_manifest(reference(served.host))
    assert (told.digest, told.size) == (right.digest, len(right.content))


def test_head_that_lies_about_a_digest(served, client):
    right = client.manifest(reference(served.host))
    served.on("HEAD /", header("Docker-Content-Digest", "sha256:" + "0" * 64))
    with pytest.raises(DigestMismatch):
        client.head_manifest(reference(served.host).with_digest(right.digest))


@pytest.mark.parametrize("change", [lambda data: data[:-100], lambda data: data + b"more"])
def test_a_blob_of_another_size_ends_at_once(served, client, layout, change):
    served.on("/blobs/", body(change))
    with pytest.raises(DigestMismatch, match=f"bytes at the registry instead of {len(BIG)}"):
        fetch(client, served, layout, io.BytesIO())
    assert len(served.asked("/blobs/")) == 1


def test_a_length_that_lies(served, client, layout):
    """Announced longer than it is, the body looks cut; announced right and longer, the rest is never read."""
    served.on("/blobs/", header("Content-Length", str(len(BIG) + 7)))
    with pytest.raises(DigestMismatch, match="instead of"):
        fetch(client, served, layout, io.BytesIO())


def test_a_body_without_length_that_does_not_end(served, client, layout):
    def endless(_, reply: Reply) -> None:
        reply.headers.pop("Content-Length")
        reply.headers["Connection"] = "close"
        reply.body += b"x" * 100_000
        reply.cut_at = len(reply.body)

    served.on("/blobs/", endless)
    with pytest.raises(DigestMismatch, match=f"longer than the {len(BIG)} bytes"):
        fetch(client, served, layout, io.BytesIO())


def test_a_body_without_length(served, client, layout):
    def unmeasured(_, reply: Reply) -> None:
        reply.headers.pop("Content-Length")
        reply.headers["Connection"] = "close"
        reply.cut_at = 1_000_000 if reply.status == 200 else len(reply.body)

    served.on("/blobs/", unmeasured)
    assert fetch(client, served, layout, io.BytesIO()) == BIG


@pytest.mark.parametrize("told", [True, False])
def test_a_page_instead_of_a_blob(served, client, layout, told):
    def page(_, reply: Reply) -> None:
        reply.body, reply.headers = b"<html>please log in</html>", {"Content-Type": "text/html", "Connection": "close"}
        reply.cut_at = len(reply.body)
        if told:
            reply.headers["Content-Length"] = str(len(reply.body))

    served.on("/blobs/", page)
    with pytest.raises(ProtocolError, match="answers with a web page instead of blob"):
        fetch(client, served, layout, io.BytesIO())


def test_what_was_kept_is_not_fetched_again(served, client, layout):
    task = RecordedTask()
    assert fetch(client, served, layout, io.BytesIO(BIG[:3_000_000]), task) == BIG
    assert [one.range for one in served.requests if one.range] == [f"bytes=3000000-{len(BIG) - 1}"]
    assert (task.amounts[0], sum(task.amounts)) == (3_000_000, len(BIG))


def test_a_whole_blob_is_only_verified(served, client, layout):
    assert fetch(client, served, layout, io.BytesIO(BIG)) == BIG
    assert served.asked("/blobs/") == []


@pytest.mark.parametrize("kept", [b"\0" * 100_000, BIG + b"x", flipped(BIG)], ids=["zeros", "longer", "tampered"])
def test_wrong_bytes_kept_from_before_are_replaced(served, client, layout, kept):
    task = RecordedTask()
    assert fetch(client, served, layout, io.BytesIO(kept), task) == BIG
    assert sum(task.amounts) == len(BIG)


def test_what_came_before_a_failure_stays(served, client, layout):
    def gone(_, reply: Reply) -> None:
        reply.cut_at = 500_000
        served.rules.append(served.rules.pop())
        served.rules[0].action = status(404)

    served.on("/blobs/", gone)
    file = io.BytesIO()
    with pytest.raises(Exception, match="the registry has no blob"):
        fetch(client, served, layout, file)
    assert file.getvalue() == BIG[:500_000]
    served.rules.clear()
    assert fetch(client, served, layout, file) == BIG


def test_small_blobs(served, client):
    digest = Digest.parse(served.put(b"{}", "x"))
    assert client.small_blob(reference(served.host), Descriptor("x", digest, 2)) == b"{}"
    with pytest.raises(ProtocolError, match="at most 1 are accepted"):
        client.small_blob(reference(served.host), Descriptor("x", digest, 2), limit=1)
    empty = Digest.parse(served.put(b"", "x"))
    assert client.small_blob(reference(served.host), Descriptor("x", empty, 0)) == b""


def test_content_inside_a_descriptor_is_verified_like_a_fetch(served, client):
    asked = len(served.requests)
    right = Descriptor("x", sha256_of(b"abc"), 3, data=b"abc")
    assert client.small_blob(reference(served.host), right) == b"abc"
    with pytest.raises(DigestMismatch):
        client.small_blob(reference(served.host), Descriptor("x", sha256_of(b"abc"), 3, data=b"abd"))
    assert [one for one in served.requests[asked:] if "/blobs/" in one.path] == []


@pytest.mark.parametrize(("code", "error"), [(errno.ENOSPC, NoSpace), (errno.EDQUOT, NoSpace), (errno.EIO, StoreError)])
def test_a_disk_that_does_not_take_it(served, client, layout, code, error):
    class Disk(io.BytesIO):
        def write(self, piece):
            if self.tell() > 1_000_000:
                raise OSError(code, "made up")
            return super().write(piece)

    with pytest.raises(error, match="made up"):
        fetch(client, served, layout, Disk())
