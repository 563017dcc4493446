"""Whitelists: signed by the master key, for some days."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sampan.cvmfs import whitelist
from sampan.cvmfs.hashing import CERTIFICATE
from sampan.cvmfs.keys import Certificate
from sampan.cvmfs.letter import hash_text, join
from sampan.cvmfs.reader import Repository
from sampan.cvmfs.release import Release
from sampan.cvmfs.scratch import scratch_directory
from sampan.cvmfs.trust import Rules
from sampan.cvmfs.whitelist import Whitelist
from sampan.errors import UsageError
from sampan.events import SILENT_NOTICE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.cvmfs.keys import Signer
    from sampan.cvmfs.objects import Store
    from sampan.events import Notice

DAYS = 30
_DAY = 86400
_MAX_DAYS = 36500


def put_whitelist(
    store: Store,
    signer: Signer,
    algorithm: str,
    certificates: Iterable[Certificate],
    *,
    days: int = DAYS,
    now: float | None = None,
) -> Whitelist:
    """Sign and write a whitelist for these certificates. Raises `UsageError` without the master key, `HostError`."""
    if signer.master is None:
        raise UsageError(
            f"the whitelist of {signer.fqrn} can only be signed with its master key",
            f"put {signer.fqrn}.masterkey beside the other keys",
        )
    if not 0 < days <= _MAX_DAYS:
        raise UsageError(f"a whitelist cannot be valid for {days} days", f"1 to {_MAX_DAYS}")
    issued = int(time.time() if now is None else now)
    prints = tuple(dict.fromkeys(one.fingerprint(algorithm) for one in certificates))
    made = Whitelist(issued, issued + days * _DAY, signer.fqrn, prints)
    signed = hash_text(made.text(), algorithm)
    store.put_root_file(whitelist.NAME, join(made.text(), signed, signer.master.sign_raw(signed)))
    return made


def resign(
    store: Store,
    signer: Signer,
    days: int = DAYS,
    *,
    wait: bool = False,
    notice: Notice = SILENT_NOTICE,
    now: float | None = None,
) -> Whitelist:
    """Renew the whitelist, and bring in a new certificate of the signer if there is one.

    An expired whitelist is renewed too, so the state is believed by the master key in the signer's hands, not by the old whitelist.
    Raises `RepositoryBusy`, `UsageError`, `RepositoryError`, `HostError`.
    """
    with store.lock("renews the whitelist", notice, wait=wait), scratch_directory() as scratch:
        base = Repository.open(store, (signer.public,), rules=Rules((), signer.fqrn, now=0))
        old = Certificate.load(base.contents.content(base.manifest.certificate, CERTIFICATE))
        algorithm = base.manifest.root.algorithm
        made = put_whitelist(store, signer, algorithm, (signer.certificate, old), days=days, now=now)
        if old.pem != signer.certificate.pem:
            Release.load(store, signer, scratch, now).publish()
            made = put_whitelist(store, signer, algorithm, (signer.certificate,), days=days, now=now)
    return made
