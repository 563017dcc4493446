"""/etc/hosts and /etc/resolv.conf of a container. Pure; on the start-up path."""

from __future__ import annotations

from sampan.errors import UsageError

LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


def hosts(base: bytes, hostname: str | None, added: tuple[str, ...]) -> bytes:
    """The lines of `base` (the host's, or those of localhost), the own name, and those of `--add-host`. Raises `UsageError`."""
    lines = [f"127.0.1.1\t{hostname}\n"] if hostname else []
    for text in added:
        name, colon, address = text.partition(":")
        if not colon or not name or not address or any(character.isspace() for character in text):
            raise UsageError(f"--add-host {text!r} is not NAME:ADDRESS")
        # Docker's word for the machine itself; with the host's network that is here.
        lines.append(f"{'127.0.0.1' if address == 'host-gateway' else address}\t{name}\n")
    return base + "".join(lines).encode("utf-8", "surrogateescape")


def resolver(servers: tuple[str, ...], domains: tuple[str, ...]) -> bytes:
    """A resolv.conf(5) of these name servers and search domains. Raises `UsageError`."""
    for text in (*servers, *domains):
        if not text or any(character.isspace() for character in text):
            raise UsageError(f"--dns or --dns-search {text!r} is no address or domain")
    lines = [f"search {' '.join(domains)}\n"] if domains else []
    return ("".join(lines) + "".join(f"nameserver {server}\n" for server in servers)).encode("utf-8", "surrogateescape")
