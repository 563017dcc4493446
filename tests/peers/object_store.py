"""moto as an object store on loopback, in a virtual environment of its own, with signatures checked: who signs wrongly is refused."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.peers.docker_registry import free_port

BUCKET = "data"
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
# Calls that nobody has to sign: making the user, its policy and its key.
UNSIGNED = 3


@dataclass(frozen=True)
class ObjectStore:
    """Where it listens, and a key that it takes."""

    url: str
    access: str
    secret: str


def program() -> Path | None:
    places = [Path(os.environ.get("SAMPAN_TEST_BASE", "/nonexistent")) / "venv-moto", Path("/opt/moto")]
    return next((place / "bin/moto_server" for place in places if (place / "bin/moto_server").exists()), None)


@pytest.fixture(scope="session")
def object_store(tmp_path_factory):
    server = program()
    if server is None:
        pytest.skip("moto is not installed: the set-up makes a virtual environment with moto[s3], flask and flask-cors")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"PATH": os.environ["PATH"], "INITIAL_NO_AUTH_ACTION_COUNT": str(UNSIGNED)}
    with (tmp_path_factory.mktemp("moto") / "log").open("wb") as log:
        process = subprocess.Popen(
            [server, "-H", "127.0.0.1", "-p", str(port)], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            _wait(url, process)
            yield ObjectStore(url, *_key(url))
        finally:
            process.terminate()
            process.wait(10)


def _wait(url: str, process: subprocess.Popen) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/moto-api/", timeout=2).close()
            return
        except urllib.error.HTTPError as error:
            error.close()
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("moto does not start")


def _key(url: str) -> tuple[str, str]:
    """A user that may do everything with objects, and its key."""
    _iam(url, Action="CreateUser", UserName="ana")
    _iam(url, Action="PutUserPolicy", UserName="ana", PolicyName="all", PolicyDocument=json.dumps(POLICY))
    answer = ET.fromstring(_iam(url, Action="CreateAccessKey", UserName="ana"))
    found = {element.tag.rpartition("}")[2]: element.text for element in answer.iter()}
    return found["AccessKeyId"], found["SecretAccessKey"]


def _iam(url: str, **fields: str) -> bytes:
    # The service is told by the scope of a signature that nobody checks yet.
    scope = "AWS4-HMAC-SHA256 Credential=none/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=none"
    body = urllib.parse.urlencode({**fields, "Version": "2010-05-08"}).encode()
    request = urllib.request.Request(url, body, {"Authorization": scope, "Host": "iam.amazonaws.com"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return answer.read()
