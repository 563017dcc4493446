"""The registry client: manifests and blobs of images, verified.

Requests are tried again as `pacing` says and authenticated as `auth` says; nothing that has not matched its digest is
returned. One client serves many threads; four blobs at once are its usual work.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.errors import DigestMismatch, ProtocolError
from sampan.events import SILENT_NOTICE, Notice, Task
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import VERIFIABLE, Digest, sha256_of, verify
from sampan.oci.document import MAX_BYTES
from sampan.oci.mediatypes import ACCEPTED, base_type
from sampan.registry.auth import Authenticator
from sampan.registry.blobs import fetch, fetch_bytes, stream
from sampan.registry.credentials import Credentials
from sampan.registry.exchange import Exchange, manifest_request
from sampan.registry.failures import is_web_page, page_instead_of
from sampan.registry.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO

    from sampan.oci.reference import Reference
    from sampan.registry.auth import Place
    from sampan.registry.pacing import Clock, Limits
    from sampan.registry.transport import Answer
    from sampan.settings import Settings


@dataclass(frozen=True)
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
        """Uses the settings `authfile`, `insecure_registries` and `parallel`; `environ` is the process's by default."""
        variables = os.environ if environ is None else environ
        self._transport = Transport(notice, variables, limits=limits, clock=clock, parallel=settings.number("parallel"))
        credentials = Credentials(variables, settings.text("authfile"), notice)
        authenticator = Authenticator(self._transport, credentials)
        self._exchange = Exchange(self._transport, authenticator, settings.texts("insecure_registries"))

    def manifest(self, reference: Reference, accepted: tuple[str, ...] = ACCEPTED) -> FetchedManifest:
        """The manifest or index that a reference leads to: by its digest, if it has one, else by its tag.

        Raises `NotAtRegistry`, `Unauthorized`, `Unreachable`, `ProtocolError`, `DigestMismatch`, and `UnsupportedContent`
        for a digest whose algorithm cannot be verified.
        """
        place = self._exchange.place(reference)
        return self._exchange.repeated(lambda: self._manifest(place, reference, accepted))

    def head_manifest(self, reference: Reference, accepted: tuple[str, ...] = ACCEPTED) -> Descriptor:
        """Type, digest and size of what a reference leads to, without fetching it where the registry can say so.

        Raises as `manifest` does. (HEAD requests do not count against Docker Hub's limit.)
        """
        place = self._exchange.place(reference)
        found = self._exchange.repeated(lambda: self._head(place, reference, accepted))
        if found is None:  # the registry does not know HEAD, or leaves the digest out
            fetched = self.manifest(reference, accepted)
            found = Descriptor(fetched.media_type, fetched.digest, len(fetched.content))
        return found

    def blob(self, reference: Reference, descriptor: Descriptor, start: int = 0) -> Iterator[bytes]:
        """The bytes of a blob from `start` on, as they arrive and across cuts, **not verified**: the caller hashes them."""
        return stream(self._exchange, self._exchange.place(reference), descriptor, start)

    def fetch_blob(self, reference: Reference, descriptor: Descriptor, file: BinaryIO, task: Task | None = None) -> None:
        """Bring a blob into a file opened for reading and writing, verified; what the file holds already is kept.

        `task` is told the bytes as they are there (a negative amount if kept ones were wrong). Raises what `manifest`
        does, `NoSpace` and `StoreError`; then the file holds what has come, for the next try, or nothing if it was wrong.
        """
        fetch(self._exchange, self._exchange.place(reference), descriptor, file, task or Task())

    def small_blob(self, reference: Reference, descriptor: Descriptor, limit: int = MAX_BYTES) -> bytes:
        """A blob of at most `limit` bytes, verified; for configurations."""
        return fetch_bytes(self._exchange, self._exchange.place(reference), descriptor, limit)

    def stop(self) -> None:
        """End what is under way in all threads (after Ctrl-C, or when one of them has failed); the client is of no use then."""
        self._transport.stop()

    def close(self) -> None:
        """Close the connections that are kept for later."""
        self._transport.close()

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
