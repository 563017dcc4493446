"""Descriptors: how one document points at another piece of content (image-spec, descriptor.md). Pure."""

from __future__ import annotations

from sampan.errors import ProtocolError
from sampan.oci.digest import Digest
from sampan.oci.document import map_of, number_of, text_map_of, text_of, texts_of
from sampan.oci.platform import Platform
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping

_ATTESTATION = "vnd.docker.reference.type"


@frozen
class Descriptor:
    """Type, digest and size (bytes) of a blob, and what an index says of it.

    `data` is the content itself where the document carries it; it has to be verified like a fetch.
    """

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: Mapping[str, str] | None = None
    urls: tuple[str, ...] = ()
    artifact_type: str = ""
    data: bytes | None = None

    @property
    def is_attestation(self) -> bool:
        """Whether it describes another entry of its index (provenance, SBOM) instead of being an image."""
        unknown = self.platform is not None and (self.platform.os, self.platform.architecture) == ("unknown", "unknown")
        return unknown or _ATTESTATION in (self.annotations or {})


def descriptor_from(document: dict[str, object], what: str) -> Descriptor:
    """The descriptor in `document`. Raises `ProtocolError`; `what` names it there, as in `layer 3 of debian:12`."""
    platform = map_of(document, "platform", what)
    try:
        digest = Digest.parse(text_of(document, "digest", what))
    except ProtocolError as error:
        raise error.about(what) from None
    return Descriptor(
        media_type=text_of(document, "mediaType", what),
        digest=digest,
        size=number_of(document, "size", what),
        platform=Platform.from_document(platform, what) if platform else None,
        annotations=text_map_of(document, "annotations", what),
        urls=texts_of(document, "urls", what),
        artifact_type=text_of(document, "artifactType", what),
        data=_embedded(text_of(document, "data", what), what),
    )


def _embedded(text: str, what: str) -> bytes | None:
    if not text:
        return None
    import base64

    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ProtocolError(f"{what} has embedded data that is not base64") from error
