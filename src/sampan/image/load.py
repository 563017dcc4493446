"""Load: images from an archive into the store, with the same checks as a pull.

Theory of operation. A layer's blob is read once where it lies in the archive: the thread that reads hashes each piece, writes it
to the store and hands it on to be unpacked, so nothing is read or hashed twice (an uncompressed layer's diff_id is its digest).
What the base tree of the image has already is not unpacked again. The names of all images are given last, so an archive that
turns out damaged leaves blobs and perhaps trees, which gc takes, and no name.

Docker's archives before 25 have no manifests. One is made for each image from its configuration, byte for byte as the archive
has it, and its layers as they lie there, so the same archive gives the same digests everywhere.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING

from sampan.errors import DigestMismatch, LayerError, StoreError
from sampan.image.members import Part, read_at
from sampan.image.packed import Document
from sampan.image.spool import spool
from sampan.layers.decompress import compression_of, decompressed
from sampan.layers.limits import Allowance
from sampan.layers.unpack import Layer
from sampan.oci import mediatypes
from sampan.oci.config import ImageConfig
from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest, Verifier, new_hash, sha256_of
from sampan.oci.document import read_document
from sampan.oci.platform import Platform
from sampan.store import blobs, names, trees
from sampan.store.build import base_for, build, chain_of
from sampan.store.leases import Lease
from sampan.store.names import Image
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.events import Notice, Progress, Task
    from sampan.image.packed import PackedImage, PackedLayer
    from sampan.oci.platform import Wanted
    from sampan.store.layout import Store

_LAYER_TYPES = {"none": mediatypes.OCI_LAYER, "gzip": mediatypes.OCI_LAYER + "+gzip", "zstd": mediatypes.OCI_LAYER + "+zstd"}


@frozen
class _Ready:
    """A layer about which everything is known; `is_plain` if its blob is the archive itself."""

    part: Part | None
    shown: str
    blob: Descriptor
    diff_id: Digest
    is_plain: bool


@frozen
class _Documents:
    """The documents of an image, with what the configuration says."""

    config_bytes: bytes
    config_digest: Digest
    config: ImageConfig
    manifest: Document
    index: Document | None

    @property
    def platform(self) -> Platform:
        """The platform that the configuration names."""
        return Platform.named(self.config.os or "linux", self.config.architecture or "amd64", self.config.variant)


@frozen
class Loader:
    """Where images go to; `wanted` is what this machine, or the user, wants to run."""

    store: Store
    notice: Notice
    progress: Progress
    wanted: Wanted
    keep_blobs: bool = True

    def load(self, packed: Sequence[PackedImage]) -> list[Image]:
        """Bring all images into the store, then let their names stand for them; one record for each name.

        An image without names gets a record under its id, unless a name leads to it already. Raises `DigestMismatch`,
        `LayerError`, `ProtocolError`, `UnsupportedContent`, `NoSpace`, `StoreError`.
        """
        with Lease(self.store) as lease:
            fields = [self._bring(lease, one) for one in packed]
            images = self._records(packed, fields)
            names.put_all(self.store, images)
        return images

    def _records(self, packed: Sequence[PackedImage], fields: Sequence[dict[str, str | int]]) -> list[Image]:
        """The records to be written: one for each name, and one for each image that nothing names."""
        named = [Image(**{**values, "reference": str(name)}) for one, values in zip(packed, fields) for name in one.names]
        if all(one.names for one in packed):
            return named
        known = {image.manifest: image for image in [*names.listing(self.store), *named]}
        unnamed: dict[str | int, Image] = {}
        for one, values in zip(packed, fields):
            if not one.names:
                image = Image(**{**values, "reference": values["config"]})
                unnamed[values["config"]] = known.get(image.manifest, image)
        return [*named, *unnamed.values()]

    def _bring(self, lease: Lease, packed: PackedImage) -> dict[str, str | int]:
        """Store the blobs and the tree; the fields of the image's record."""
        with ExitStack() as spooled:
            layers = [self._ready(layer, spooled, packed) for layer in packed.layers]
            found = _documents(packed, layers)
            for document in (found.index, found.manifest):
                if document is not None:
                    blobs.add(lease, [document.content], document.digest)
            blobs.add(lease, [found.config_bytes], found.config_digest)
            if self.wanted.rank(found.platform) is None:
                self.notice.warn(f"{packed.shown} is an image for {found.platform}, not for this machine")
            unpacked = self._unpack(lease, layers, packed.shown)
        return {
            "manifest": str(found.manifest.digest),
            "config": str(found.config_digest),
            "chain": str(chain_of([layer.diff_id for layer in layers])),
            "platform": str(found.platform),
            "media_type": found.manifest.media_type,
            "index": str(found.index.digest) if found.index is not None else "",
            "size": sum(layer.blob.size for layer in layers),
            "unpacked": unpacked,
            "created": found.config.created,
            "pulled": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }

    # Layers

    def _ready(self, layer: PackedLayer, spooled: ExitStack, packed: PackedImage) -> _Ready:
        part, blob, diff_id = layer.part, layer.blob, layer.diff_id
        if part is None:
            return self._absent(layer, packed.shown)
        compression = compression_of(part.head(6))
        if blob is None and compression in ("xz", "bzip2"):
            # Docker has taken such layers; as blobs of an image nobody would.
            part = self._decompressed(part, spooled, layer.shown)
            compression = "none"
        if blob is not None and diff_id is not None:
            return _Ready(part, layer.shown, blob, diff_id, compression == "none" and blob.digest == diff_id)
        media_type = _LAYER_TYPES.get(compression, mediatypes.OCI_LAYER)
        if compression == "none":
            diff_id = diff_id or _digest_of(part)
            return _Ready(part, layer.shown, Descriptor(media_type, diff_id, part.size), diff_id, True)
        blob = Descriptor(media_type, _digest_of(part), part.size)
        return _Ready(part, layer.shown, blob, diff_id or _digest_inside(part, layer.shown), False)

    def _absent(self, layer: PackedLayer, shown: str) -> _Ready:
        """A layer that the archive lacks, which the store may have: its blob, or a tree that begins with it."""
        blob = layer.blob
        if blob is None and layer.diff_id is not None:
            size = blobs.size_of(self.store, layer.diff_id)
            blob = None if size is None else Descriptor(mediatypes.OCI_LAYER, layer.diff_id, size)
        if blob is None or layer.diff_id is None:
            raise _missing([layer.shown], shown)
        return _Ready(None, layer.shown, blob, layer.diff_id, blob.digest == layer.diff_id)

    def _decompressed(self, part: Part, spooled: ExitStack, shown: str) -> Part:
        allowance = Allowance()
        allowance.add_layer(part.size)
        kept = spool(_Reading(part), allowance, self.store, shown)
        spooled.callback(os.close, kept)
        return Part(lambda: os.dup(kept), 0, os.fstat(kept).st_size)

    def _unpack(self, lease: Lease, layers: Sequence[_Ready], shown: str) -> int:
        """Build the tree and keep the blobs; bytes of the files in the tree."""
        for layer in layers:
            lease.add(str(layer.blob.digest))
        diff_ids = [layer.diff_id for layer in layers]
        base = base_for(lease, diff_ids)
        absent = [layer for layer in layers if layer.part is None and blobs.size_of(self.store, layer.blob.digest) is None]
        needed = [layer.shown for layer in absent if layer in layers[base.depth :]]
        if needed:
            raise _missing(needed, shown)
        sources = []
        task = self.progress.begin(shown, sum(layer.blob.size for layer in layers))
        try:
            for layer in layers[base.depth :]:
                source = _Source(lease, layer, task, keep=self.keep_blobs)
                sources.append(Layer(source, layer.diff_id, layer.blob.size, is_checked_archive=layer.is_plain))
            tree = build(lease, diff_ids, base, sources, self.notice)
            for layer in layers:
                if self.keep_blobs and layer.part is not None and blobs.size_of(self.store, layer.blob.digest) is None:
                    # Below the base, or another process unpacked the same meanwhile.
                    blobs.add(lease, layer.part.pieces(), layer.blob.digest, layer.shown)
        finally:
            task.done()
        if absent:
            words = ", ".join(layer.shown for layer in absent)
            self.notice.warn(f"the archive lacks {words} of {shown}: it can be run, but not saved or pushed")
        return trees.facts(tree).size


