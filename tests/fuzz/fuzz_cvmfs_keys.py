"""Invariant: whatever is said to be a key or a certificate, it is one of a size that repositories have, or refused by a sentence; no signature fits by chance."""

from __future__ import annotations

import base64

from sampan.cvmfs.gateway import Key
from sampan.cvmfs.keys import Certificate, PrivateKey, PublicKey
from sampan.errors import RepositoryError, UsageError

NUMBER = bytes.fromhex("02820101") + b"\0\xc5" + bytes(range(255)) + bytes.fromhex("0203010001")
RSA = bytes.fromhex("3082010a") + NUMBER
SPKI = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f00") + RSA
PARTS = b"\xa0\x03\x02\x01\x02\x02\x01\x07" + b"\x30\x00" * 4 + SPKI
CERTIFICATE = b"\x30\x82" + (len(PARTS) + 4).to_bytes(2, "big") + b"\x30\x82" + len(PARTS).to_bytes(2, "big") + PARTS
PRIVATE = b"\x30\x82\x01\x10\x02\x01\0" + NUMBER + b"\x02\x01\x05"
SEEDS = [SPKI, RSA, CERTIFICATE, PRIVATE, b"plain_text id secret"]


def pem(label: str, data: bytes) -> bytes:
    return f"-----BEGIN {label}-----\n".encode() + base64.encodebytes(data) + f"-----END {label}-----\n".encode()


def test_one(data: bytes) -> None:
    for label, load in (
        ("PUBLIC KEY", PublicKey.load),
        ("RSA PUBLIC KEY", PublicKey.load),
        ("CERTIFICATE", lambda text: Certificate.load(text).key),
        ("RSA PRIVATE KEY", lambda text: PrivateKey.load(text, "k").public),
        ("PRIVATE KEY", lambda text: PrivateKey.load(text, "k").public),
    ):
        try:
            key = load(pem(label, data))
        except RepositoryError as error:
            assert error.sentence.isprintable()
        else:
            assert 128 <= key.length <= 2048
            assert not key.verifies_raw(data, b"x" * 40)
        try:
            load(data)
        except (RepositoryError, UsageError) as error:
            assert error.sentence.isprintable()
    try:
        assert Key.parse(data, "k").signature(data).isascii()
    except UsageError as error:
        assert error.sentence.isprintable()
