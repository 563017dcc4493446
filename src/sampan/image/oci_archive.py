"""OCI image layouts, in an archive or a directory (image-spec, image-layout.md), and the same side of Docker's archives since 25.

`index.json` lists images, or indexes of the same image for several platforms; blobs are named by their digest, and every document is
verified before it is read. Platforms that were not saved are normal: they are not there to be chosen. Where an index
offers several that are there, the best for this machine is taken, or the one that was asked for.

An image is named by the annotation `io.containerd.image.name`, else by `org.opencontainers.image.ref.name` if that is a whole
reference; if it is a tag alone (skopeo, umoci) the archive does not say of what, so the image stays without a name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import (
    BadReference,
    DigestMismatch,
    LayerError,
    NotAtRegistry,
    ProtocolError,
    UnsupportedContent,
    printable,
)
from sampan.image.packed import MAX_IMAGES, Document, PackedImage, PackedLayer
from sampan.oci.config import ImageConfig
from sampan.oci.digest import verify
from sampan.oci.document import read_document
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.mediatypes import INDEXES, OCI_INDEX
from sampan.oci.platform import Platform
from sampan.oci.reference import Reference
from sampan.oci.select import MAX_NESTING, select
from sampan.values import changed

if TYPE_CHECKING:
    from sampan.image.members import Documents, Members
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest
    from sampan.oci.manifest import ManifestOrIndex
    from sampan.oci.platform import Wanted

LAYOUT, INDEX = "oci-layout", "index.json"
NAME, REF_NAME = "io.containerd.image.name", "org.opencontainers.image.ref.name"
_DANGLING = "moby-dangling@"  # what Docker's containerd store calls an image without a name
_WHAT = f"the archive's {INDEX}"


def is_layout(members: Members) -> bool:
    """Whether the two files of a layout are there."""
    return members.find(LAYOUT) is not None and members.find(INDEX) is not None


def blob_path(digest: Digest) -> str:
    """Where a layout has a blob."""
    return f"blobs/{digest.algorithm}/{digest.encoded}"


class LayoutReader:
    """Reads the images of one layout. `passed_over` says what was no image; `configs` are those of all platforms that are there."""

    def __init__(self, documents: Documents, wanted: Wanted) -> None:
        self._documents = documents
        self._members = documents.members
        self._wanted = wanted
        self.configs: set[Digest] = set()
        self.passed_over: list[UnsupportedContent] = []

    def images(self) -> list[PackedImage]:
        """The images with their names, and those that have none.

        Raises `ProtocolError`, `DigestMismatch`, `LayerError`, `UnsupportedContent` if nothing in it is an image, and
        `NotAtRegistry` that lists the platforms if several are there and none fits.
        """
        index = parse_manifest(self._documents.read(INDEX) or b"", _WHAT, expected=OCI_INDEX)
        if not isinstance(index, Index):
            raise ProtocolError(f"{_WHAT} is no index")
        if len(index.manifests) > MAX_IMAGES:
            raise ProtocolError(f"{_WHAT} lists {len(index.manifests)} images; at most {MAX_IMAGES} are accepted")
        present = self._present(index)
        if index.manifests and not present.manifests:
            raise LayerError(f"the archive has none of the {len(index.manifests)} images that its {INDEX} lists")
        groups: dict[Reference | int, dict[Digest, Descriptor]] = {}
        for at, entry in enumerate(present.manifests):
            groups.setdefault(_name_of(entry) or at, {}).setdefault(entry.digest, entry)
        # Names that stand for the same entries are names of one image, which is read once.
        found: dict[tuple[Digest, ...], PackedImage | None] = {}
        for name, entries in groups.items():
            key = tuple(entries)
            names = (name,) if isinstance(name, Reference) else ()
            if key not in found:
                found[key] = self._image_or_none(names, list(entries.values()))
            elif (known := found[key]) is not None:
                found[key] = changed(known, names=(*known.names, *names))
        images = [image for image in found.values() if image is not None]
        if self.passed_over and not images:
            raise self.passed_over[0]
        return _merged(images)

    def _image_or_none(self, names: tuple[Reference, ...], entries: list[Descriptor]) -> PackedImage | None:
        try:
            return self._image(names, entries)
        except UnsupportedContent as error:
            self.passed_over.append(error)
            return None

    def _present(self, index: Index) -> Index:
        """The index without attestations and without what the archive has not."""
        there = (e for e in index.manifests if not e.is_attestation and self._members.find(blob_path(e.digest)) is not None)
        return Index(index.media_type, tuple(there), index.annotations)

    def _image(self, names: tuple[Reference, ...], entries: list[Descriptor]) -> PackedImage:
        """The image that entries of one name stand for."""
        shown = names[0].familiar if names else _label(entries[0]) or f"the image {entries[0].digest.short}"
        kinds = ["index" if entry.media_type in INDEXES else str(entry.platform) for entry in entries]
        if len(set(kinds)) < len(kinds):
            raise ProtocolError(
                f"the archive has two images of the name {shown}", "save the one that is meant in an archive of its own"
            )
        leaves: dict[Digest, tuple[Descriptor, Manifest]] = {}
        self._collect(Index(OCI_INDEX, tuple(entries), {}), shown, leaves, set())
        chosen = self._chosen(leaves, shown)
        index = self._document(entries[0], shown) if len(entries) == 1 and kinds[0] == "index" else None
        return self._packed(*leaves[chosen.digest], PackedImage(names, (), index=index, label=shown))

    def _chosen(self, leaves: dict[Digest, tuple[Descriptor, Manifest]], shown: str) -> Descriptor:
        """The entry that fits best among the images; among all if there is none, so that the error says what there is."""
        images = [entry for entry, manifest in leaves.values() if _is_image(manifest)]
        offered = images or [entry for entry, _ in leaves.values()]
        try:
            return select(Index(OCI_INDEX, tuple(offered), {}), self._wanted, lambda entry: leaves[entry.digest][1], shown)
        except NotAtRegistry:
            if len(images) != 1 or self._wanted.strict:
                raise
            # The only one is taken though it is for another machine, as Docker does: it may be there to be passed on.
            return images[0]

    def _collect(
        self, index: Index, shown: str, leaves: dict[Digest, tuple[Descriptor, Manifest]], seen: set[Digest], depth: int = 0
    ) -> None:
        """All manifests that are there, through indexes in indexes; beside others, what is no manifest is left out."""
        if depth > MAX_NESTING:
            raise ProtocolError(f"{shown} nests more than {MAX_NESTING} levels of indexes")
        for entry in index.manifests:
            if entry.digest in seen:
                continue
            seen.add(entry.digest)
            if len(seen) > MAX_IMAGES:
                raise ProtocolError(f"{shown} leads to more than {MAX_IMAGES} images")
            try:
                document = self._nested(entry, shown)
            except UnsupportedContent:
                if depth == 0:
                    raise
                continue
            if isinstance(document, Index):
                self._collect(document, shown, leaves, seen, depth + 1)
            else:
                leaves[entry.digest] = entry, document
                self.configs.add(document.config.digest)

    def _nested(self, entry: Descriptor, shown: str) -> ManifestOrIndex:
        document = parse_manifest(self._content(entry, shown), shown, expected=entry.media_type)
        return self._present(document) if isinstance(document, Index) else document

    def _content(self, entry: Descriptor, shown: str) -> bytes:
        data = self._documents.read(blob_path(entry.digest))
        if data is None:
            raise LayerError(f"{shown} needs the blob {entry.digest.short}, which is not in the archive")
        verify(data, entry.digest, entry.size, f"the blob {entry.digest.short} of {shown}")
        return data

    def _document(self, entry: Descriptor, shown: str) -> Document:
        return Document(self._content(entry, shown), entry.digest, entry.media_type)

    def _packed(self, entry: Descriptor, manifest: Manifest, image: PackedImage) -> PackedImage:
        shown = image.shown
        manifest.check_runnable(shown)
        what = f"the configuration of {shown}"
        config_bytes = self._content(manifest.config, shown)
        config = ImageConfig.from_document(read_document(config_bytes, what), what)
        if len(config.diff_ids) != len(manifest.layers):
            raise ProtocolError(f"{shown} has {len(manifest.layers)} layers, but its configuration names {len(config.diff_ids)}")
        platform = Platform.named(config.os or "linux", config.architecture or "amd64", config.variant)
        if self._wanted.strict and self._wanted.rank(platform) is None:
            raise NotAtRegistry(f"{shown} is an image for {platform}, not for {self._wanted.platform}")
        layers = []
        for blob, diff_id in zip(manifest.layers, config.diff_ids):
            part = self._members.find(blob_path(blob.digest))
            if part is not None and part.size != blob.size:
                raise DigestMismatch(f"layer {blob.digest.short} of {shown} has {part.size} bytes instead of {blob.size}")
            layers.append(PackedLayer(part, f"layer {blob.digest.short}", blob, diff_id))
        document = changed(self._document(entry, shown), media_type=manifest.media_type)
        return changed(image, layers=tuple(layers), config=config_bytes, config_digest=manifest.config.digest, manifest=document)


def _is_image(manifest: Manifest) -> bool:
    try:
        manifest.check_runnable("it")
    except UnsupportedContent:
        return False
    return True


def _name_of(entry: Descriptor) -> Reference | None:
    """The reference that an entry is named by; `None` if it has none, or a tag alone."""
    annotations = entry.annotations or {}
    for key in (NAME, REF_NAME):
        text = annotations.get(key, "")
        if text.startswith(_DANGLING) or not (":" in text or "/" in text):
            continue
        try:
            return Reference.parse(text)
        except BadReference:
            continue
    return None


def _label(entry: Descriptor) -> str:
    """What an entry without a name is called for people."""
    text = (entry.annotations or {}).get(REF_NAME, "")
    return f"the image with the tag {printable(text[:60])}" if text else ""


def _merged(images: list[PackedImage]) -> list[PackedImage]:
    """One image for each manifest, with all its names."""
    found: dict[tuple[Document | None, Document | None], PackedImage] = {}
    for image in images:
        key = (image.manifest, image.index)
        known = found.get(key)
        found[key] = image if known is None else changed(known, names=(*known.names, *image.names))
    return list(found.values())
