"""Whether a manifest may be believed: every rule between the master key and a root catalog's hash. Pure: bytes in, verdict out.

The master key signs the whitelist, which names the repository, an expiry and certificates; a certificate of them signs the manifest.
The certificate is an object named by the manifest, so its bytes are asked for in between.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from sampan.cvmfs import letter, manifest, whitelist
from sampan.cvmfs.keys import Certificate
from sampan.cvmfs.whitelist import Blacklist
from sampan.errors import RepositoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.cvmfs.hashing import Hash
    from sampan.cvmfs.keys import PublicKey
    from sampan.cvmfs.manifest import Manifest
    from sampan.cvmfs.whitelist import Whitelist

NO_BLACKLIST = Blacklist()


class Seen(NamedTuple):
    """What was believed last: an older state is refused from then on."""

    revision: int
    timestamp: int


class Rules(NamedTuple):
    """What a client believes before it asks: keys, the name it expects (`None`: whatever the master key signed), the time (seconds)."""

    keys: Sequence[PublicKey]
    fqrn: str | None = None
    blacklist: Blacklist = NO_BLACKLIST
    seen: Seen | None = None
    now: float | None = None

    def whitelist(self, data: bytes) -> Whitelist:
        """Raises `RepositoryError` unless the whitelist is signed, for this repository, and valid now."""
        parts = letter.split(data, "the whitelist")
        if not any(key.verifies_raw(parts.signature, parts.hash_text) for key in self.keys):
            raise RepositoryError("the whitelist is not signed by a known master key", "is the public key the repository's?")
        found = whitelist.parse(parts.text)
        if self.fqrn is not None and found.fqrn != self.fqrn:
            raise RepositoryError(f"the whitelist is that of {found.fqrn}, not of {self.fqrn}")
        if (time.time() if self.now is None else self.now) >= found.expires:
            raise RepositoryError(
                f"the whitelist of {found.fqrn} expired at {_shown(found.expires)}",
                "its operators renew it by `sampan repo resign` or `cvmfs_server resign`; or is the clock of this machine wrong?",
            )
        return found

    def manifest(self, data: bytes, allowed: Whitelist, fetch: Callable[[Hash], bytes]) -> tuple[Manifest, Certificate]:
        """Raises `RepositoryError` unless the manifest is signed by an allowed certificate, and no older than what was seen."""
        parts = letter.split(data, "the manifest")
        found = manifest.parse(parts.text)
        if found.fqrn != allowed.fqrn:
            raise RepositoryError(f"the manifest is that of {found.fqrn}, not of {allowed.fqrn}")
        certificate = Certificate.load(fetch(found.certificate))
        self._check_certificate(certificate, allowed)
        if not certificate.key.verifies(parts.signature, parts.hash_text):
            raise RepositoryError(f"the manifest of {found.fqrn} is not signed by the certificate that it names")
        if self.blacklist.blocks(found.fqrn, found.revision):
            raise RepositoryError(f"revision {found.revision} of {found.fqrn} is on the black list")
        if self.seen is not None and (found.timestamp < self.seen.timestamp or found.revision < self.seen.revision):
            raise RepositoryError(
                f"the manifest of {found.fqrn} is older than one seen before: revision {found.revision} of {_shown(found.timestamp)},"
                f" not {self.seen.revision} of {_shown(self.seen.timestamp)}",
                "a server is behind, or somebody gives out an old state",
            )
        return found, certificate

    def _check_certificate(self, certificate: Certificate, allowed: Whitelist) -> None:
        for stated in allowed.fingerprints:
            algorithm = stated.partition("-")[2].lower() or "sha1"
            if algorithm in ("sha1", "rmd160", "shake128") and certificate.fingerprint(algorithm) == stated:
                break
        else:
            raise RepositoryError(f"the certificate of {allowed.fqrn} is not on its whitelist")
        if self.blacklist.fingerprints and certificate.fingerprint("sha1") in self.blacklist.fingerprints:
            raise RepositoryError(f"the certificate of {allowed.fqrn} is on the black list")


def _shown(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(min(seconds, 1 << 37)))
