"""Searching a registry: whoever can be asked, in words. Docker Hub has a search of its own; some registries have Docker's old
index API (`/v1/search`); the rest can only list everything (`_catalog`), which many forbid to most people.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

from sampan.errors import NotAtRegistry, ProtocolError, RemoteError, SampanError, Unauthorized, printable
from sampan.oci.document import maps_of, read_document, text_of
from sampan.oci.reference import HUB, HUB_OLD, Reference
from sampan.registry.failures import Refusal, is_web_page
from sampan.registry.links import next_link
from sampan.registry.listing import catalog
from sampan.registry.transport import Request
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.registry.exchange import Exchange
    from sampan.registry.place import Place
    from sampan.registry.tls import TlsRules

HUB_SEARCH = "https://hub.docker.com/v2/search/repositories/"
MAX_PAGE = 8 * 1024 * 1024
PAGE_LENGTH = 100
MAX_DESCRIPTION = 200


@frozen
class Found:
    """An image that fits: its name in full, and what the registry says of it."""

    name: str
    description: str = ""
    stars: int = 0
    is_official: bool = False


@frozen
class _Query:
    term: str
    limit: int
    tls: TlsRules | None = None


def search(exchange: Exchange, place: Place, term: str, limit: int) -> list[Found]:
    """At most `limit` images of a registry whose name or description has the term, in the registry's order.

    Raises `Unauthorized` or `RemoteError` where the registry gives no list, and what a request raises.
    """
    if place.domain == HUB:
        return search_hub(exchange, HUB_SEARCH, term, limit)
    try:
        return _index_search(exchange, f"{place.base}/v1/search", place.domain, _Query(term, limit, place.tls))
    except (NotAtRegistry, ProtocolError, Unauthorized) as error:
        exchange.transport.notice.debug(f"{place.domain} has no search: {error}")
    try:
        names = (name for name in catalog(exchange, place) if term.lower() in name)
        return [Found(f"{place.domain}/{name}") for name in list(islice(names, limit))]
    except (NotAtRegistry, ProtocolError, Unauthorized) as error:
        raise RemoteError(
            f"{place.domain} can neither be searched nor lists its images to you: {error}",
            f"sampan search --list-tags {place.domain}/NAME shows the tags of an image whose name you know",
        ) from error


def search_hub(exchange: Exchange, url: str, term: str, limit: int) -> list[Found]:
    """Docker Hub's own search; where it does not answer rightly, the old index of the Hub."""
    first = f"{url}?query={quote(term, safe='')}&page_size={min(limit, PAGE_LENGTH)}"
    try:
        return list(islice(_hub_results(exchange, first), limit))
    except (NotAtRegistry, ProtocolError, Unauthorized) as error:
        exchange.transport.notice.debug(f"{url} does not help: {error}")
        return _index_search(exchange, f"https://{HUB_OLD}/v1/search", HUB, _Query(term, limit))


def _hub_results(exchange: Exchange, first: str) -> Iterator[Found]:
    url: str | None = first
    while url is not None:
        document = _document(exchange, url)
        for entry in maps_of(document, "results", "the answer"):
            name = text_of(entry, "repo_name", "the answer") or text_of(entry, "name", "the answer")
            stars = entry.get("star_count")
            found = _found(HUB, name, text_of(entry, "short_description", "the answer"), stars, entry.get("is_official"))
            if found is not None:
                yield found
        following = text_of(document, "next", "the answer")
        url = next_link([f'<{following}>; rel="next"'], url) if following and following != url else None


def _index_search(exchange: Exchange, url: str, domain: str, query: _Query) -> list[Found]:
    length = min(query.limit, PAGE_LENGTH)
    document = _document(exchange, f"{url}?q={quote(query.term, safe='')}&n={length}", query.tls)
    if "results" not in document:
        raise ProtocolError(f"the answer of {domain} has no results")
    entries = maps_of(document, "results", "the answer")
    results = (
        _found(
            domain,
            text_of(entry, "name", "the answer"),
            text_of(entry, "description", "the answer"),
            entry.get("star_count"),
            entry.get("is_official"),
        )
        for entry in entries
    )
    return list(islice((found for found in results if found is not None), query.limit))


def _found(domain: str, name: str, description: str, stars: object, is_official: object) -> Found | None:
    """A result whose name can be one."""
    path = name.removeprefix(f"{domain}/")
    try:
        reference = Reference.parse(f"{domain}/{path}")
    except SampanError:
        return None
    count = stars if isinstance(stars, int) and not isinstance(stars, bool) and stars > 0 else 0
    words = printable(" ".join(description[: 2 * MAX_DESCRIPTION].split()))[:MAX_DESCRIPTION]
    return Found(reference.name, words, count, is_official is True)


def _document(exchange: Exchange, url: str, tls: TlsRules | None = None) -> dict[str, object]:
    """The JSON at a URL that nobody has to log in for."""
    transport = exchange.transport

    def ask() -> dict[str, object]:
        with transport.send(Request("GET", url, {"Accept": "application/json"}, tls=tls)) as answer:
            if answer.status == 401:
                raise Unauthorized(f"{answer.host} wants a login for its search (401)")
            if answer.status != 200:
                raise Refusal(answer).failure(answer.host, "a search", transport.clock.now())
            body = answer.read(MAX_PAGE, "the answer")
            if is_web_page(answer.headers, body):
                raise ProtocolError(f"{answer.host} answers with a web page")
            return read_document(body, f"the answer of {answer.host}", MAX_PAGE)

    return exchange.repeated(ask)
