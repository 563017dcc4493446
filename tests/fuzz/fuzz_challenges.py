"""Invariant: whatever the headers, the challenges found have a token as scheme, survive printing, and reading them ends soon."""

from __future__ import annotations

from sampan.registry.challenge import parse_challenges

SEEDS = [
    b'Bearer realm="https://a/t",service="r",scope="repository:a/b:pull,push"',
    b'Negotiate YII/x+==, Basic realm="a \\"b\\"", Digest qop="auth", nonce=xyz',
    b'Basic realm="",, charset=UTF-8\nBearer realm = "x" , error="invalid_token"',
    b"Negotiate, NTLM",
]
TOKEN = set("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


def test_one(data: bytes) -> None:
    headers = data.decode("latin-1").split("\n")
    found = parse_challenges(headers)
    for challenge in found:
        assert challenge.scheme
        assert not set(challenge.scheme) - TOKEN
        assert all(name and not set(name) - TOKEN for name in challenge.parameters)
    assert parse_challenges([str(challenge) for challenge in found]) == found
