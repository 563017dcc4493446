"""Invariant: whatever a file of credentials holds, looking one up gives a credential or none, and at most one warning a key."""

from __future__ import annotations

import tempfile

from sampan.registry.credentials import Credentials
from tests.peers.recorded import RecordedNotice

SEEDS = [
    b'{"auths": {"q.io": {"auth": "bWU6cHc="}, "https://index.docker.io/v1/": {"username": "me", "password": "pw"}}}',
    b'{"auths": {"q.io/a/b": {"identitytoken": "t", "auth": "eDo="}}, "credHelpers": {"q.io": "pass"}, "credsStore": "desktop"}',
    b'{"q.io": {"auth": "bWU6cHcAAA==", "email": ""}}',
    b'{"auths": {"q.io": {"identitytoken": "t"}}, "credHelpers": {"https://q.io/v1/": "../x"}, "credsStore": ""}',
]


def test_one(data: bytes) -> None:
    notice = RecordedNotice()
    with tempfile.TemporaryDirectory() as home:
        with open(f"{home}/.dockercfg", "wb") as file:
            file.write(data)
        found = Credentials({"HOME": home, "XDG_RUNTIME_DIR": home, "PATH": home}, "", notice)
        credential = found.find("q.io", "a/b")
        found.hindrance("q.io")
    assert credential is None or (credential.user and credential.password) or credential.identity
    assert all(sentence.isprintable() for sentence in notice.warnings)
