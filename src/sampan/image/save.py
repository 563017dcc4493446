"""Save: images of the store as an archive, in Docker's form or OCI's, or as an OCI layout directory.

Theory of operation. What has to be there is looked for first, so an image whose layers were not kept is refused before a byte is
written. Then documents come first and blobs follow, each once, as they are in the store and hashed once more on the way: manifests and
digests stay what they are. Nothing of this machine or of the time gets in, so the same images give the same archive.

The docker-archive has both sides, as `docker save` writes it since Docker 25: an OCI layout, `manifest.json` (Docker 1.10 and later,
podman, skopeo) and `repositories`. Its layers stay compressed as they are; every reader of `manifest.json` undoes that.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from sampan.errors import ImageNotFound, LayerError, StoreError
from sampan.image.docker_archive import MANIFEST
from sampan.image.docker_legacy import REPOSITORIES
from sampan.image.oci_archive import INDEX, LAYOUT, NAME, REF_NAME, blob_path
from sampan.layers.entry import DIRECTORY, FILE, Entry
from sampan.oci.config import ImageConfig
from sampan.oci.digest import Digest, Verifier
from sampan.oci.document import read_document
from sampan.oci.manifest import Manifest, parse_manifest
from sampan.oci.mediatypes import OCI_INDEX
from sampan.store import blobs
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.events import Progress, Task
    from sampan.layers.archive import ArchiveSink
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.reference import Reference
    from sampan.store.layout import Store
    from sampan.store.names import Image

DOCKER, OCI, DIRECTORY_FORM = "docker-archive", "oci-archive", "oci-dir"
FORMATS = (DOCKER, OCI, DIRECTORY_FORM)
_LAYOUT = b'{"imageLayoutVersion": "1.0.0"}'


@frozen
class Saved:
    """An image to be saved, with the names that it gets in the archive, and where its blobs are."""

    names: tuple[Reference, ...]
    manifest_digest: Digest
    manifest_bytes: bytes
    manifest: Manifest
    config: ImageConfig
    shown: str

    @property
    def blobs(self) -> list[tuple[Digest, int]]:
        """Everything that has to be there, manifest first."""
        parts = [(self.manifest_digest, len(self.manifest_bytes)), _sized(self.manifest.config)]
        return [*parts, *(_sized(layer) for layer in self.manifest.layers)]


def _sized(descriptor: Descriptor) -> tuple[Digest, int]:
    return descriptor.digest, descriptor.size


class Saver:
    """Reads from the stores, the site's first."""

    def __init__(self, stores: Sequence[Store], progress: Progress) -> None:
        self._stores = stores
        self._progress = progress

    def ready(self, image: Image, names: tuple[Reference, ...], shown: str) -> Saved:
        """The image with its documents. Raises `ImageNotFound` that says why if a blob is not there, `CorruptRecord`."""
        digest = Digest.parse(image.manifest)
        content = self._document(digest, shown)
        manifest = parse_manifest(content, f"the manifest of {shown}", expected=image.media_type)
        if not isinstance(manifest, Manifest):
            raise LayerError(f"the record of {shown} names an index where a manifest should be", "pull it again")
        what = f"the configuration of {shown}"
        config = ImageConfig.from_document(read_document(self._document(manifest.config.digest, shown), what), what)
        saved = Saved(names, digest, content, manifest, config, shown)
        absent = [blob.short for blob, _ in saved.blobs if self._path(blob) is None]
        if absent:
            raise _not_kept(shown, absent)
        return saved

    def _path(self, digest: Digest) -> str | None:
        paths = (blobs.path_of(store, digest) for store in self._stores)
        return next((path for path in paths if os.path.exists(path)), None)

    def _document(self, digest: Digest, shown: str) -> bytes:
        for store in self._stores:
            try:
                return blobs.read(store, digest)
            except FileNotFoundError:
                continue
        raise _not_kept(shown, [digest.short])

    def archive(self, images: Sequence[Saved], sink: ArchiveSink, form: str) -> None:
        """Write an archive of the form `docker-archive` or `oci-archive`. Raises `DigestMismatch`, `StoreError`, OSError."""
        for name, content in _documents(images, form).items():
            sink.add(Entry(name.encode(), FILE, size=len(content)), (content,))
        made: set[str] = set()
        with _Counted(self._progress, images) as task:
            for digest, size in _each_once(images):
                name = blob_path(digest)
                for directory in ("blobs", os.path.dirname(name)):
                    if directory not in made:
                        made.add(directory)
                        sink.add(Entry(directory.encode(), DIRECTORY, mode=0o755))
                sink.add(Entry(name.encode(), FILE, size=size), self._content(digest, size, task))
        sink.finish()

    def directory(self, images: Sequence[Saved], place: str) -> None:
        """Fill the empty directory `place` with an OCI layout. Raises `DigestMismatch`, `StoreError`, OSError."""
        for name, content in _documents(images, DIRECTORY_FORM).items():
            _write(f"{place}/{name}", iter((content,)))
        with _Counted(self._progress, images) as task:
            for digest, size in _each_once(images):
                path = f"{place}/{blob_path(digest)}"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                _write(path, self._content(digest, size, task))

    def _content(self, digest: Digest, size: int, task: Task) -> Iterator[bytes]:
        """The bytes of a blob, verified at their end."""
        path = self._path(digest)
        if path is None:
            raise StoreError(f"the blob {digest.short} was removed from the store while it was saved")
        verifier = Verifier(digest, size, f"the blob {path}")
        with open(path, "rb", buffering=0) as stream:
            while piece := stream.read(1 << 20):
                verifier.update(piece)
                task.advance(len(piece))
                yield piece
        verifier.finish()


