"""RSA keys and certificates of repositories: verify and sign with nothing but `pow`.

Signing needs no library either, so that a publisher runs where OpenSSL's policy forbids SHA-1 signatures, which the format demands for the
manifest. Making new keys is the one thing that needs `cryptography` (newkeys.py).

Two kinds of signature, both over the text of a hash: the manifest's is PKCS#1 v1.5 with SHA-1, the whitelist's has the text itself in
the padding. A signature is verified by making the whole padded block anew and comparing; nothing is parsed out of what was signed.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
from typing import NamedTuple

from sampan.cvmfs import der
from sampan.cvmfs.hashing import Hash
from sampan.errors import HostError, RepositoryError, UsageError

_SHA1_INFO = bytes.fromhex("3021300906052b0e03021a05000414")
_MIN_BITS, _MAX_BITS, _MAX_EXPONENT = 1024, 16384, 1 << 32
_PADDING = 11
"""Bytes of the block that are not the message, at least."""
_HINT_KEYS = "the directory must hold FQRN.pub, and to publish FQRN.key and FQRN.crt; `sampan repo init` makes them"


def _block(message: bytes, length: int) -> bytes:
    return b"\0\1" + b"\xff" * (length - 3 - len(message)) + b"\0" + message


def _info(text: bytes) -> bytes:
    return _SHA1_INFO + hashlib.sha1(text, usedforsecurity=False).digest()


class PublicKey(NamedTuple):
    """An RSA public key."""

    modulus: int
    exponent: int

    @property
    def length(self) -> int:
        """Bytes of a signature."""
        return (self.modulus.bit_length() + 7) // 8

    @classmethod
    def checked(cls, modulus: int, exponent: int) -> PublicKey:
        """Raises `RepositoryError` for a key of a size that no repository has."""
        if not _MIN_BITS <= modulus.bit_length() <= _MAX_BITS or not 1 < exponent < _MAX_EXPONENT:
            raise RepositoryError(f"an RSA key of {modulus.bit_length()} bits is not one that repositories are signed with")
        return cls(modulus, exponent)

    @classmethod
    def load(cls, pem: bytes) -> PublicKey:
        """From a PEM file, as `FQRN.pub`. Raises `RepositoryError`."""
        for label, data in der.pem_blocks(pem):
            content, _ = der.element(data, der.SEQUENCE)
            if label == "PUBLIC KEY":
                return cls.checked(*der.rsa_public(content))
            if label == "RSA PUBLIC KEY":
                modulus, exponent = der.integers(content, 2)
                return cls.checked(modulus, exponent)
        raise RepositoryError("a file of a public key has no PEM block with one")

    def _opens(self, signature: bytes, message: bytes) -> bool:
        if len(signature) != self.length or len(message) > self.length - _PADDING:
            return False
        opened = pow(int.from_bytes(signature, "big"), self.exponent, self.modulus)
        return opened.to_bytes(self.length, "big") == _block(message, self.length)

    def verifies(self, signature: bytes, text: bytes) -> bool:
        """Whether this is the key's PKCS#1 v1.5 signature with SHA-1 of `text`, as manifests have it."""
        return self._opens(signature, _info(text))

    def verifies_raw(self, signature: bytes, text: bytes) -> bool:
        """Whether this is the key's signature with `text` itself in the padding, as whitelists have it."""
        return self._opens(signature, text)


