"""Link headers: where the next page of a list is (RFC 8288; distribution-spec, "Listing Tags"). Pure.

Registries write them relative or absolute, quay without the angle brackets, some with `rel=next` unquoted. Everything in
the target belongs to the next request: Artifactory puts its own parameters there. It has to stay at the registry, because
the credentials go with it.
"""

from __future__ import annotations

from urllib.parse import urljoin

from sampan.errors import ProtocolError, printable
from sampan.registry.addresses import origin_of

MAX_HEADER = 16 * 1024


def next_link(headers: list[str], url: str) -> str | None:
    """The URL of the page after `url`; `None` on the last one. Raises `ProtocolError` for one that is not at this origin."""
    for header in headers:
        target = _next_in(header[:MAX_HEADER])
        if target is not None:
            try:
                found = urljoin(url, target)
            except ValueError as error:
                raise ProtocolError(f"the next page is at {printable(target[:200])!r}, which is no URL") from error
            if origin_of(found) != origin_of(url):
                raise ProtocolError(f"the next page of the list is at another place, {printable(found[:200])!r}")
            return found
    return None


def _next_in(header: str) -> str | None:
    for target, parameters in _links(header):
        for name, _, value in (parameter.partition("=") for parameter in parameters.split(";")):
            if name.strip().lower() == "rel" and "next" in value.strip().strip('"').lower().split():
                return target
    return None


def _links(header: str) -> list[tuple[str, str]]:
    """Each target with its parameters; a comma parts links only behind the end of a target."""
    found = []
    rest = header.strip()
    while rest:
        if rest.startswith("<"):
            target, closed, rest = rest[1:].partition(">")
            if not closed:
                break
        else:
            target, semicolon, after = rest.partition(";")
            rest = semicolon + after
        parameters, _, rest = _outside_quotes(rest)
        found.append((target.strip(), parameters))
        rest = rest.strip(" ,")
    return found


def _outside_quotes(text: str) -> tuple[str, str, str]:
    """Parted at the first comma that is not inside quotes."""
    is_quoted = False
    for at, letter in enumerate(text):
        if letter == '"':
            is_quoted = not is_quoted
        elif letter == "," and not is_quoted:
            return text[:at], ",", text[at + 1 :]
    return text, "", ""
