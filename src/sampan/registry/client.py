"""The registry client: manifests and blobs of images, verified; lists; and sending them.

Requests are tried again as `pacing` says, authenticated as `auth` says and go where `routes` says; nothing that has not
matched its digest is returned. One client serves many threads; four blobs at once are its usual work.
"""

from __future__ import annotations

import os

from sampan.errors import DigestMismatch, ProtocolError
from sampan.events import SILENT_NOTICE, Notice, Task
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import VERIFIABLE, Digest, sha256_of, verify
from sampan.oci.document import MAX_BYTES
from sampan.oci.mediatypes import ACCEPTED, base_type
from sampan.registry import upload
from sampan.registry.auth import Authenticator, refused_credential
from sampan.registry.blobs import Stream, fetch, fetch_bytes
from sampan.registry.credentials import Credential, Credentials
from sampan.registry.exchange import Exchange, manifest_request
from sampan.registry.failures import is_web_page, page_instead_of
from sampan.registry.routes import PULL, PUSH, RESOLVE, Routing
from sampan.registry.transport import Request, Transport
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import BinaryIO

    from sampan.oci.reference import Reference
    from sampan.registry.pacing import Clock, Limits
    from sampan.registry.place import Place
    from sampan.registry.routes import Route
    from sampan.registry.search import Found
    from sampan.registry.transport import Answer
    from sampan.settings import Settings


@frozen
class FetchedManifest:
    """A manifest or index as the registry has it, byte for byte.

    `media_type` is what the server calls it, without parameters; `oci.manifest.parse_manifest` decides what it is.
    """

    media_type: str
    content: bytes
    digest: Digest


