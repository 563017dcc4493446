"""The part of the registry of our own that lists: tags, images, referrers, searches; in pages of `length`, with `link` as header.

`link` is the form of the Link header with `{url}` for the target, which is relative unless the form makes it whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from tests.peers.reply import Asked, Reply, document, empty

if TYPE_CHECKING:
    from tests.peers.faulty import Faulty


class Lists:
    def __init__(self, registry: Faulty) -> None:
        self._registry = registry
        self.length = 1000
        self.link = '<{url}>; rel="next"'
        self.names: list[str] | None = None
        """The images in the catalogue; `None`: those that have a tag."""
        self.extra_tags: list[str] = []
        self.referrers: dict[str, list[dict]] | None = None
        """Digest -> descriptors; `None`: there is no API for them."""
        self.filters = False
        self.results: list[dict] | None = None
        """What /v1/search finds; `None`: there is none."""
        self.hub: list[dict] | None = None

    def answer(self, asked: Asked) -> Reply | None:
        parts = urlsplit(asked.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path.endswith("/tags/list"):
            name = parts.path.removeprefix("/v2/").removesuffix("/tags/list")
            tags = [tag for one, tag in self._registry.tags if one == name]
            if not tags:
                return document(404, {"errors": [{"code": "NAME_UNKNOWN", "message": "unknown"}]})
            return self._page(parts.path, query, [*tags, *self.extra_tags], lambda some: {"name": name, "tags": some})
        if parts.path == "/v2/_catalog":
            names = self.names if self.names is not None else sorted({name for name, _ in self._registry.tags})
            return self._page(parts.path, query, names, lambda some: {"repositories": some})
        if "/referrers/" in parts.path:
            return self._referrers(parts.path, query)
        if parts.path == "/v1/search":
            return empty(404) if self.results is None else document(200, {"results": self.results})
        if parts.path == "/hub/":
            return empty(404) if self.hub is None else self._hub(query)
        return None

    def _page(self, path: str, query: dict[str, str], entries: list, shape) -> Reply:
        start = int(query.get("from", "0"))
        reply = document(200, shape(entries[start : start + self.length]))
        if start + self.length < len(entries):
            kept = f"&artifactType={quote(query['artifactType'], safe='')}" if "artifactType" in query else ""
            reply.headers["Link"] = self.link.replace("{url}", f"{path}?from={start + self.length}&kept=a%2Fb{kept}")
        return reply

    def _referrers(self, path: str, query: dict[str, str]) -> Reply:
        if self.referrers is None:
            return empty(404)
        found = self.referrers.get(path.rpartition("/")[2], [])
        wanted = query.get("artifactType")
        if wanted and self.filters:
            found = [one for one in found if one.get("artifactType") == wanted]
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
        reply = self._page(path, query, found, lambda some: {**index, "manifests": some})
        reply.headers["Content-Type"] = index["mediaType"]
        if wanted and self.filters:
            reply.headers["OCI-Filters-Applied"] = "artifactType"
        return reply

    def _hub(self, query: dict[str, str]) -> Reply:
        start = int(query.get("page", "0"))
        following = f"{self._registry.url}/hub/?page={start + 1}" if start + 1 < len(self.hub) else ""
        return document(200, {"count": len(self.hub), "next": following or None, "results": self.hub[start : start + 1]})
