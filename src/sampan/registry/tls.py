"""TLS: which authorities are trusted, and what a failed handshake means in words."""

from __future__ import annotations

import os
import ssl
from typing import TYPE_CHECKING

from sampan.errors import BadSetting

if TYPE_CHECKING:
    from collections.abc import Mapping

# Where distributions keep their authorities. A Python that was built elsewhere (conda, a portable build) looks in places
# of its own and would trust nobody.
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def client_context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Certificates verified against SSL_CERT_FILE and SSL_CERT_DIR if set, else the system's authorities; TLS 1.2 and up.

    Raises `BadSetting` for an SSL_CERT_FILE that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    file, directory = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if file or directory:
        try:
            context.load_verify_locations(file or None, directory or None)
        except (OSError, ssl.SSLError) as error:
            raise BadSetting(f"cannot read the certificates of SSL_CERT_FILE={file or ''}: {error.strerror or error}") from error
        return context
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        context.set_default_verify_paths()
    if not paths.cafile:
        for candidate in _SYSTEM_FILES:
            if os.path.exists(candidate):
                context.load_verify_locations(candidate)
                break
    return context


_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
_EXPIRED, _NOT_YET, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64
_TRUST = "if you trust it, name its authority's file in SSL_CERT_FILE"


def certificate_fault(error: ssl.SSLCertVerificationError, host: str) -> tuple[str, str | None]:
    """A sentence and a hint for a certificate that was not accepted."""
    code = error.verify_code
    if code in _UNKNOWN_AUTHORITY:
        return f"the certificate of {host} is signed by an authority that this machine does not know", _TRUST
    if code in (_EXPIRED, _NOT_YET):
        state = "has expired" if code == _EXPIRED else "is not valid yet"
        return f"the certificate of {host} {state}", "check this machine's clock (`date`)"
    if code in (_WRONG_NAME, _WRONG_ADDRESS):
        return f"the certificate of {host} is for another name", None
    return f"the certificate of {host} was not accepted: {error.verify_message}", None
