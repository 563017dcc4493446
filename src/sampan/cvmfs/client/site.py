"""What the machine's own CVMFS configuration says of a repository: `/etc/cvmfs`, as the official client reads it. Pure, but for files.

The files are shell assignments. They are read in the official order (default, domain, repository; each with its `.local`),
and nothing in them is executed: quotes are taken off, `$NAME` and `${NAME}` of earlier lines replaced.
"""

from __future__ import annotations

import os

from sampan.errors import BadSetting
from sampan.values import changed, frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTORY = "/etc/cvmfs"
DIRECT_SECONDS, PROXY_SECONDS = 10.0, 5.0
"""A server's and a proxy's time to answer where nothing else is said, as the official client has them."""
QUOTA = 4000
"""Megabytes of cache where nothing else is said, as the official client has it."""
_LINE = r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$"
_VARIABLE = r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))"
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_YES = ("yes", "on", "1", "true")


@frozen
class Sources:
    """Where a repository comes from: URLs of it, proxies by groups (`None`: directly), and seconds of patience."""

    urls: tuple[str, ...]
    proxies: tuple[tuple[str | None, ...], ...] = ((None,),)
    direct_seconds: float = DIRECT_SECONDS
    proxy_seconds: float = PROXY_SECONDS


@frozen
class Site:
    """Of one repository: servers, keys, cache; `tag` and `root` pin a state, `geo` says whether to ask for distances."""

    fqrn: str
    sources: Sources
    keys: tuple[str, ...] = ()
    """Files with public keys, or directories with them."""
    cache: str = ""
    quota: int = QUOTA
    """Megabytes; 0: no limit."""
    alien: str = ""
    """A cache that several users and nodes share, without a limit."""
    geo: bool = False
    tag: str = ""
    root: str = ""
    claim: bool = True
    """Whether files appear as the caller's."""
    refresh: bool = True
    """Whether new revisions are looked for."""

    def but(self, **fields: object) -> Site:
        """A copy with other fields."""
        return changed(self, **fields)


def check_fqrn(fqrn: str) -> str:
    """The name of a repository. Raises `BadSetting` for what can be none (it becomes part of paths)."""
    if not fqrn or not set(fqrn) <= _LETTERS or fqrn[0] in "._-" or ".." in fqrn:
        raise BadSetting(f"{fqrn!r} is not the name of a repository", "as in sw.example.org")
    return fqrn


def read_site(fqrn: str, directory: str = DIRECTORY) -> Site:
    """What the files below `directory` say; empty sources where there are none. Raises `BadSetting`."""
    check_fqrn(fqrn)
    values: dict[str, str] = {}
    for file in _files(fqrn, directory):
        _read(file, values)
    return from_values(fqrn, values)


def from_values(fqrn: str, values: Mapping[str, str]) -> Site:
    """The same from parameters by name. Raises `BadSetting`."""
    organisation, _, _ = fqrn.partition(".")
    text = values.get("CVMFS_SERVER_URL", "")
    text = text.replace("@fqrn@", fqrn).replace("@org@", organisation)
    urls = tuple(url.strip() for url in text.replace("|", ";").split(";") if url.strip())
    for url in urls:
        check_url(url)
    sources = Sources(
        urls,
        proxy_groups(values.get("CVMFS_HTTP_PROXY", "")),
        _number(values, "CVMFS_TIMEOUT_DIRECT", 10),
        _number(values, "CVMFS_TIMEOUT", 5),
    )
    keys = [key for key in values.get("CVMFS_PUBLIC_KEY", "").split(":") if key]
    directory = values.get("CVMFS_KEYS_DIR", "")
    return Site(
        fqrn, sources, tuple(keys or ([directory] if directory else _official_keys())),
        quota=int(_number(values, "CVMFS_QUOTA_LIMIT", QUOTA)) if values.get("CVMFS_QUOTA_LIMIT") != "-1" else 0,
        alien=values.get("CVMFS_ALIEN_CACHE", ""),
        geo=_is_yes(values, "CVMFS_USE_GEOAPI", otherwise=False),
        tag=values.get("CVMFS_REPOSITORY_TAG", ""),
        root=values.get("CVMFS_ROOT_HASH", ""),
        claim=_is_yes(values, "CVMFS_CLAIM_OWNERSHIP", otherwise=True),
        refresh=_is_yes(values, "CVMFS_AUTO_UPDATE", otherwise=True),
    )  # fmt: skip


