"""New keys for a repository: the only place that needs the library `cryptography`."""

from __future__ import annotations

import datetime as dt
import os

from sampan.errors import HostError, UsageError

_DAYS = 365
_BITS = 2048


def new_keys(directory: str, fqrn: str) -> None:
    """Make FQRN.masterkey, FQRN.pub, FQRN.key and FQRN.crt; the private ones are readable by their owner alone.

    Keys that exist are never replaced. Raises `UsageError`, `HostError`.
    """
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa
    except ImportError as error:
        raise HostError(
            "making the keys of a repository needs the Python package cryptography", "pip install 'sampan[publish]'"
        ) from error
    base = f"{directory}/{fqrn}"
    there = [f"{base}.{ending}" for ending in ("masterkey", "pub", "key", "crt") if os.path.lexists(f"{base}.{ending}")]
    if there:
        raise UsageError(f"cannot make keys of {fqrn}: {there[0]} exists", "remove the old keys, or use another directory")
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    master = rsa.generate_private_key(65537, _BITS)
    key = rsa.generate_private_key(65537, _BITS)
    public = master.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        _write(f"{base}.masterkey", master.private_bytes(*private), 0o400)
        _write(f"{base}.key", key.private_bytes(*private), 0o400)
        _write(f"{base}.crt", _certificate(key, fqrn), 0o444)
        _write(f"{base}.pub", public, 0o444)
    except OSError as error:
        raise HostError(f"cannot write keys below {directory}: {error.strerror}") from error


def new_certificate(directory: str, fqrn: str) -> None:
    """A fresh certificate for FQRN.key, beside which it lies. Raises `UsageError`, `HostError`."""
    try:
        from cryptography.hazmat.primitives import serialization
    except ImportError as error:
        raise HostError("making a certificate needs the Python package cryptography", "pip install 'sampan[publish]'") from error
    base = f"{directory}/{fqrn}"
    try:
        with open(f"{base}.key", "rb") as stream:
            key = serialization.load_pem_private_key(stream.read(), None)
        temporary = f"{base}.crt.{os.getpid()}"
        _write(temporary, _certificate(key, fqrn), 0o444)
        os.replace(temporary, f"{base}.crt")
    except OSError as error:
        raise HostError(f"cannot make a certificate of {base}.key: {error.strerror}") from error
    except (TypeError, ValueError) as error:
        raise UsageError(f"{base}.key is no private key without a passphrase") from error


def _certificate(key: object, fqrn: str) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    if not isinstance(key, rsa.RSAPrivateKey):
        raise UsageError(f"the key of {fqrn} is not an RSA key")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{fqrn} CernVM-FS Release Managers")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(_DAYS))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def _write(path: str, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