class _Reading:
    """A part for what reads by sizes."""

    def __init__(self, part: Part) -> None:
        self._pieces = part.pieces()

    def read(self, size: int) -> bytes:  # noqa: ARG002 - a piece of another size is as good
        return next(self._pieces, b"")


class _Source:
    """A layer for the unpacker: what it reads is verified, and kept as a blob of the store."""

    def __init__(self, lease: Lease, layer: _Ready, task: Task, *, keep: bool) -> None:
        self._lease = lease
        self._layer = layer
        self._task = task
        self._keep = keep
        self._at = 0
        self._descriptor = -1
        self._part = layer.part
        self._blob: blobs.NewBlob | None = None
        self._verifier: Verifier | None = None
        self._given_up = False

    def read(self, size: int) -> bytes:
        """The next piece; empty at the end, if the whole was what it should be. Raises `DigestMismatch`, `StoreError`."""
        if self._given_up:
            raise StoreError("the reading of a layer was given up")
        if self._descriptor < 0:
            self._begin()
        if self._part is None:
            raise StoreError(f"{self._layer.shown} is no longer in the store")
        piece = read_at(self._descriptor, self._part, self._at, size)
        if not piece:
            self._end()
            return b""
        self._at += len(piece)
        if self._blob is not None:
            self._blob.write(piece)
        elif self._verifier is not None:
            self._verifier.update(piece)
        self._task.advance(len(piece))
        return piece

    def _begin(self) -> None:
        digest = self._layer.blob.digest
        stored = blobs.size_of(self._lease.store, digest)
        if self._part is None and stored is not None:
            path = blobs.path_of(self._lease.store, digest)
            self._part = Part(lambda: os.open(path, os.O_RDONLY | os.O_CLOEXEC), 0, stored)
        if self._part is not None:
            self._descriptor = self._part.open()
        if stored is None and self._keep:
            self._blob = blobs.NewBlob(self._lease, digest.algorithm, self._layer.shown)
        else:
            self._verifier = Verifier(digest, None, self._layer.shown)

    def _end(self) -> None:
        if self._blob is not None:
            self._blob.finish(self._layer.blob.digest)
            self._blob.discard()
            self._blob = None
        if self._verifier is not None:
            self._verifier.finish()
            self._verifier = None

    def give_up(self) -> None:
        """The next `read` raises."""
        self._given_up = True

    def close(self) -> None:
        """Forget what was not complete."""
        self._given_up = True
        if self._blob is not None:
            self._blob.discard()
            self._blob = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _missing(layers: list[str], shown: str) -> LayerError:
    return LayerError(
        f"the archive lacks {', '.join(layers)} of {shown}",
        "it was saved from a store that has not all of it: pull the image there for this platform, and save it again",
    )