def _official_keys() -> list[str]:
    place = os.path.join(DIRECTORY, "keys")
    return [place] if os.path.isdir(place) else []


def proxy_groups(text: str) -> tuple[tuple[str | None, ...], ...]:
    """`p1|p2;p3;DIRECT`: groups by `;`, members by `|`. Raises `BadSetting`."""
    groups: list[tuple[str | None, ...]] = []
    for part in text.split(";"):
        members = [member.strip() for member in part.split("|") if member.strip()]
        if members:
            groups.append(tuple(None if member == "DIRECT" else check_url(_with_scheme(member)) for member in members))
    return tuple(groups) or ((None,),)


def check_url(url: str) -> str:
    """Raises `BadSetting` for what is no http or https URL."""
    scheme, colon, rest = url.partition("://")
    host, colon, port = rest.partition("/")[0].rpartition("@")[2].rpartition(":")
    if not colon or port.endswith("]"):
        host, port = f"{host}{colon}{port}", "80"
    # Not urlsplit: its import alone is a good part of a start from a mount that is there.
    usable = (
        scheme in ("http", "https") and bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536
        and not any(letter <= " " or letter == "\x7f" for letter in url)
    )  # fmt: skip
    if not usable:
        raise BadSetting(f"{url!r} is not a URL of a server or proxy", "as in http://cvmfs.example.org/cvmfs/sw.example.org")
    return url


def _with_scheme(proxy: str) -> str:
    return proxy if "://" in proxy else f"http://{proxy}"


def _files(fqrn: str, directory: str) -> list[str]:
    domain = fqrn.partition(".")[2]
    extra = os.path.join(directory, "default.d")
    names = ["default.conf"]
    try:
        names += sorted(f"default.d/{name}" for name in os.listdir(extra) if name.endswith(".conf"))
    except OSError:
        pass
    names.append("default.local")
    if domain:
        names += [f"domain.d/{domain}.conf", f"domain.d/{domain}.local"]
    names += [f"config.d/{fqrn}.conf", f"config.d/{fqrn}.local"]
    return [os.path.join(directory, name) for name in names]


def _read(file: str, values: dict[str, str]) -> None:
    try:
        with open(file, encoding="utf-8", errors="surrogateescape") as stream:
            text = stream.read(1 << 20)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadSetting(f"cannot read {file}: {error.strerror}") from error
    import re  # where nothing is configured nobody pays for it

    for line in text.splitlines():
        found = re.match(_LINE, line)
        if found:
            values[found[1]] = _value(found[2], values)


def _value(text: str, values: Mapping[str, str]) -> str:
    """One assignment's right side: up to a blank or comment outside quotes."""
    done: list[str] = []
    quote = ""
    for letter in text.strip():
        if quote:
            if letter == quote:
                quote = ""
                continue
        elif letter in "'\"":
            quote = letter
            continue
        elif letter in " \t;#" and not (letter in ";#" and done and text.strip()[0] in "'\""):
            break
        done.append(letter)
    import re

    return re.sub(_VARIABLE, lambda name: values.get(name[1] or name[2], ""), "".join(done))


def _number(values: Mapping[str, str], name: str, otherwise: float) -> float:
    text = values.get(name, "")
    if not text:
        return otherwise
    try:
        number = float(text)
    except ValueError:
        raise BadSetting(f"{name} is not a number: {text!r}", f"see {DIRECTORY}") from None
    return number if number > 0 else otherwise


def _is_yes(values: Mapping[str, str], name: str, *, otherwise: bool) -> bool:
    text = values.get(name, "").lower()
    return text in _YES if text else otherwise
