"""The repository of udocker (~/.udocker): its images as values for the loader, its containers by name. Read only.

    layers/sha256:HEX                 a blob as a registry sent it, of images in form v2
    layers/ID.layer, ID.json          a layer's archive and its description, of images in form v1 (loaded or imported)
    repos/NAME/TAG/TAG                marks a directory that is an image; beside it
        v2, manifest                  form v2: the manifest written anew by udocker, of schema 2 or 1
        v1, ancestry, container.json  form v1: the ids of the layers, top first; how it runs
    containers/UUID/ROOT              a container's files; beside it imagerepo.name, execmode; names are links to UUID

udocker checks no digest, so all of form v2 are checked here (by the loader); of form v1 there are none, its ids are random. The manifest's own
bytes are lost: an image has another digest here than at its registry, though configuration and layers are the same.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from sampan.errors import DigestMismatch, LayerError, ProtocolError, SampanError, printable
from sampan.image.members import DirectoryMembers
from sampan.image.packed import Document, PackedImage, PackedLayer
from sampan.oci.config import ImageConfig
from sampan.oci.digest import Digest, Verifier, sha256_of, verify
from sampan.oci.document import MAX_BYTES, maps_of, read_document, text_of
from sampan.oci.manifest import Manifest, parse_manifest
from sampan.oci.reference import Reference
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

_MAX_LAYERS = 1000
_KEPT = ("architecture", "os", "variant", "created", "author", "config", "history")
_PATCHED_MODES = ("F", "R")


@frozen
class Container:
    """A container of udocker; `mode` is how it is run, as `P1`, `names` may be none; `protected` from being removed."""

    id: str
    names: tuple[str, ...]
    image: str
    mode: str
    root: str
    protected: bool = False


class Repository:
    """One directory of udocker's. Close it when done."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._members = DirectoryMembers(self._descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the directory."""
        os.close(self._descriptor)

    def is_one(self) -> bool:
        """Whether it looks like udocker's."""
        return os.path.isdir(f"{self.path}/repos") and os.path.isdir(f"{self.path}/layers")

    def tags(self) -> list[tuple[str, str]]:
        """The images: what udocker calls each, and its directory from the top."""
        found = []
        for here, directories, files in os.walk(f"{self.path}/repos"):
            if "TAG" in files:
                name, _, tag = os.path.relpath(here, f"{self.path}/repos").rpartition("/")
                found.append((f"{name}:{tag}", os.path.relpath(here, self.path)))
                directories.clear()
        return sorted(found)

    def image(self, name: str, place: str) -> PackedImage:
        """The image in a directory of `tags`. Raises `SampanError` for what is damaged, missing or no name."""
        reference = Reference.parse(name)
        if self._members.find(f"{place}/v1") is not None:
            return self._form_1(reference, place)
        data = self._read(f"{place}/manifest")
        document = read_document(data, f"the manifest of {name}")
        if "fsLayers" in document:
            return self._schema_1(reference, place, document)
        return self._schema_2(reference, place, data)

    def _read(self, name: str) -> bytes:
        part = self._members.find(name)
        if part is None:
            raise LayerError(f"the file {printable(name)} is missing")
        if part.size > MAX_BYTES:
            raise LayerError(f"the file {printable(name)} has {part.size} bytes; at most {MAX_BYTES} are accepted")
        return b"".join(part.pieces())

    def _schema_2(self, reference: Reference, place: str, data: bytes) -> PackedImage:
        what = reference.familiar
        manifest = parse_manifest(data, what)
        if not isinstance(manifest, Manifest):
            raise ProtocolError(f"the manifest of {what} is an index")
        manifest.check_runnable(what)
        config_bytes = self._read(f"{place}/{manifest.config.digest}")
        verify(config_bytes, manifest.config.digest, manifest.config.size, f"the configuration of {what}")
        config = ImageConfig.from_document(read_document(config_bytes, what), f"the configuration of {what}")
        if len(config.diff_ids) != len(manifest.layers):
            raise ProtocolError(f"{what} has {len(manifest.layers)} layers, but its configuration names {len(config.diff_ids)}")
        layers = []
        for blob, diff_id in zip(manifest.layers, config.diff_ids):
            part = self._members.find(f"{place}/{blob.digest}")
            if part is not None and part.size != blob.size:
                raise DigestMismatch(f"layer {blob.digest.short} of {what} has {part.size} bytes instead of {blob.size}")
            layers.append(PackedLayer(part, f"layer {blob.digest.short}", blob, diff_id))
        document = Document(data, sha256_of(data), manifest.media_type)
        return PackedImage((reference,), tuple(layers), config_bytes, None, document, manifest.config.digest)

    def _schema_1(self, reference: Reference, place: str, document: dict[str, object]) -> PackedImage:
        what = reference.familiar
        history = maps_of(document, "history", what)
        described = read_document(text_of(history[0] if history else {}, "v1Compatibility", what).encode(), what)
        layers = []
        for entry in reversed(maps_of(document, "fsLayers", what)):
            digest = Digest.parse(text_of(entry, "blobSum", what))
            part = self._members.find(f"{place}/{digest}")
            if part is None:
                raise LayerError(f"layer {digest.short} of {what} is missing")
            verifier = Verifier(digest, None, f"layer {digest.short} of {what}")
            for piece in part.pieces():
                verifier.update(piece)
            verifier.finish()
            layers.append(PackedLayer(part, f"layer {digest.short}"))
        return self._of(reference, layers, described)

    def _form_1(self, reference: Reference, place: str) -> PackedImage:
        what = reference.familiar
        try:
            ancestry = json.loads(self._read(f"{place}/ancestry"))
        except ValueError as error:
            raise ProtocolError(f"the list of layers of {what} is not JSON") from error
        if not isinstance(ancestry, list) or not all(isinstance(id, str) and id.isalnum() for id in ancestry):
            raise ProtocolError(f"the list of layers of {what} is not a list of ids")
        if not 0 < len(ancestry) <= _MAX_LAYERS:
            raise ProtocolError(f"{what} has {len(ancestry)} layers")
        layers = []
        for id in reversed(ancestry):
            part = self._members.find(f"{place}/{id}.layer")
            if part is None:
                raise LayerError(f"layer {id[:12]} of {what} is missing", "udocker did not store it, as with archives of skopeo")
            layers.append(PackedLayer(part, f"layer {id[:12]}"))
        own = self._members.find(f"{place}/container.json")
        described = self._read(f"{place}/container.json" if own is not None else f"{place}/{ancestry[0]}.json")
        return self._of(reference, layers, read_document(described, f"the description of {what}"))

    @staticmethod
    def _of(reference: Reference, layers: list[PackedLayer], described: dict[str, object]) -> PackedImage:
        """An image whose configuration is made of a description in the old form."""
        base = {key: described[key] for key in _KEPT if described.get(key) is not None}
        run = base.get("config")
        if isinstance(run, dict):
            base["config"] = {key: value for key, value in run.items() if value is not None}
        base.setdefault("os", "linux")
        base.setdefault("architecture", "amd64")
        return PackedImage((reference,), tuple(layers), config_base=base)

    # Containers

    def containers(self) -> Iterator[Container]:
        """All containers that have files."""
        base = f"{self.path}/containers"
        entries = sorted(os.listdir(base)) if os.path.isdir(base) else []
        names: dict[str, list[str]] = {}
        for entry in entries:
            if os.path.islink(f"{base}/{entry}"):
                names.setdefault(os.path.basename(os.readlink(f"{base}/{entry}")), []).append(entry)
        for entry in entries:
            place = f"{base}/{entry}"
            if not os.path.islink(place) and os.path.isdir(f"{place}/ROOT"):
                image = self._line(f"containers/{entry}/imagerepo.name")
                mode = self._line(f"containers/{entry}/execmode") or "P1"
                protected = os.path.exists(f"{place}/PROTECT")
                yield Container(entry, tuple(names.get(entry, ())), image, mode, f"{place}/ROOT", protected)

    def _line(self, name: str) -> str:
        try:
            return self._read(name).decode("utf-8", "replace").strip()
        except SampanError:
            return ""


def is_patched(container: Container) -> bool:
    """Whether its mode has changed the files, so that they no longer run elsewhere: links, loaders and libraries are rewritten."""
    return container.mode[:1] in _PATCHED_MODES
