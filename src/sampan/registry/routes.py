"""Routes: the places where an image may be asked for, in order, as registries.conf or hosts.toml have it.

registries.conf decides if it has a table for the image, else a hosts.toml for its registry, else the registry itself is the
only place. The last route is the one whose word counts: its refusals are the refusals, while a mirror that fails in any way
is passed over. Who does not want the registry itself asked writes another `location` or `server`: then it is no route.
"""

from __future__ import annotations

import os
import threading
from urllib.parse import urlsplit

from sampan.errors import BadSetting, UsageError, printable
from sampan.oci.reference import HUB, HUB_HOST, Reference
from sampan.registry import registries_conf
from sampan.registry.certificates import SYSTEM, configuration_directory
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.registry.hosts_toml import Host
    from sampan.registry.registries_conf import Entry, RegistriesConf
    from sampan.registry.tls import TlsRules

RESOLVE, PULL, PUSH = "resolve", "pull", "push"
"""What a route is for: from a tag to a digest, content by its digest, sending."""


@frozen
class Route:
    """One place: its host, the registry's name for credentials, and what the image is called there.

    `scheme` is empty where it has to be found out: plain http for loopback, or if `insecure`, where TLS is not verified
    either. `namespace` is what a mirror of several registries is told (`ns=`).
    """

    host: str
    domain: str
    path: str
    scheme: str = ""
    root: str = "/v2"
    insecure: bool = False
    is_mirror: bool = False
    namespace: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    tls: TlsRules | None = None


def own_route(reference: Reference, *, insecure: bool = False, is_mirror: bool = False) -> Route:
    """The registry that a reference names."""
    return Route(reference.host, reference.domain, reference.path, insecure=insecure, is_mirror=is_mirror)


class Routing:
    """The configuration of this user; read when it is first needed. For many threads."""

    def __init__(self, environ: Mapping[str, str], system: str = SYSTEM, *, hub: str = "") -> None:
        """`hub` is the address of a registry that stands for Docker Hub: HOST[:PORT], or a URL. Raises `BadSetting`."""
        self._environ = environ
        self._hub = _address(hub) if hub else None
        self._system = system
        self._lock = threading.Lock()
        self._conf: RegistriesConf | None = None
        self._hosts: dict[str, tuple[Host, ...]] = {}

    def conf(self) -> RegistriesConf:
        """registries.conf with its drop-ins. Raises `BadSetting`."""
        with self._lock:
            if self._conf is None:
                self._conf = registries_conf.load(self._environ, self._system)
            return self._conf

    def routes(self, reference: Reference, purpose: str) -> tuple[Route, ...]:
        """The places for an image, at least one. Raises `UsageError` for a blocked registry, `BadSetting`."""
        if self._hub is not None and reference.domain == HUB:
            return (self._in_place_of_hub(reference.path),)
        entry = self.conf().entry(str(reference))
        if entry is not None:
            return self._by_conf(entry, reference, purpose)
        hosts = self._hosts_of(reference.domain)
        found = tuple(_by_host(host, reference) for host in hosts if purpose in host.capabilities)
        if hosts and not found:
            raise UsageError(f"no host in {hosts[0].file} has the capability {purpose!r}")
        if purpose == PUSH:
            return found[:1] or (own_route(reference),)
        return found or (own_route(reference),)

    def registry(self, domain: str) -> Route:
        """A registry as a whole, for logging in and looking around: never a mirror. Raises as `routes`."""
        if self._hub is not None and domain == HUB:
            return self._in_place_of_hub("")
        host = HUB_HOST if domain == HUB else domain
        entry = self.conf().entry(domain)
        if entry is not None and entry.blocked:
            raise _blocked(entry, domain)
        tls = next((one.tls for one in self._hosts_of(domain) if urlsplit(one.url).netloc in ("", host)), None)
        return Route(host, domain, "", insecure=entry is not None and entry.insecure, tls=tls)

    def _in_place_of_hub(self, path: str) -> Route:
        scheme, host = self._hub or ("", "")
        return Route(host, host, path, scheme=scheme)

    def _by_conf(self, entry: Entry, reference: Reference, purpose: str) -> tuple[Route, ...]:
        if entry.blocked:
            raise _blocked(entry, reference.name)
        main = own_route(entry.moved(reference, entry.location), insecure=entry.insecure)
        if purpose == PUSH:
            return (main,)
        mirrors = [one for one in entry.mirrors if (one.by_digest if purpose == PULL else one.by_tag)]
        return (
            *(own_route(entry.moved(reference, one.location), insecure=one.insecure, is_mirror=True) for one in mirrors),
            main,
        )

    def _hosts_of(self, domain: str) -> tuple[Host, ...]:
        with self._lock:
            if domain not in self._hosts:
                bases = (configuration_directory(self._environ), self._system)
                if any(os.path.isdir(f"{base}/containerd/certs.d") for base in bases):
                    from sampan.registry import hosts_toml

                    self._hosts[domain] = hosts_toml.load(domain, self._environ, self._system)
                else:
                    self._hosts[domain] = ()
            return self._hosts[domain]


def _address(text: str) -> tuple[str, str]:
    """Scheme (or empty) and host of a registry's address. Raises `BadSetting`."""
    parts = urlsplit(text if "://" in text else f"//{text}")
    if not parts.netloc or parts.path.strip("/") not in ("", "v1", "v2") or parts.scheme not in ("", "http", "https"):
        raise BadSetting(f"{printable(text[:100])} is not the address of a registry", "write https://HOST[:PORT]")
    return parts.scheme, parts.netloc


def _by_host(host: Host, reference: Reference) -> Route:
    parts = urlsplit(host.url)
    is_own = parts.netloc in ("", reference.host)
    return Route(
        host=parts.netloc or reference.host,
        domain=reference.domain if is_own else parts.netloc,
        path=reference.path,
        scheme=parts.scheme,
        root=host.root,
        is_mirror=not is_own,
        namespace="" if is_own else reference.domain,
        headers=host.headers,
        tls=host.tls,
    )


def _blocked(entry: Entry, name: str) -> UsageError:
    return UsageError(f"{name} is blocked on this machine", f"see the entry {entry.prefix!r} in {entry.file}")