class PrivateKey(NamedTuple):
    """An RSA private key; never shown."""

    public: PublicKey
    secret: int

    def __repr__(self) -> str:
        return "PrivateKey(...)"

    @classmethod
    def load(cls, pem: bytes, name: str) -> PrivateKey:
        """From a PEM file without a passphrase. Raises `UsageError`, `RepositoryError`."""
        for label, data in der.pem_blocks(pem):
            if label in ("PRIVATE KEY", "RSA PRIVATE KEY"):
                modulus, exponent, secret = der.rsa_private(label, data)
                return cls(PublicKey.checked(modulus, exponent), secret)
            if label == "ENCRYPTED PRIVATE KEY":
                break
        else:
            raise UsageError(f"{name} holds no RSA private key in PEM form", _HINT_KEYS)
        raise UsageError(
            f"{name} is protected by a passphrase, which sampan does not ask for", "openssl rsa -in KEY -out KEY.plain"
        )

    def _close(self, message: bytes) -> bytes:
        """The secret operation on a random multiple of the block, so that its duration tells nothing; the result is verified."""
        modulus = self.public.modulus
        block = int.from_bytes(_block(message, self.public.length), "big")
        blind = secrets.randbelow(modulus - 2) + 2
        while math.gcd(blind, modulus) != 1:
            blind = secrets.randbelow(modulus - 2) + 2
        blinded = block * pow(blind, self.public.exponent, modulus) % modulus
        signed = pow(blinded, self.secret, modulus) * pow(blind, -1, modulus) % modulus
        if pow(signed, self.public.exponent, modulus) != block:
            raise UsageError("a private key's numbers do not belong together, so it cannot sign", _HINT_KEYS)
        return signed.to_bytes(self.public.length, "big")

    def sign(self, text: bytes) -> bytes:
        """PKCS#1 v1.5 with SHA-1, for manifests."""
        return self._close(_info(text))

    def sign_raw(self, text: bytes) -> bytes:
        """The text itself in the padding, for whitelists."""
        return self._close(text)


class Certificate(NamedTuple):
    """A certificate: its PEM text, which is the stored object, its DER bytes, and its key."""

    pem: bytes
    der: bytes
    key: PublicKey

    @classmethod
    def load(cls, pem: bytes) -> Certificate:
        """Raises `RepositoryError`."""
        for label, data in der.pem_blocks(pem):
            if label == "CERTIFICATE":
                return cls(pem, data, PublicKey.checked(*der.certificate_key(data)))
        raise RepositoryError("the certificate of a repository is no PEM file with one")

    def fingerprint(self, algorithm: str) -> str:
        """As whitelists have it: `AB:CD:...`, with the algorithm behind it unless it is SHA-1."""
        digits, _, name = Hash.of(self.der, algorithm).text.upper().partition("-")
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)) + (f"-{name}" if name else "")


class Signer(NamedTuple):
    """What a publisher of a repository holds. `master` is needed for whitelists alone and may lie elsewhere."""

    fqrn: str
    key: PrivateKey
    certificate: Certificate
    public: PublicKey
    master: PrivateKey | None = None

    @classmethod
    def load(cls, directory: str, fqrn: str) -> Signer:
        """FQRN.key, FQRN.crt, FQRN.pub and, if it is there, FQRN.masterkey. Raises `UsageError`, `HostError`, `RepositoryError`."""
        base = f"{directory}/{fqrn}"
        key = PrivateKey.load(_needed(f"{base}.key"), f"{base}.key")
        certificate = Certificate.load(_needed(f"{base}.crt"))
        if certificate.key != key.public:
            raise UsageError(f"{base}.crt is not the certificate of {base}.key", "the two are made together")
        public = PublicKey.load(_needed(f"{base}.pub"))
        master = read_small(f"{base}.masterkey")
        master_key = None if master is None else PrivateKey.load(master, f"{base}.masterkey")
        if master_key is not None and master_key.public != public:
            raise UsageError(f"{base}.pub is not the public key of {base}.masterkey", "the two are made together")
        return cls(fqrn, key, certificate, public, master_key)


def read_small(path: str) -> bytes | None:
    """The bytes of a key file; `None` if there is none. Raises `HostError`."""
    try:
        with open(path, "rb", buffering=0) as stream:
            return stream.read(der.MAX_BYTES + 1) or b""
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error


def _needed(path: str) -> bytes:
    found = read_small(path)
    if found is None:
        raise UsageError(f"there is no {path}", _HINT_KEYS)
    return found


def public_keys(place: str, fqrn: str) -> tuple[PublicKey, ...]:
    """The master keys that may sign the whitelist: a file, or in a directory FQRN.pub, else every `.pub` that is there.

    The official client looks at all keys of its directory too. Raises `UsageError`, `HostError`, `RepositoryError`.
    """
    if not os.path.isdir(place):
        return (PublicKey.load(_needed(place)),)
    own = read_small(f"{place}/{fqrn}.pub")
    if own is not None:
        return (PublicKey.load(own),)
    names = sorted(name for name in os.listdir(place) if name.endswith(".pub"))
    if not names:
        raise UsageError(f"{place} has no key of {fqrn}: neither {fqrn}.pub nor any other .pub file", "ask its operators for it")
    return tuple(PublicKey.load(_needed(f"{place}/{name}")) for name in names)
