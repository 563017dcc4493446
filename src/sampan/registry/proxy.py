"""Proxies: which one the environment names for a URL, and when to go directly. Pure.

`https_proxy`, `http_proxy`, `all_proxy` and `no_proxy` in both cases, the lower one first (HTTP_PROXY is left alone in a
CGI program, where a request header could set it). NO_PROXY as curl and Go read it together: `*`, names with their
subdomains (a leading dot or `*.` is decoration), ports, addresses and networks. `urllib` knows neither ports nor networks.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sampan.errors import BadSetting, printable
from sampan.registry.addresses import is_loopback, port_of, split_url

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The URL of the proxy for `url`, `None` to go directly. Raises `BadSetting` for a proxy that is none.

    Loopback is always reached directly: the proxy's own loopback is another machine.
    """
    parts = split_url(url)
    host = parts.hostname or ""
    names = [f"{parts.scheme}_proxy", "all_proxy"]
    text = next((value for name in names for value in [_variable(environ, name)] if value), "")
    if not text or is_loopback(parts.netloc) or _is_exempt(host, port_of(parts), _variable(environ, "no_proxy")):
        return None
    proxy = text if "://" in text else f"http://{text}"
    try:
        found = urlsplit(proxy)
        usable = found.scheme in ("http", "https") and bool(found.hostname) and found.port != 0
    except ValueError:
        usable = False
    if not usable:
        shown = printable(proxy.rpartition("@")[2][:200])
        raise BadSetting(f"the proxy {shown!r} of the environment cannot be used", "http and https proxies are supported")
    return proxy


def _variable(environ: Mapping[str, str], name: str) -> str:
    upper = "" if name == "http_proxy" and "REQUEST_METHOD" in environ else environ.get(name.upper(), "")
    return environ.get(name) or upper


def _is_exempt(host: str, port: int, no_proxy: str) -> bool:
    import ipaddress

    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    for word in no_proxy.replace(",", " ").split():
        if word == "*":
            return True
        name, wanted_port = _split_port(word.lower())
        if wanted_port is not None and wanted_port != port:
            continue
        if address is None:
            plain = name.lstrip("*").lstrip(".").rstrip(".")
            if plain and (host == plain or host.endswith("." + plain)):
                return True
            continue
        try:
            if address in ipaddress.ip_network(name, strict=False):
                return True
        except ValueError:
            continue
    return False


def _split_port(word: str) -> tuple[str, int | None]:
    if word.startswith("["):
        name, _, rest = word[1:].partition("]")
        return name, int(rest[1:]) if rest[:1] == ":" and rest[1:].isdecimal() else None
    name, colon, port = word.rpartition(":")
    if colon and ":" not in name and port.isdecimal():
        return name, int(port)
    return word, None
