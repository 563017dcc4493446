"""As much of PEM and DER as RSA keys and certificates need, so that a node verifies repositories with nothing but Python. Pure.

Only the fields that are used are looked at. Nothing of a certificate but its key and its fingerprint matters: what makes it trusted is
the whitelist, which the master key signs, not its issuer or its dates.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from sampan.errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Iterator

SEQUENCE, INTEGER, BIT_STRING, OCTET_STRING, OBJECT_ID, VERSION = 0x30, 0x02, 0x03, 0x04, 0x06, 0xA0
RSA_ENCRYPTION = bytes.fromhex("2a864886f70d010101")
MAX_BYTES = 64 * 1024
_LONG = 0x80
_MAX_LENGTH_BYTES = 4


def pem_blocks(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Label and DER bytes of each block of a PEM file. Raises `RepositoryError`."""
    if len(text) > MAX_BYTES:
        raise RepositoryError(f"a key file of {len(text)} bytes is larger than the limit of {MAX_BYTES}")
    label = ""
    lines: list[bytes] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(b"-----BEGIN ") and line.endswith(b"-----"):
            label, lines = line[11:-5].decode("ascii", "replace"), []
        elif label and line == f"-----END {label}-----".encode():
            try:
                yield label, base64.b64decode(b"".join(lines), validate=True)
            except binascii.Error as error:
                raise RepositoryError("a PEM block is not base64") from error
            label = ""
        elif label:
            lines.append(line)


def element(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Content of the first element, which must have this tag, and what follows it. Raises `RepositoryError`."""
    if len(data) < 2 or data[0] != tag:
        raise RepositoryError("a key or certificate is not built as X.509 and PKCS say")
    length, at = data[1], 2
    if length & _LONG:
        count = length & ~_LONG
        if not 0 < count <= _MAX_LENGTH_BYTES or len(data) < 2 + count:
            raise RepositoryError("a key or certificate has an impossible length")
        length, at = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    if at + length > len(data):
        raise RepositoryError("a key or certificate is cut")
    return data[at : at + length], data[at + length :]


def integers(data: bytes, count: int) -> list[int]:
    """The first `count` integers of a sequence's content, none of them negative. Raises `RepositoryError`."""
    found = []
    for _ in range(count):
        number, data = element(data, INTEGER)
        value = int.from_bytes(number, "big", signed=True)
        if value < 0:
            raise RepositoryError("a key has a negative number")
        found.append(value)
    return found


def rsa_public(spki: bytes) -> tuple[int, int]:
    """Modulus and exponent in the content of a SubjectPublicKeyInfo. Raises `RepositoryError` for other kinds of keys."""
    algorithm, rest = element(spki, SEQUENCE)
    check_rsa(algorithm)
    bits, _ = element(rest, BIT_STRING)
    modulus, exponent = integers(element(bits[1:], SEQUENCE)[0], 2)
    return modulus, exponent


def check_rsa(algorithm: bytes) -> None:
    """Raises `RepositoryError` unless this is the AlgorithmIdentifier of RSA."""
    if element(algorithm, OBJECT_ID)[0] != RSA_ENCRYPTION:
        raise RepositoryError("a key is not an RSA key, and repositories are signed by those alone")


def certificate_key(der: bytes) -> tuple[int, int]:
    """Modulus and exponent of a certificate's key. Raises `RepositoryError`."""
    certificate, _ = element(der, SEQUENCE)
    rest, _ = element(certificate, SEQUENCE)
    if rest[:1] == bytes((VERSION,)):
        _, rest = element(rest, VERSION)
    _, rest = element(rest, INTEGER)
    for _ in ("signature algorithm", "issuer", "validity", "subject"):
        _, rest = element(rest, SEQUENCE)
    return rsa_public(element(rest, SEQUENCE)[0])


def rsa_private(label: str, der: bytes) -> tuple[int, int, int]:
    """Modulus, public and private exponent of a PEM block with a private key. Raises `RepositoryError`."""
    content, _ = element(der, SEQUENCE)
    _, rest = element(content, INTEGER)
    if label == "PRIVATE KEY":
        algorithm, rest = element(rest, SEQUENCE)
        check_rsa(algorithm)
        inner, _ = element(element(rest, OCTET_STRING)[0], SEQUENCE)
        _, rest = element(inner, INTEGER)
    modulus, exponent, secret = integers(rest, 3)
    return modulus, exponent, secret
