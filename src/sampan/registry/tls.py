"""TLS: which authorities are trusted, what is special about single hosts, and what a failed handshake means in words.

`ssl` is imported when it is needed (5 ms): a registry on loopback has none.
"""

from __future__ import annotations

import os
import sys

from sampan.errors import BadSetting, printable
from sampan.values import changed, frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    import ssl
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


@frozen
class TlsRules:
    """What is special about TLS with one host: files of further authorities, own certificates (file, key), no verification.

    An own certificate without a key has it in the same file.
    """

    authorities: tuple[str, ...] = ()
    own: tuple[tuple[str, str], ...] = ()
    verify: bool = True

    def without_own(self) -> TlsRules:
        """The same, but nothing is shown of who we are."""
        return changed(self, own=())


USUAL = TlsRules()


def client_context(environ: Mapping[str, str], rules: TlsRules = USUAL) -> ssl.SSLContext:
    """Certificates verified against SSL_CERT_FILE and SSL_CERT_DIR if set, else the system's authorities; TLS 1.2 and up.

    The authorities of `rules` come in addition. Raises `BadSetting` for a file that cannot be used.
    """
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for certificate, key in rules.own:
        _load_own(context, certificate, key)
    if not rules.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    _load_authorities(context, environ)
    for file in rules.authorities:
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one
            raise BadSetting(f"cannot use the authority's certificate {file}: {_reason(error)}") from error
    return context


def _load_authorities(context: ssl.SSLContext, environ: Mapping[str, str]) -> None:
    import ssl

    file, directory = environ.get("SSL_CERT_FILE"), environ.get("SSL_CERT_DIR")
    if file or directory:
        try:
            context.load_verify_locations(file or None, directory or None)
        except OSError as error:
            raise BadSetting(f"cannot read the certificates of SSL_CERT_FILE={file or ''}: {_reason(error)}") from error
        return
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        context.set_default_verify_paths()
    if not paths.cafile:
        for candidate in _SYSTEM_FILES:
            if os.path.exists(candidate):
                context.load_verify_locations(candidate)
                break


def _load_own(context: ssl.SSLContext, certificate: str, key: str) -> None:
    def no_password() -> str:
        raise BadSetting(f"the key {key or certificate} is protected by a password, which sampan does not ask for")

    try:
        context.load_cert_chain(certificate, key or None, no_password)
    except OSError as error:
        files = f"{certificate} with the key {key}" if key else certificate
        raise BadSetting(f"cannot use the certificate {files}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
_EXPIRED, _NOT_YET, _WRONG_NAME, _WRONG_ADDRESS = 10, 9, 62, 64


def tls_fault(error: BaseException, host: str) -> tuple[str, str | None] | None:
    """A sentence and a hint for a handshake that failed; `None` if it was another failure, or the connection was cut."""
    if "ssl" not in sys.modules:
        return None
    import ssl

    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_fault(error, host)
    if not isinstance(error, ssl.SSLError) or isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return None
    reason = (error.reason or "").replace("_", " ").lower()
    if reason in ("wrong version number", "record layer failure", "http request", "packet length too long"):
        return (
            f"{host} does not speak TLS",
            "for a registry that has plain http only, add it to insecure_registries in the settings",
        )
    if "certificate required" in reason or "handshake failure" in reason:
        return (
            f"{host} does not speak TLS with us ({printable(reason)})",
            f"if it wants a certificate of yours, put it into ~/.config/containers/certs.d/{host}/ as client.cert and client.key",
        )
    return f"TLS with {host} failed: {printable(reason or str(error))}", None


def caused_by_certificate(error: BaseException) -> bool:
    """Whether TLS was spoken, but the certificate not accepted."""
    import ssl

    return isinstance(error.__cause__, ssl.SSLCertVerificationError)


def _certificate_fault(error: ssl.SSLCertVerificationError, host: str) -> tuple[str, str | None]:
    """A sentence and a hint for a certificate that was not accepted."""
    code = error.verify_code
    if code in _UNKNOWN_AUTHORITY:
        return (
            f"the certificate of {host} is signed by an authority that this machine does not know",
            f"if you trust it, put its authority into ~/.config/containers/certs.d/{host}/ca.crt, or name it in SSL_CERT_FILE",
        )
    if code in (_EXPIRED, _NOT_YET):
        state = "has expired" if code == _EXPIRED else "is not valid yet"
        return f"the certificate of {host} {state}", "check this machine's clock (`date`)"
    if code in (_WRONG_NAME, _WRONG_ADDRESS):
        return f"the certificate of {host} is for another name", None
    return f"the certificate of {host} was not accepted: {error.verify_message}", None
