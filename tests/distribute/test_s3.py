"""Into a bucket of an S3 server (moto's), by the command."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time

import pytest

from tests.distribute.conftest import FQRN, Repo
from tests.distribute.test_publish import small

KEYS = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def bucket():
    """The address of an S3 server with a bucket `cvmfs`."""
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("moto")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = f"import sys; sys.argv = ['moto_server', '-H', '127.0.0.1', '-p', '{port}']; from moto.server import main; main()"
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="id", aws_secret_access_key="secret", region_name="us-east-1"
        )
        for left in range(100, -1, -1):
            try:
                client.create_bucket(Bucket="cvmfs")
                break
            except Exception:  # noqa: BLE001 - whatever it is, the server is not there yet
                assert left, "the S3 server does not start"
                time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(10)


def test_the_story_in_a_bucket(repo, faulty, bucket, tmp_path):
    faulty.add(small(tmp_path, {"1": b"one", "2": b"two"}))
    inside = Repo(repo.sampan, f"s3://cvmfs/{FQRN}")
    inside.sampan.variables.update(KEYS, AWS_ENDPOINT_URL=bucket)
    inside.good("init")
    assert inside.publish(f"{faulty.host}/x:1").status == 0
    done = inside.publish(f"{faulty.host}/x:*")
    assert done.status == 0, done.err
    assert "revision 3" in done.err
    assert "1 changed, 1 unchanged" in done.err
    assert inside.text(f"/{faulty.host}/x:2/etc/v") == b"two"
    assert "no new revision" in inside.publish(f"{faulty.host}/x:*").err
    assert inside.good("check").status == 0
    assert json.loads(inside.good("status", "--format", "json").text)["failing"] == 0
    inside.good("gc", "--keep", "0", "--grace", "0")
    assert inside.good("check").status == 0
    # The page lies beside the objects, where the web server of the bucket gives it out.
    import boto3

    client = boto3.client(
        "s3", endpoint_url=bucket, aws_access_key_id="id", aws_secret_access_key="secret", region_name="us-east-1"
    )
    assert b"x:2" in client.get_object(Bucket="cvmfs", Key=f"{FQRN}/status.html")["Body"].read()
    replica = Repo(repo.sampan, tmp_path / "replica" / FQRN)
    inside.sampan.good("repo", "mirror", inside.path, replica.path)
    assert replica.good("check").status == 0


def test_bad_input(repo, bucket):
    for words, variables, said in (
        ((f"s3://nobucket/{FQRN}",), {}, "nobucket"),
        ((f"s3://cvmfs/{FQRN}", "--endpoint", "http://127.0.0.1:9"), {}, "cannot reach the server"),
    ):
        done = repo.sampan("repo", "status", *words, **{**KEYS, "AWS_ENDPOINT_URL": bucket, "AWS_MAX_ATTEMPTS": "1", **variables})
        assert done.status == 125
        assert said in done.err
        assert "defect" not in done.err
