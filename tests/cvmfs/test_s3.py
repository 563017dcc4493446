"""A repository in S3, against moto's server over HTTP."""

from __future__ import annotations

import io
import json
import threading
import time

import pytest

from sampan.cvmfs import gc, mirror, publish, tags
from sampan.cvmfs.check import check
from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.entry import directory, regular
from sampan.cvmfs.reader import Repository
from sampan.errors import HostError, NotInRepository, RepositoryBusy, SampanError, Unreachable
from sampan.events import SILENT_NOTICE

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
server = pytest.importorskip("moto.server", reason="moto is not installed")
from botocore.config import Config  # noqa: E402 - behind what skips

from sampan.cvmfs.s3 import LOCK, S3Store  # noqa: E402

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.filterwarnings("ignore::ResourceWarning")]


@pytest.fixture(scope="module")
def endpoint():
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield "http://{}:{}".format(*running.get_host_and_port())
    running.stop()


@pytest.fixture
def client(endpoint, request):
    made = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, connect_timeout=2, max_pool_connections=20),
    )  # fmt: skip
    made.create_bucket(Bucket="bucket")
    yield made
    for item in made.list_objects_v2(Bucket="bucket").get("Contents", ()):
        made.delete_object(Bucket="bucket", Key=item["Key"])
    made.close()


@pytest.fixture
def s3(client, signer):
    store = S3Store("bucket", "cvmfs/test.example.org", client=client)
    publish.create(store, signer)
    return store


def test_publish_read_check_collect_mirror(s3, signer, tmp_path):
    for content in (b"one", b"two"):
        with publish.begin(s3, signer) as publication:
            bodies = [publication.bodies.submit(io.BytesIO(content * n)) for n in range(1, 9)]
            publication.graft(b"/d", [(f"f{n}".encode(), regular(body.result())) for n, body in enumerate(bodies)])
            publication.commit({content.decode(): ""})
    repository = Repository.open(s3, (signer.public,))
    assert repository.manifest.revision == 3
    assert repository.read(repository.lookup(b"/d/f3")) == b"two" * 4
    assert check(repository, s3).faults == ()
    tags.remove_tag(s3, signer, "one")
    before = sum(1 for _ in s3.stored())
    done = gc.collect(s3, signer, keep_days=-1, grace=-60)
    assert done.objects > 3
    assert sum(1 for _ in s3.stored()) <= before - done.objects + 2
    assert check(Repository.open(s3, (signer.public,)), s3).faults == ()
    target = DirectoryStore(str(tmp_path / "replica"))
    target.prepare()
    mirror.mirror(s3, target, (signer.public,))
    assert check(Repository.open(target, (signer.public,)), target).faults == ()


def test_headers_for_caches(s3, client):
    manifest = client.head_object(Bucket="bucket", Key="cvmfs/test.example.org/.cvmfspublished")
    assert manifest["CacheControl"] == "max-age=60"
    one = next(s3.stored())
    assert (
        client.head_object(Bucket="bucket", Key=f"cvmfs/test.example.org/{one.hash.path(one.suffix)}")["CacheControl"]
        == "max-age=259200"
    )


def test_one_publisher_at_a_time(s3, signer, client, monkeypatch):
    import sampan.cvmfs.s3

    monkeypatch.setattr(sampan.cvmfs.s3, "_POLL", 0.05)
    with publish.begin(s3, signer) as publication:
        publication.put(b"/first", directory())
        with pytest.raises(
            RepositoryBusy,
            match=r"process \d+ on .*, which publishes, holds the lock of s3://bucket/cvmfs/test.example.org for another",
        ):
            publish.begin(s3, signer).__enter__()
        done = []

        def later() -> None:
            with publish.begin(s3, signer, wait=True) as second:
                second.put(b"/second", directory())
                done.append(second.commit().revision)

        thread = threading.Thread(target=later)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        publication.commit()
    thread.join()
    assert done == [3]
    with pytest.raises(NotInRepository):
        s3.get_root_file(LOCK)


@pytest.mark.parametrize("claim", [json.dumps({"holder": "the dead", "until": 1}).encode(), b"nonsense"])
def test_a_lock_whose_holder_died(s3, signer, claim):
    s3.put_root_file(LOCK, claim)
    with publish.begin(s3, signer) as publication:
        publication.put(b"/x", directory())
        assert publication.commit().revision == 2


def test_a_lock_is_renewed(s3, monkeypatch):
    import sampan.cvmfs.s3

    monkeypatch.setattr(sampan.cvmfs.s3, "_HELD", 0.3)
    with s3.lock("waits", SILENT_NOTICE):
        first = json.loads(s3.get_root_file(LOCK))["until"]
        time.sleep(0.5)
        assert json.loads(s3.get_root_file(LOCK))["until"] > first
        with pytest.raises(RepositoryBusy):
            s3.lock("waits", SILENT_NOTICE).__enter__()


def test_what_goes_wrong(s3, client, monkeypatch):
    with pytest.raises(NotInRepository, match=r"s3://none has no \.cvmfspublished"):
        S3Store("none", client=client).get_root_file(".cvmfspublished")
    nowhere = boto3.client(
        "s3", endpoint_url="http://127.0.0.1:1", aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1",
        config=Config(retries={"max_attempts": 1}, connect_timeout=2),
    )  # fmt: skip
    with pytest.raises(Unreachable, match="cannot reach the server of s3://bucket"):
        S3Store("bucket", client=nowhere).get_root_file(".cvmfspublished")
    nowhere.close()
    for code, sentence in (("AccessDenied", "refused"), ("QuotaExceeded", "failed"), ("SlowDown", "failed")):
        from botocore.exceptions import ClientError

        def denied(*_, code=code, **__):
            raise ClientError({"Error": {"Code": code}}, "PutObject")

        with monkeypatch.context() as patched:
            patched.setattr(client, "put_object", denied)
            with pytest.raises(SampanError, match=sentence):
                s3.put_root_file("x", b"")


def test_without_boto3(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(HostError, match="needs the Python package boto3") as caught:
        S3Store("bucket")
    assert "sampan[s3]" in caught.value.hint