def _digest_of(part: Part) -> Digest:
    content = new_hash("sha256")
    for piece in part.pieces():
        content.update(piece)
    return Digest("sha256", content.hexdigest())


def _digest_inside(part: Part, shown: str) -> Digest:
    """The digest of what a compressed layer unpacks to, where nothing says it."""
    allowance = Allowance()
    allowance.add_layer(part.size)
    content = new_hash("sha256")
    try:
        for piece in decompressed(_Reading(part), allowance):
            content.update(piece)
    except LayerError as error:
        raise error.about(shown) from None
    return Digest("sha256", content.hexdigest())


def _documents(packed: PackedImage, layers: Sequence[_Ready]) -> _Documents:
    """The documents of an image; what the archive has not is made."""
    config_bytes = packed.config
    if packed.config_base is not None:
        rootfs = {"type": "layers", "diff_ids": [str(layer.diff_id) for layer in layers]}
        config_bytes = _json({**packed.config_base, "rootfs": rootfs})
    what = f"the configuration of {packed.shown}"
    config = ImageConfig.from_document(read_document(config_bytes, what), what)
    if list(config.diff_ids) != [layer.diff_id for layer in layers]:
        raise DigestMismatch(f"{what} names other layers than the archive has")
    digest = packed.config_digest or sha256_of(config_bytes)
    if packed.manifest is not None:
        return _Documents(config_bytes, digest, config, packed.manifest, packed.index)
    manifest = {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": _descriptor(Descriptor(mediatypes.OCI_CONFIG, digest, len(config_bytes))),
        "layers": [_descriptor(layer.blob) for layer in layers],
    }
    content = _json(manifest)
    return _Documents(config_bytes, digest, config, Document(content, sha256_of(content), mediatypes.OCI_MANIFEST), None)


def _descriptor(descriptor: Descriptor) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": str(descriptor.digest), "size": descriptor.size}


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
