"""Bearer tokens for web servers, by the setting `tokens`: which host gets one, and what holds it.

HOST=file:PATH  is read when a request is made, by whoever makes it: nothing of it is kept, and one that somebody renews is the newest
HOST=env:NAME   is a variable of the shell that submits, and goes with a job as the other keys of a shell do (`credentials`)

A host gets its token by https; by http only if it is this machine, or if the setting says `http://HOST`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sampan.errors import BadSetting, Unauthorized, UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

KINDS = ("file", "env")
MAX_BYTES = 64 << 10
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Source:
    """What holds the token of a host: `kind` is one of `KINDS`, `name` a path or a variable."""

    kind: str
    name: str


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL in one spelling, as `https://host` or `http://host:8080`. Raises ValueError."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    port = "" if parts.port in (None, _PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


def sources(texts: Iterable[str]) -> dict[str, Source]:
    """The setting as origin -> source. Raises `BadSetting`, whose sentence holds nothing that could be a token."""
    found: dict[str, Source] = {}
    for number, text in enumerate(texts, 1):
        place, _, rest = text.partition("=")
        kind, _, name = rest.partition(":")
        try:
            origins = _origins(place)
        except ValueError:
            origins = []
        is_good = name.startswith(("/", "~/")) if kind == "file" else kind == "env" and name.isidentifier()
        if not origins or not is_good:
            raise BadSetting(
                f"the setting tokens: its part {number} does not name a host and what holds its token",
                "write HOST=file:/PATH or HOST=env:NAME; the token itself does not belong into settings",
            )
        found.update(dict.fromkeys(origins, Source(kind, name)))
    return found


def _origins(place: str) -> list[str]:
    """What a host of the setting means. Raises ValueError."""
    if place.startswith(("https://", "http://")):
        parts = urlsplit(place)
        return [origin_of(place)] if parts.hostname and parts.path in ("", "/") and "@" not in place else []
    if not place or place.strip("/") != place or any(sign in place for sign in "/@ ?#"):
        return []
    from sampan.registry.addresses import is_loopback

    schemes = ("https", "http") if is_loopback(place) else ("https",)
    return [origin_of(f"{scheme}://{place}") for scheme in schemes]


def read(source: Source, origin: str, environ: Mapping[str, str]) -> str:
    """The value of Authorization for an origin. Raises `Unauthorized` if there is no token where the setting says so."""
    told = f"the token for {origin}"
    if source.kind == "env":
        text = environ.get(source.name, "").strip()
        if not text:
            raise Unauthorized(f"{told} is missing: the variable {source.name} is not set", "the setting tokens names it")
        what = f"the variable {source.name}"
    else:
        what = os.path.expanduser(source.name)
        try:
            with open(what, "rb") as stream:
                text = stream.read(MAX_BYTES + 1).decode("ascii", "replace").strip()
        except OSError as error:
            raise Unauthorized(
                f"{told} cannot be read: {printable(what)}: {error.strerror}", "the setting tokens names it"
            ) from error
    if not text or len(text) > MAX_BYTES or any(not "!" <= letter <= "~" for letter in text):
        raise Unauthorized(f"{told} is none: {printable(what)} is empty or holds what no token has")
    return f"Bearer {text}"


def of_shell(known: Mapping[str, Source], urls: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Origin -> Authorization for those of the URLs whose token is in a variable. Raises `UsageError` for one that is not set."""
    found = {}
    for origin in {origin_of(url) for url in urls}:
        source = known.get(origin)
        if source is not None and source.kind == "env":
            try:
                found[origin] = read(source, origin, environ)
            except Unauthorized as error:
                raise UsageError(error.sentence, error.hint) from None
    return found
