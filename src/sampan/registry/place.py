"""A place: where an image is asked for, as requests and authentication need it."""

from __future__ import annotations

from urllib.parse import quote

from sampan.values import changed, frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.registry.tls import TlsRules


@frozen
class Place:
    """The registry's URL (`https://host:port`), the names credentials are kept under, and how requests are made there.

    `actions` is what a token has to allow; `source` another image of the registry from which blobs are mounted. `path` is
    empty for the registry as a whole.
    """

    base: str
    domain: str
    path: str
    root: str = "/v2"
    namespace: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    tls: TlsRules | None = None
    actions: str = "pull"
    source: str = ""

    @property
    def name(self) -> str:
        """The image's name, for sentences."""
        return f"{self.domain}/{self.path}" if self.path else self.domain

    @property
    def is_for_push(self) -> bool:
        """Whether something is to be changed here."""
        return "push" in self.actions

    def for_push(self) -> Place:
        """The same place, where something is to be sent."""
        return changed(self, actions="pull,push")

    def mounting(self, source: str) -> Place:
        """The same place, where blobs of another image are to be mounted from."""
        return changed(self, source=source)

    def url(self, rest: str) -> str:
        """The URL of something of this image, as `manifests/1`."""
        url = f"{self.base}{self.root}/{self.path}/{rest}"
        if not self.namespace:
            return url
        return f"{url}{'&' if '?' in rest else '?'}ns={quote(self.namespace, safe='')}"

    def scopes(self) -> list[str]:
        """What a token is needed for (distribution-spec, "scope")."""
        if not self.path:
            return []
        found = [f"repository:{self.path}:{self.actions}"]
        return [*found, f"repository:{self.source}:pull"] if self.source else found
