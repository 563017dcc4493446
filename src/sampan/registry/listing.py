"""Lists that come in pages: the tags of an image, the images of a registry.

Pages end with the last `Link`, at one that was there already, or at a limit. Nothing is taken for a tag or a name that could
not be one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import ProtocolError, SampanError
from sampan.oci.document import read_document, texts_of
from sampan.oci.reference import Reference
from sampan.registry.failures import is_web_page, page_instead_of
from sampan.registry.links import next_link
from sampan.registry.transport import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sampan.registry.exchange import Exchange
    from sampan.registry.place import Place

MAX_PAGES = 10_000
MAX_PAGE = 8 * 1024 * 1024
MAX_ENTRIES = 1_000_000
PAGE_LENGTH = 1000


def tags(exchange: Exchange, place: Place) -> list[str]:
    """All tags of an image, in the registry's order. Raises `NotAtRegistry`, `Unauthorized`, `ProtocolError`."""
    what = f"the list of tags of {place.name}"
    found: dict[str, None] = {}
    for _, body in pages(exchange, place, place.url(f"tags/list?n={PAGE_LENGTH}"), what):
        document = read_document(body, what, MAX_PAGE)
        found.update((text, None) for text in texts_of(document, "tags", what) if _is_tag(place, text))
        if len(found) > MAX_ENTRIES:
            raise ProtocolError(f"{what} has more than {MAX_ENTRIES} entries")
    return list(found)


def catalog(exchange: Exchange, place: Place) -> Iterator[str]:
    """The names of all images of a registry, as far as it tells them. Raises as `tags`; many registries refuse."""
    what = f"the list of images of {place.domain}"
    count = 0
    for _, body in pages(exchange, place, f"{place.base}{place.root}/_catalog?n={PAGE_LENGTH}", what):
        document = read_document(body, what, MAX_PAGE)
        for text in texts_of(document, "repositories", what):
            if _is_name(place, text):
                yield text
            count += 1
            if count > MAX_ENTRIES:
                raise ProtocolError(f"{what} has more than {MAX_ENTRIES} entries")


def pages(
    exchange: Exchange, place: Place, url: str, what: str, accepted: str = "application/json"
) -> Iterator[tuple[Mapping[str, str], bytes]]:
    """Headers and body of each page."""
    seen: set[str] = set()
    page: str | None = url
    while page is not None and page not in seen:
        seen.add(page)
        if len(seen) > MAX_PAGES:
            raise ProtocolError(f"{what} has more than {MAX_PAGES} pages")
        request = Request("GET", page, {"Accept": accepted})
        headers, links, body = exchange.repeated(lambda request=request: _page(exchange, place, request, what))  # type: ignore[misc]
        page = next_link(links, request.url)
        yield headers, body


def _page(exchange: Exchange, place: Place, request: Request, what: str) -> tuple[Mapping[str, str], list[str], bytes]:
    with exchange.ask(place, request) as answer:
        if answer.status != 200:
            raise exchange.refused(answer, place, what)
        body = answer.read(MAX_PAGE, what)
        if is_web_page(answer.headers, body):
            raise page_instead_of(what, answer.host)
        return answer.headers, answer.values("Link"), body


def _is_tag(place: Place, text: str) -> bool:
    try:
        Reference(place.domain, place.path, text)
    except SampanError:
        return False
    return True


def _is_name(place: Place, text: str) -> bool:
    try:
        Reference(place.domain, text)
    except SampanError:
        return False
    return True
