"""Digests: what may become a path, what can be verified, and streams that lie."""

from __future__ import annotations

import hashlib

import pytest

from sampan.errors import DigestMismatch, ProtocolError, UnsupportedContent
from sampan.oci.digest import Digest, Verifier, chain_ids, sha256_of, verify

pytestmark = pytest.mark.client

HEX = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    "text", [f"sha256:{HEX}", f"sha512:{HEX}{HEX}", f"blake3:{HEX}", "sha384:aA0=_-", "multihash+base58:QmRZxt2b1FVZPNqd8hsiykDL3TdBDeTSPX9Kv46HmX4Gx8"]
)  # fmt: skip
def test_well_formed_ones_pass(text):
    assert str(Digest.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", ":", "sha256", f"sha256:{HEX[:-1]}", f"sha256:{HEX}0", f"sha256:{HEX.upper()}", f"SHA256:{HEX}", f"sha512:{HEX}",
        f"blake3:{HEX}{HEX}", "sha256:../../../../etc/passwd", "md5:../x", "md5:a/b", "md5:", "+a:b", "a++b:c", "a+:c", "../x:y", "a:b\0",
        "a:b\n", "a:" + "b" * 300, "a:ä", f"sha256:{HEX[:-1]}\u0660",
    ],
)  # fmt: skip
def test_others_never_reach_a_path(text):
    with pytest.raises(ProtocolError, match="is not a digest"):
        Digest.parse(text)


def test_it_is_a_value():
    digest = Digest.parse(f"sha256:{HEX}")
    assert len({digest, Digest("sha256", HEX)}) == 1
    assert digest != str(digest)
    assert digest.short == "sha256:0123456789ab"
    with pytest.raises(AttributeError):
        digest.encoded = ""


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_stream_is_verified_piece_by_piece(algorithm):
    data = bytes(range(256)) * 100
    digest = Digest(algorithm, hashlib.new(algorithm, data).hexdigest())
    verifier = Verifier(digest, len(data), "the blob")
    for start in range(0, len(data), 1000):
        verifier.update(memoryview(data)[start : start + 1000])
    verifier.finish()
    verify(data, digest, None, "the blob")
    with pytest.raises(DigestMismatch, match="the blob does not match its digest"):
        verify(data[:-1] + b"x", digest, len(data), "the blob")
    with pytest.raises(DigestMismatch, match="has 25599 bytes instead of the 25600"):
        verify(data[:-1], digest, len(data), "the blob")


def test_a_stream_that_grows_too_long_is_stopped_at_once():
    verifier = Verifier(sha256_of(b"abc"), 3, "the blob")
    verifier.update(b"ab")
    with pytest.raises(DigestMismatch, match="longer than the 3 bytes"):
        verifier.update(b"cd")


@pytest.mark.parametrize("text", [f"blake3:{HEX}", "sha384:abc", "md5:abc", f"shake_128:{HEX}"])
def test_other_algorithms_are_refused_by_name(text):
    with pytest.raises(UnsupportedContent, match=text.partition(":")[0]):
        Verifier(Digest.parse(text), 1, "x")


def test_chain_ids():
    """ChainID(A) = A; ChainID(A|B|C) = digest of "ChainID(A|B) C" (image-spec, config.md)."""
    a, b, c = (sha256_of(name) for name in (b"a", b"b", b"c"))
    ab = sha256_of(f"{a} {b}".encode())
    assert chain_ids([a, b, c]) == (a, ab, sha256_of(f"{ab} {c}".encode()))
    assert chain_ids([]) == ()
