"""Hosts, origins and addresses: what is this machine itself, and where a registry may send us. Pure, but for the resolver.

Loopback decides two things: plain http is allowed there, and only a loopback registry may name a loopback token server.
For the first only the spelling counts, never the name service, which an attacker on the network can answer.
"""

from __future__ import annotations

import socket
from urllib.parse import SplitResult, urlsplit

from sampan.errors import ProtocolError, printable

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable
    from typing import Union

    Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_METADATA_NAMES = ("metadata", "metadata.google.internal", "instance-data")
_METADATA = ("100.100.100.200", "192.0.0.192", "fd00:ec2::254")
_OF_ADDRESSES = "0123456789abcdefABCDEF.:"
_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port. Raises `ProtocolError` for what is no http or https URL, or has credentials in it."""
    parts = split_url(url)
    return parts.scheme, parts.hostname or "", port_of(parts)


def split_url(url: str) -> SplitResult:
    """An absolute http or https URL, taken apart. Raises `ProtocolError`."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProtocolError(f"{printable(url[:200])!r} is not a URL: {error}") from error
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise ProtocolError(f"{printable(url[:200])!r} is not a URL of the web")
    if "@" in parts.netloc:
        raise ProtocolError(f"a URL at {printable(parts.hostname[:200])!r} has a user name in it")
    if any(not letter.isprintable() or letter == " " for letter in url):
        raise ProtocolError(f"{printable(url[:200])!r} has letters that no URL has")
    return parts


def port_of(parts: SplitResult) -> int:
    """The port, also where it is left out."""
    return parts.port or _PORTS[parts.scheme]


def is_loopback(host: str) -> bool:
    """Whether a `host[:port]` is this machine by its spelling alone."""
    name = host.partition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
    if name.lower() == "localhost":
        return True
    if not name or name.strip(_OF_ADDRESSES):
        return False
    parts = name.split(".")
    if len(parts) == 4 and all(part.isdigit() and len(part) < 4 and int(part) < 256 for part in parts):
        return parts[0] == "127"
    import ipaddress  # 2 ms, and most hosts have names

    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def addresses_of(name: str) -> list[Address]:
    """The addresses of a host by literal or name service; none if it has none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []
    import ipaddress

    return [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]


def check_realm(realm: str, registry: str, resolve: Callable[[str], list[Address]]) -> None:
    """Whether a token server may be asked, credentials included. Raises `ProtocolError` that says why not.

    The registry's word is not enough: it could make us send a password in the clear, or knock on services that only this
    machine or its cloud can reach. Another public host is legitimate (auth.docker.io for registry-1.docker.io).
    """
    parts = split_url(realm)
    if split_url(registry).scheme == "https" and parts.scheme != "https":
        shown = printable(f"{parts.scheme}://{parts.netloc}"[:200])
        raise ProtocolError(f"the registry wants the password sent without TLS, to {shown}")
    check_reach(realm, registry, resolve, "a token server")


def check_reach(url: str, registry: str, resolve: Callable[[str], list[Address]], what: str) -> None:
    """Whether we may be sent to `url` by a registry's word. Raises `ProtocolError` for what only this machine can reach.

    `what` is what the registry says is there, as in `a token server`.
    """
    parts, own = split_url(url), split_url(registry)
    shown = printable(f"{parts.scheme}://{parts.netloc}"[:200])
    name = (parts.hostname or "").rstrip(".")
    if name.lower() in _METADATA_NAMES:
        raise ProtocolError(f"the registry names {what} that only this machine's cloud can reach, {shown}")
    addresses = [_unmapped(address) for address in resolve(name)]
    if any(address.is_loopback for address in addresses) or is_loopback(parts.netloc):
        registry_is_local = is_loopback(own.netloc) or any(
            _unmapped(address).is_loopback for address in resolve(own.hostname or "")
        )
        if not registry_is_local:
            raise ProtocolError(f"the registry names {what} on this machine itself, {shown}")
    for address in addresses:
        if address.is_link_local or address.is_unspecified or address.is_multicast or str(address) in _METADATA:
            raise ProtocolError(f"the registry names {what} that is not on the network, {shown}")


def _unmapped(address: Address) -> Address:
    """An IPv4 address in IPv6 clothes as what it is."""
    return getattr(address, "ipv4_mapped", None) or address
