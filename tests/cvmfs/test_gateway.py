"""Publishing through a gateway, against a double of ours."""

from __future__ import annotations

import io
import os

import pytest

from sampan.cvmfs import gateway, publish
from sampan.cvmfs.check import check
from sampan.cvmfs.entry import directory, regular, symlink
from sampan.cvmfs.gateway import Gateway, Key
from sampan.cvmfs.reader import Repository
from sampan.errors import ProtocolError, RepositoryBusy, Unauthorized, Unreachable, UsageError
from sampan.events import SILENT_NOTICE
from sampan.registry.pacing import Limits
from sampan.registry.transport import Transport
from tests.peers.cvmfs_gateway import GatewayDouble

pytestmark = pytest.mark.client


@pytest.fixture
def double(store, signer):
    with publish.begin(store, signer) as publication:
        for name in (b"/a", b"/b", b"/c/d"):
            publication.put(name, directory())
        publication.commit()
    with GatewayDouble(store, signer) as running:
        yield running


@pytest.fixture
def transport():
    made = Transport(SILENT_NOTICE, {}, limits=Limits(connect=2, silence=10, tries=1))
    yield made
    made.close()


@pytest.fixture
def client(double, transport):
    return Gateway(double.url, Key("key1", "secret1"), transport)


def state(store, signer) -> Repository:
    repository = Repository.open(store, (signer.public,))
    assert check(repository, store).faults == ()
    return repository


def test_a_subtree_is_published(store, signer, client, double):
    content = os.urandom(200_000)
    for number in (1, 2):
        with gateway.begin(client, store, (signer.public,), b"/a") as publication:
            body = publication.bodies.submit(io.BytesIO(content + bytes((number,)))).result()
            publication.graft(
                b"/a/image", [(b"bin", directory()), (b"bin/x", regular(body, 0o755)), (b"l", symlink(b"bin/x"))], limit=2
            )
            publication.put(b"/a/link", symlink(b"image"))
            publication.put(b"/a/image/bin/later", regular(body))  # the catalog is changed again in the same publish
            done = publication.commit({f"v{number}": "by a gateway"})
        assert done.revision == 2 + number
        repository = state(store, signer)
        assert repository.manifest.revision == done.revision
        assert repository.read(repository.lookup(b"/a/image/bin/later")) == content + bytes((number,))
        assert [one.name for one in repository.listdir(b"/a/image")] == [b".cvmfscatalog", b"bin", b"l"]
    assert {tag.name for tag in repository.history} == {"trunk", "trunk-previous", "v1", "v2"}
    assert double.leases == {}
    assert double.calls.count("POST payloads") == 2


def test_two_jobs_with_leases_on_two_paths(store, signer, client):
    with (
        gateway.begin(client, store, (signer.public,), b"/a") as one,
        gateway.begin(client, store, (signer.public,), b"/c/d") as two,
    ):
        one.put(b"/a/x", directory())
        two.put(b"/c/d/y", directory())
        assert two.commit().revision == 3
        assert one.commit().revision == 4
    repository = state(store, signer)
    assert [path for path, _ in repository.walk()] == [b"", b"/a", b"/b", b"/c", b"/a/x", b"/c/d", b"/c/d/y"]


def test_a_path_that_is_busy(store, signer, client, double, monkeypatch):
    monkeypatch.setattr(gateway, "_POLL", 0.05)
    with gateway.begin(client, store, (signer.public,), b"/c"):
        for path in (b"/c", b"/c/d"):
            with pytest.raises(RepositoryBusy, match=r"somebody else publishes into test.example.org/c.*the lease ends in \d+s"):
                gateway.begin(client, store, (signer.public,), path).__enter__()
        for token, (path, key, _) in double.leases.items():
            double.leases[token] = (path, key, 0)  # its holder died long ago
        with gateway.begin(client, store, (signer.public,), b"/c/d", wait=5) as publication:
            publication.put(b"/c/d/z", directory())
            assert publication.commit().revision == 3
    assert double.leases == {}


def test_nothing_happens_without_a_commit(store, signer, client, double):
    with gateway.begin(client, store, (signer.public,), b"/a") as publication:
        publication.put(b"/a/x", directory())
    assert double.objects == 0
    assert double.leases == {}
    assert double.calls[-1] == "DELETE leases"
    with gateway.begin(client, store, (signer.public,), b"/a") as publication:
        assert publication.commit().revision == 2
    assert state(store, signer).manifest.revision == 2


def test_what_lies_outside_of_the_lease(store, signer, client):
    with gateway.begin(client, store, (signer.public,), b"/a") as publication:
        for path in (b"/b/x", b"/ab", b""):
            with pytest.raises(UsageError, match="does not lie below /a"):
                publication.put(path, directory())
        with pytest.raises(UsageError, match="does not lie below"):
            publication.graft(b"/b", [])
        publication.graft(b"/a", [(b"new", directory())])
        with pytest.raises(UsageError, match="one tag"):
            publication.commit({"x": "", "y": ""})
    with pytest.raises(UsageError, match="the directory that it is in is missing"):
        gateway.begin(client, store, (signer.public,), b"/none/x").__enter__()


def test_keys(store, signer, double, transport):
    double.keys["narrow"] = ("s", "/a")
    for key, path, reason in (
        (Key("key1", "wrong"), b"/a", "invalid_hmac"),
        (Key("no", "x"), b"/a", "invalid_key"),
        (Key("narrow", "s"), b"/b", "invalid_path"),
    ):
        with pytest.raises(Unauthorized, match=reason):
            gateway.begin(Gateway(double.url, key, transport), store, (signer.public,), path).__enter__()
    with gateway.begin(Gateway(double.url, Key("narrow", "s"), transport), store, (signer.public,), b"/a/sub"):
        pass
    assert Key.parse(b"plain_text id secret\n", "it") == Key("id", "secret")
    assert "secret" not in repr(Key("id", "secret")).replace("Key('id', ...)", "")
    for wrong in (b"", b"id secret", b"plain_text id", b"plain_text id \xff", b"x id secret"):
        with pytest.raises(UsageError, match="no key of a gateway"):
            Key.parse(wrong, "it")


@pytest.mark.parametrize(
    "answer", [b"", b"{", b"[]", b"{}", b'{"status": 1}', b'{"status": "ok"}', b'{"status": "ok", "session_token": "a/b"}']
)
def test_answers_that_are_none(store, signer, client, double, answer):
    double.answers["POST leases"] = answer
    with pytest.raises(ProtocolError, match="the gateway"):
        gateway.begin(client, store, (signer.public,), b"/a").__enter__()


def test_a_commit_that_is_refused_gives_the_lease_back(store, signer, client, double):
    with gateway.begin(client, store, (signer.public,), b"/a") as publication:
        publication.put(b"/a/x", directory())
        double.answers["POST payloads"] = b'{"status": "error", "reason": "worker_busy"}'
        with pytest.raises(ProtocolError, match="refused objects: worker_busy"):
            publication.commit()
    assert double.leases == {}
    assert state(store, signer).manifest.revision == 2


def test_a_gateway_that_is_not_there(store, signer, transport):
    nowhere = Gateway("http://127.0.0.1:1/api/v1", Key("key1", "secret1"), transport)
    with pytest.raises(Unreachable):
        gateway.begin(nowhere, store, (signer.public,), b"/a").__enter__()