class Client:
    """Talks to the registries that references name."""

    def __init__(
        self,
        settings: Settings,
        notice: Notice = SILENT_NOTICE,
        *,
        environ: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Uses the settings `authfile`, `insecure_registries`, `foreign_layers`, `hub` and `parallel`.

        `environ` is the process's by default.
        """
        variables = os.environ if environ is None else environ
        self.routing = Routing(variables, hub=settings.text("hub"))
        self._transport = Transport(notice, variables, limits=limits, clock=clock, parallel=settings.number("parallel"))
        authenticator = Authenticator(self._transport, Credentials(variables, settings.text("authfile"), notice))
        self._insecure = settings.texts("insecure_registries")
        self._exchange = Exchange(self._transport, authenticator, self._insecure, foreign_layers=settings.flag("foreign_layers"))

    def manifest(self, reference: Reference, accepted: tuple[str, ...] = ACCEPTED) -> FetchedManifest:
        """The manifest or index that a reference leads to: by its digest, if it has one, else by its tag.

        Raises `NotAtRegistry`, `Unauthorized`, `Unreachable`, `ProtocolError`, `DigestMismatch`, `UnsupportedContent` for a
        digest whose algorithm cannot be verified, `UsageError` for a blocked registry, `BadSetting`.
        """
        return self._exchange.over(self._routes(reference), lambda place: self._manifest(place, reference, accepted))

    def head_manifest(self, reference: Reference, accepted: tuple[str, ...] = ACCEPTED) -> Descriptor:
        """Type, digest and size of what a reference leads to, without fetching it where the registry can say so.

        Raises as `manifest` does. (HEAD requests do not count against Docker Hub's limit.)
        """

        def head(place: Place) -> Descriptor:
            found = self._head(place, reference, accepted)
            if found is None:  # the registry does not know HEAD, or leaves the digest out
                fetched = self._manifest(place, reference, accepted)
                found = Descriptor(fetched.media_type, fetched.digest, len(fetched.content))
            return found

        return self._exchange.over(self._routes(reference), head)

    def blob(self, reference: Reference, descriptor: Descriptor, start: int = 0) -> Iterator[bytes]:
        """The bytes of a blob from `start` on, as they arrive and across cuts, **not verified**: the caller hashes them."""
        return iter(Stream(self._exchange, self._content_routes(reference), descriptor, start))

    def fetch_blob(self, reference: Reference, descriptor: Descriptor, file: BinaryIO, task: Task | None = None) -> None:
        """Bring a blob into a file opened for reading and writing, verified; what the file holds already is kept.

        `task` is told the bytes as they are there (a negative amount if kept ones were wrong). Raises what `manifest`
        does, `NoSpace` and `StoreError`; then the file holds what has come, for the next try, or nothing if it was wrong.
        """
        fetch(self._exchange, self._content_routes(reference), descriptor, file, task or Task())

    def small_blob(self, reference: Reference, descriptor: Descriptor, limit: int = MAX_BYTES) -> bytes:
        """A blob of at most `limit` bytes, verified; for configurations."""
        return fetch_bytes(self._exchange, self._content_routes(reference), descriptor, limit)

    def tags(self, reference: Reference) -> list[str]:
        """All tags of the image's name. Raises as `manifest` does."""
        from sampan.registry import listing

        return self._exchange.over(self._routes(reference), lambda place: listing.tags(self._exchange, place))

    def referrers(self, reference: Reference, digest: Digest, artifact_type: str = "") -> list[Descriptor]:
        """What has this manifest as its subject: signatures, attestations; all, or those of a type. Raises as `manifest`."""
        from sampan.registry import referrers

        routes = self._content_routes(reference)
        return self._exchange.over(routes, lambda place: referrers.listed(self._exchange, place, digest, artifact_type))

    def search(self, domain: str, term: str, limit: int) -> list[Found]:
        """At most `limit` images of a registry with this term. Raises `RemoteError` for one that cannot be searched."""
        from sampan.registry.search import search

        return search(self._exchange, self._exchange.place(self.routing.registry(domain)), term, limit)

    def check_login(self, domain: str, path: str, user: str, password: str) -> bool:
        """Whether a registry takes this password: False if it asks for none. Raises `Unauthorized` if it does not.

        `path` is empty, or the part of the registry that the password is for.
        """
        authenticator = Authenticator(self._transport, _Only(Credential(user, password, "")), insists=True)
        exchange = Exchange(self._transport, authenticator, self._insecure)
        route = self.routing.registry(domain)
        place = exchange.place(route)
        with exchange.repeated(lambda: exchange.root(place)) as answer:
            if answer.status == 200:
                return False
        root = Request("GET", f"{place.base}{place.root}/", {"Accept": "application/json"})
        with exchange.repeated(lambda: exchange.ask(place, root)) as answer:
            if answer.status in (401, 403):
                raise refused_credential(Credential(user, password, ""), domain)
            if answer.status != 200:
                raise exchange.refused(answer, place, "its root" + (f" ({path})" if path else ""))
        return True

    def has_mirrors(self, reference: Reference) -> bool:
        """Whether blobs of this image may come from several places."""
        return len(self._content_routes(reference)) > 1

    def target(self, reference: Reference) -> Target:
        """Where an image can be sent. Raises as `manifest` does."""
        (route,) = self.routing.routes(reference, PUSH)[:1]
        return Target(self._exchange, self._exchange.place(route).for_push())

    def stop(self) -> None:
        """End what is under way in all threads (after Ctrl-C, or when one of them has failed); the client is of no use then."""
        self._transport.stop()

    def go_on(self) -> None:
        """Be of use again after `stop`, when all threads have ended."""
        self._transport.go_on()

    def close(self) -> None:
        """Close the connections that are kept for later."""
        self._transport.close()

    def _routes(self, reference: Reference) -> Sequence[Route]:
        return self.routing.routes(reference, RESOLVE if reference.digest is None else PULL)

    def _content_routes(self, reference: Reference) -> Sequence[Route]:
        """Blobs have digests, whatever led to them."""
        return self.routing.routes(reference, PULL)

    def _manifest(self, place: Place, reference: Reference, accepted: tuple[str, ...]) -> FetchedManifest:
        what = _named(reference)
        with self._exchange.ask(place, manifest_request(place, "GET", reference.selector, accepted)) as answer:
            if answer.status != 200:
                raise self._exchange.refused(answer, place, what)
            content = answer.read(MAX_BYTES, what)
            if is_web_page(answer.headers, content):
                raise page_instead_of(what, answer.host)
            digest = _verified(content, reference, answer, what)
            return FetchedManifest(base_type(answer.headers.get("Content-Type")), content, digest)

    def _head(self, place: Place, reference: Reference, accepted: tuple[str, ...]) -> Descriptor | None:
        with self._exchange.ask(place, manifest_request(place, "HEAD", reference.selector, accepted)) as answer:
            if answer.status in (404, 405):
                return None
            if answer.status != 200:
                raise self._exchange.refused(answer, place, _named(reference))
            digest = _header_digest(answer)
            length = answer.headers.get("Content-Length", "")
            if digest is None or not length.isdecimal():
                return None
            if reference.digest is not None and digest != reference.digest:
                raise DigestMismatch(f"the registry calls {_named(reference)} {digest}")
            return Descriptor(base_type(answer.headers.get("Content-Type")), digest, int(length[:20]))


class Target:
    """An image at a registry into which things are sent; for many threads."""

    def __init__(self, exchange: Exchange, place: Place) -> None:
        self._exchange = exchange
        self._place = place

    @property
    def domain(self) -> str:
        """The registry that is really asked; registries.conf may have moved the name."""
        return self._place.domain

    def has_blob(self, digest: Digest) -> bool:
        """Whether a blob is there already. Raises `Unauthorized`, `Unreachable`, `RemoteError`."""
        return upload.has_blob(self._exchange, self._place, digest)

    def mount(self, digest: Digest, source: str) -> bool:
        """Let it have a blob of another image of the same registry, by its path; False if the registry does not do it."""
        return upload.mount(self._exchange, self._place, digest, source)

    def send_blob(self, descriptor: Descriptor, read: Callable[[int], Iterable[bytes]], task: Task | None = None) -> None:
        """Send a blob; `read(N)` gives its bytes from N on, as often as needed.

        Raises `Unauthorized`, `Unreachable`, `RemoteError` for one that is not taken, and what `read` raises.
        """
        upload.send_blob(self._exchange, self._place, descriptor, read, task or Task())

    def send_manifest(self, selector: str, content: bytes, media_type: str) -> None:
        """Store a manifest or index by tag or digest; its blobs and children have to be there.

        Where it has a subject and the registry keeps no list of what refers to what, the tag that serves as one is
        brought up to date. Raises as `send_blob`, and `DigestMismatch` if the registry has understood something else.
        """
        answer = upload.send_manifest(self._exchange, self._place, selector, content, media_type)
        told = _header_digest(answer)
        if told is not None and told.algorithm in VERIFIABLE:
            verify(content, told, None, f"what the registry has stored for {self._place.name}")
        if b'"subject"' in content:
            from sampan.registry import referrers

            referrers.note_subject(self._exchange, self._place, answer, content, media_type)


class _Only:
    """Knows one credential, and that for everything."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    def find(self, domain: str, path: str) -> Credential | None:  # noqa: ARG002 - the contract
        """The one."""
        return self._credential

    def hindrance(self, domain: str) -> str | None:  # noqa: ARG002 - the contract
        """Nothing hinders."""
        return None


def _named(reference: Reference) -> str:
    if reference.digest is not None:
        return f"manifest {reference.digest.short} of {reference.name}"
    return f"tag {reference.selector} of {reference.name}"


def _verified(content: bytes, reference: Reference, answer: Answer, what: str) -> Digest:
    """The digest of a manifest's bytes, which must be the one asked for and the one the registry tells."""
    told = _header_digest(answer)
    if reference.digest is not None:
        verify(content, reference.digest, None, what)
        return reference.digest
    if told is not None and told.algorithm in VERIFIABLE:
        verify(content, told, None, what)
    return sha256_of(content)


def _header_digest(answer: Answer) -> Digest | None:
    try:
        return Digest.parse(answer.headers.get("Docker-Content-Digest", ""))
    except ProtocolError:
        return None
