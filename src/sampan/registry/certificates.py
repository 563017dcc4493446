"""certs.d: authorities and own certificates of single registries, as docker and podman keep them in files.

The first of these directories that exists counts: `~/.config/containers/certs.d/HOST[:PORT]`, the same below
`/etc/containers`, `/etc/docker` and `/etc/containerd`. In it `*.crt` are authorities, and `X.cert` with `X.key` is a
certificate that we show. What others cannot read is usually meant for root's Docker, so it is passed over.
"""

from __future__ import annotations

import os
import threading

from sampan.errors import BadSetting
from sampan.oci.reference import HUB, HUB_HOST
from sampan.registry.tls import USUAL, TlsRules

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.events import Notice

SYSTEM = "/etc"


def configuration_directory(environ: Mapping[str, str]) -> str:
    """Where the user's own configuration lies."""
    return environ.get("XDG_CONFIG_HOME") or f"{environ.get('HOME') or os.path.expanduser('~')}/.config"


class CertificateDirectories:
    """What the files say about each host; for many threads."""

    def __init__(self, environ: Mapping[str, str], notice: Notice, system: str = SYSTEM) -> None:
        self._notice = notice
        self._bases = (
            f"{configuration_directory(environ)}/containers/certs.d",
            *(f"{system}/{program}/certs.d" for program in ("containers", "docker", "containerd")),
        )
        self._lock = threading.Lock()
        self._known: dict[str, TlsRules] = {}

    def rules(self, host: str) -> TlsRules:
        """The rules for a `host[:port]`. Raises `BadSetting` for a certificate without its key."""
        with self._lock:
            if host not in self._known:
                self._known[host] = self._find(host)
            return self._known[host]

    def _find(self, host: str) -> TlsRules:
        for base in self._bases:
            for name in (HUB, host) if host == HUB_HOST else (host,):
                directory = f"{base}/{name}"
                try:
                    files = sorted(os.listdir(directory))
                except OSError:
                    continue
                return self._read(directory, files)
        return USUAL

    def _read(self, directory: str, files: list[str]) -> TlsRules:
        paths = [path for path in (f"{directory}/{file}" for file in files) if self._is_readable(path)]
        own = []
        for path in paths:
            if path.endswith(".cert"):
                key = path[: -len("cert")] + "key"
                if not os.path.exists(key):
                    raise BadSetting(f"the certificate {path} has no key {os.path.basename(key)} beside it")
                if key in paths:
                    own.append((path, key))
        return TlsRules(tuple(path for path in paths if path.endswith(".crt")), tuple(own))

    def _is_readable(self, path: str) -> bool:
        if os.access(path, os.R_OK):
            return True
        self._notice.debug(f"{path} cannot be read; it is left out")
        return False
