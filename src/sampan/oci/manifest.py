"""Manifests and indexes: what a registry answers for a name (image-spec manifest.md, image-index.md; Docker's schema 2).

Two tools that read different things out of one document can be played off against each other, so the type a document
is read as is settled first, by fixed rules, and everything that hints at another reading is refused:

1. the type that a verified descriptor announced; else the server's Content-Type, unless that is one of those which
   servers give for everything; else the document's own `mediaType`; else its shape (`manifests` or `layers`);
2. `manifests` together with `layers` or `config`, a `mediaType` unlike the type read, or such a key in another case
   (Go reads keys in any case) ends the reading.
"""

from __future__ import annotations

from sampan.errors import ProtocolError, UnsupportedContent, printable
from sampan.oci import mediatypes
from sampan.oci.descriptor import Descriptor, descriptor_from
from sampan.oci.document import map_of, maps_of, number_of, read_document, text_map_of, text_of
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Union

    ManifestOrIndex = Union["Manifest", "Index"]

MAX_LAYERS = 1000
MAX_ENTRIES = 10_000
_TELLING_KEYS = {key.lower(): key for key in ("schemaVersion", "mediaType", "manifests", "layers", "config", "fsLayers")}


@frozen
class Manifest:
    """One image for one platform: the descriptors of its configuration and of its layers, lowest first."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]
    artifact_type: str = ""
    subject: Descriptor | None = None

    def check_runnable(self, what: str) -> None:
        """Raises `UnsupportedContent` that says what this is, unless it is an image with layers that sampan reads."""
        kind = self.config.media_type
        # Old Dockers pushed configurations as octet-stream, some registries relabelled them.
        unlabelled = self.media_type == mediatypes.DOCKER_MANIFEST and kind in mediatypes.GENERIC
        if kind not in mediatypes.CONFIGS and not unlabelled:
            kind = mediatypes.artifact_kind(self.artifact_type or kind)
            raise UnsupportedContent(f"{what} is {kind}, not an image that could run")
        for number, layer in enumerate(self.layers, 1):
            mediatypes.check_layer_type(layer.media_type, f"layer {number} of {what}")

    @property
    def size(self) -> int:
        """Bytes of the layers as they are stored at the registry."""
        return sum(layer.size for layer in self.layers)


@frozen
class Index:
    """Several manifests, or further indexes, of which each is for a platform or for another use."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str]


def parse_manifest(data: bytes, what: str, *, content_type: str | None = None, expected: str = "") -> ManifestOrIndex:
    """The manifest or index in `data`, whose digest has been verified.

    `expected` is the type a descriptor announced, `content_type` the header of the answer. Raises `ProtocolError`, and
    `UnsupportedContent` for what is no image (Docker's schema 1, artifact manifests, unknown types).
    """
    document = read_document(data, what)
    media_type = _settle_type(document, what, content_type, expected)
    annotations = text_map_of(document, "annotations", what)
    if media_type in mediatypes.INDEXES:
        entries = maps_of(document, "manifests", what)
        if len(entries) > MAX_ENTRIES:
            raise ProtocolError(f"{what} has {len(entries)} entries; at most {MAX_ENTRIES} are accepted")
        parsed = (descriptor_from(entry, f"entry {number} of {what}") for number, entry in enumerate(entries, 1))
        return Index(media_type, tuple(parsed), annotations)
    layers = maps_of(document, "layers", what)
    if len(layers) > MAX_LAYERS:
        raise ProtocolError(f"{what} has {len(layers)} layers; at most {MAX_LAYERS} are accepted")
    subject = map_of(document, "subject", what)
    return Manifest(
        media_type=media_type,
        config=descriptor_from(map_of(document, "config", what), f"the configuration of {what}"),
        layers=tuple(descriptor_from(layer, f"layer {number} of {what}") for number, layer in enumerate(layers, 1)),
        annotations=annotations,
        artifact_type=text_of(document, "artifactType", what),
        subject=descriptor_from(subject, f"the subject of {what}") if subject else None,
    )


def _settle_type(document: dict[str, object], what: str, content_type: str | None, expected: str) -> str:
    own = text_of(document, "mediaType", what)
    header = mediatypes.base_type(content_type)
    version = number_of(document, "schemaVersion", what)
    if version == 1 or "fsLayers" in document:
        raise mediatypes.schema_1(what)
    media_type = expected or (header if header not in mediatypes.GENERIC else "") or own or _by_shape(document, what)
    mediatypes.check_manifest_type(media_type, what)
    if own and own != media_type:
        raise ProtocolError(f"{what} calls itself {printable(own[:100])!r}, but was announced as {media_type!r}")
    if version != 2:
        raise ProtocolError(f"{what} has the schemaVersion {version} instead of 2")
    for key in document:
        meant = _TELLING_KEYS.get(key.lower(), key)
        if key != meant:
            raise ProtocolError(f"{what} has the key {printable(key)!r}, which some programs read as {meant!r}")
    wrong = ("layers", "config") if media_type in mediatypes.INDEXES else ("manifests",)
    for key in wrong:
        if key in document:
            raise ProtocolError(f"{what} is {media_type!r}, but has {key!r}: it could be read in two ways")
    needed = "manifests" if media_type in mediatypes.INDEXES else "layers"
    if needed not in document:
        raise ProtocolError(f"{what} is {media_type!r}, but has no {needed!r}")
    return media_type


def _by_shape(document: dict[str, object], what: str) -> str:
    """OCI documents may leave their type out."""
    if "manifests" in document:
        return mediatypes.OCI_INDEX
    if "layers" in document or "config" in document:
        return mediatypes.OCI_MANIFEST
    raise ProtocolError(f"{what} is neither a manifest nor an index")
