"""hosts.toml: how containerd reaches a registry (containerd, docs/hosts.md), read.

It lies in `~/.config/containerd/certs.d/HOST` or `/etc/containerd/certs.d/HOST`; a port is written `HOST:PORT` or
`HOST_PORT_`, and `_default` stands for every other host. The hosts are asked in the order of the file, `server` last; without
`server` the registry itself comes last, with the TLS settings at the top of the file.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from sampan.errors import BadSetting, ProtocolError, printable
from sampan.registry.addresses import split_url
from sampan.registry.certificates import SYSTEM, configuration_directory
from sampan.registry.tls import TlsRules
from sampan.registry.toml import flag_in, read_toml, table_in, text_in, texts_in
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.registry.toml import Table

CAPABILITIES = ("pull", "resolve", "push")
_ODD = frozenset("\r\n\0:")
_OURS = ("host", "connection", "content-length", "transfer-encoding", "accept-encoding", "range")


@frozen
class Host:
    """One host: where, what it may be asked for, and how. `url` is empty for the registry itself; `root` precedes names."""

    url: str
    root: str
    capabilities: tuple[str, ...]
    headers: tuple[tuple[str, str], ...]
    tls: TlsRules | None
    file: str


def load(domain: str, environ: Mapping[str, str], system: str = SYSTEM) -> tuple[Host, ...]:
    """The hosts for a registry, in the order in which they are asked; none if no file speaks of it. Raises `BadSetting`."""
    name, colon, port = domain.rpartition(":")
    spellings = [f"{name}_{port}_", domain] if colon and port.isdigit() else [domain]
    for base in (f"{configuration_directory(environ)}/containerd/certs.d", f"{system}/containerd/certs.d"):
        for spelling in (*spellings, "_default"):
            file = f"{base}/{spelling}/hosts.toml"
            document = read_toml(file)
            if document is not None:
                return _parse(document, file)
            if os.path.isdir(os.path.dirname(file)):
                break  # certificates alone (certificates.py); `_default` is for hosts that have nothing of their own
    return ()


def _parse(document: Table, file: str) -> tuple[Host, ...]:
    hosts = table_in(document, "host", file)
    found = [_host(url, table_in(hosts, url, file), file) for url in hosts]
    return (*found, _host(text_in(document, "server", file), document, file))


def _host(server: str, table: Table, file: str) -> Host:
    capabilities = tuple(text.lower() for text in texts_in(table, "capabilities", file)) or CAPABILITIES
    unknown = [text for text in capabilities if text not in CAPABILITIES]
    if unknown:
        raise BadSetting(f"{file} has the capability {printable(unknown[0][:60])!r}; there are {', '.join(CAPABILITIES)}")
    url, root = _place(server, file, overrides=flag_in(table, "override_path", file)) if server else ("", "/v2")
    return Host(url, root, capabilities, _headers(table_in(table, "header", file), file), _tls(table, file), file)


def _place(server: str, file: str, *, overrides: bool) -> tuple[str, str]:
    """The origin, and the path that names stand behind: `/v2` is added unless the path is the whole of it."""
    url = server if "://" in server else f"https://{server}"
    try:
        split_url(url)
    except ProtocolError as error:
        raise BadSetting(f"{file} names a host by {printable(server[:200])!r}: {error.sentence}") from error
    parts = urlsplit(url)
    root = "/".join(("", *(part for part in parts.path.split("/") if part)))
    if not overrides and not root.endswith("/v2"):
        root += "/v2"
    return f"{parts.scheme}://{parts.netloc}", root


def _headers(table: Table, file: str) -> tuple[tuple[str, str], ...]:
    """Several values of one header are joined by commas, as HTTP has it."""
    found = []
    for name in table:
        if name.lower() in _OURS:
            raise BadSetting(f"{file} sets the header {name}, which belongs to the request itself")
        if not name or not name.isascii() or not name.isprintable() or _ODD & set(name) or " " in name:
            raise BadSetting(f"{file} has {printable(name[:80])!r}, which is no name of a header")
        found.append((name, ", ".join(texts_in(table, name, file))))
    return tuple(found)


def _tls(table: Table, file: str) -> TlsRules | None:
    """The rules of the host; `None` if the file says nothing of TLS."""
    if not any(key in table for key in ("ca", "client", "skip_verify")):
        return None
    base = os.path.dirname(file)
    authorities = tuple(os.path.join(base, path) for path in texts_in(table, "ca", file))
    return TlsRules(authorities, _own(table.get("client", []), base, file), not flag_in(table, "skip_verify", file))


def _own(value: object, base: str, file: str) -> tuple[tuple[str, str], ...]:
    """`"both.pem"`, `["both.pem", ...]` or `[["certificate", "key"], ...]`."""
    entries = [value] if isinstance(value, str) else value
    found = []
    for entry in entries if isinstance(entries, list) else [None]:
        pair = [entry, ""] if isinstance(entry, str) else entry
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(path, str) for path in pair) or not pair[0]:
            raise BadSetting(f"{file}: 'client' must be a file, a list of files, or a list of pairs of certificate and key")
        found.append((os.path.join(base, pair[0]), os.path.join(base, pair[1]) if pair[1] else ""))
    return tuple(found)