class _Counted:
    """One task for all blobs."""

    def __init__(self, progress: Progress, images: Sequence[Saved]) -> None:
        self._task = progress.begin("saving", sum(size for _, size in _each_once(images)))

    def __enter__(self) -> Task:
        return self._task

    def __exit__(self, *_: object) -> None:
        self._task.done()


def _write(path: str, pieces: Iterator[bytes]) -> None:
    with open(path, "xb") as stream:
        stream.writelines(pieces)


def _each_once(images: Sequence[Saved]) -> list[tuple[Digest, int]]:
    return list({digest: (digest, size) for image in images for digest, size in image.blobs}.values())


def _not_kept(shown: str, absent: list[str]) -> ImageNotFound:
    return ImageNotFound(
        f"{shown} cannot be saved: the store has not kept {len(absent)} of its blobs ({', '.join(absent[:3])})",
        "blobs are dropped after unpacking where the setting keep_blobs is false: set it to true and pull the image again, "
        "or save its root file system with `sampan export`",
    )


# Documents


def _documents(images: Sequence[Saved], form: str) -> dict[str, bytes]:
    """The small files at the top, in the order in which a reader of a stream wants them."""
    found = {LAYOUT: _LAYOUT, INDEX: _json({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": _entries(images)})}
    if form == DOCKER:
        found[MANIFEST] = _json([_item(image) for image in images])
        repositories = _repositories(images)
        if repositories:
            found[REPOSITORIES] = _json(repositories)
    return found


def _entries(images: Sequence[Saved]) -> list[dict[str, object]]:
    """The descriptors of the index: one for each name.

    `ref.name` is the tag, which skopeo and umoci choose by, or the whole name where several images have that tag.
    """
    tags = [name.tag for image in images for name in image.names]
    found = []
    for image in images:
        plain: dict[str, object] = {
            "mediaType": image.manifest.media_type,
            "digest": str(image.manifest_digest),
            "size": len(image.manifest_bytes),
        }
        for name in image.names:
            is_unique = name.tag is not None and tags.count(name.tag) == 1
            label = name.tag if is_unique else str(name)
            found.append({**plain, "annotations": {NAME: str(name), REF_NAME: label}})
        if not image.names:
            found.append(plain)
    return found


def _item(image: Saved) -> dict[str, object]:
    """An image in `manifest.json`. A name by digest is none that Docker could give.

    Names stand in full: podman takes a short one for an image of this machine (`localhost/debian:12`), Docker shortens them itself.
    """
    tags = [str(name) for name in image.names if name.digest is None]
    return {
        "Config": blob_path(image.manifest.config.digest),
        "RepoTags": tags or None,
        "Layers": [blob_path(layer.digest) for layer in image.manifest.layers],
    }


def _repositories(images: Sequence[Saved]) -> dict[str, dict[str, str]]:
    """NAME -> TAG -> top layer."""
    found: dict[str, dict[str, str]] = {}
    for image in images:
        for name in image.names:
            if name.digest is None and name.tag is not None and image.config.diff_ids:
                found.setdefault(name.familiar_name, {})[name.tag] = image.config.diff_ids[-1].encoded
    return found


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
