"""Push: an image from the store into a registry, byte for byte as it was pulled, so its digest stays the same.

Theory of operation. First every blob is asked for at the destination, `parallel` at once. What it lacks is mounted from
another image of the same registry where the store knows one, else sent. What neither the registry nor the store has ends the
push before anything is sent: with `keep_blobs = false` layers are dropped once they are unpacked. Manifests follow when
their blobs are there, an index after its manifests, and the tag last: so nobody finds half an image. The first failure
ends the other transfers.
"""

from __future__ import annotations

import os
import threading

from sampan.errors import CorruptRecord, DigestMismatch, ImageNotFound, RemoteError, SampanError, StoreError
from sampan.image.parallel import each
from sampan.oci.digest import Digest
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.mediatypes import is_foreign
from sampan.oci.platform import listed
from sampan.oci.reference import Reference
from sampan.store import blobs, names
from sampan.values import frozen

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from sampan.events import Notice, Progress
    from sampan.oci.descriptor import Descriptor
    from sampan.registry.client import Client, Target
    from sampan.store.layout import Store
    from sampan.store.names import Image

PIECE = 128 * 1024
MAX_SOURCES = 3


@frozen
class _Document:
    """A manifest or index that is sent as it is."""

    digest: Digest
    content: bytes
    media_type: str


@frozen
class Pusher:
    """Where images come from and how they are sent."""

    client: Client
    stores: tuple[Store, ...]
    notice: Notice
    progress: Progress
    parallel: int = 4

    def push(self, image: Image, destination: Reference, *, all_platforms: bool = False) -> Digest:
        """Send an image of the store to a tag, or without one under its digest alone; the digest of what was sent.

        `all_platforms`: the whole index that it was chosen from. Raises `ImageNotFound` for what is not in the store, and what
        `Target` raises.
        """
        documents = self._all_platforms(image) if all_platforms else [self._document(image.manifest, image.media_type)]
        wanted = _blobs_of(documents)
        target = self.client.target(destination)
        has = self._each(lambda one: target.has_blob(one.digest), wanted)
        self._send_blobs(target, [descriptor for descriptor, there in zip(wanted, has) if not there], destination, image)
        for document in documents[:-1]:
            target.send_manifest(str(document.digest), document.content, document.media_type)
        top = documents[-1]
        target.send_manifest(destination.tag or str(top.digest), top.content, top.media_type)
        return top.digest

    def _document(self, digest: str, media_type: str) -> _Document:
        parsed = Digest.parse(digest)
        content = self._read(parsed)
        if content is None:
            raise ImageNotFound(f"the manifest {parsed.short} is not in the store")
        return _Document(parsed, content, media_type)

    def _read(self, digest: Digest) -> bytes | None:
        for store in self.stores:
            try:
                return blobs.read(store, digest)
            except (FileNotFoundError, NotADirectoryError):
                continue
        return None

    def _all_platforms(self, image: Image) -> list[_Document]:
        """The index that an image was chosen from and all it leads to, children first. Raises `ImageNotFound`."""
        if not image.index:
            return [self._document(image.manifest, image.media_type)]
        found: dict[Digest, _Document] = {}
        absent: list[Descriptor] = []
        self._collect(self._document(image.index, ""), found, absent)
        if absent:
            lacking = listed(entry.platform for entry in absent if entry.platform is not None) or "some of its entries"
            reference = _shown(image)
            raise ImageNotFound(
                f"of the platforms of {reference} the store does not have {lacking}",
                f"sampan pull --platform PLATFORM {reference} for each, then push again",
            )
        return list(found.values())

    def _collect(self, document: _Document, found: dict[Digest, _Document], absent: list[Descriptor]) -> None:
        """Put a document behind its children; each once."""
        parsed = parse_manifest(document.content, f"the manifest {document.digest.short}", expected=document.media_type)
        if isinstance(parsed, Index):
            for entry in parsed.manifests:
                content = self._read(entry.digest)
                if content is None:
                    absent.append(entry)
                elif entry.digest not in found:
                    self._collect(_Document(entry.digest, content, entry.media_type), found, absent)
        found.setdefault(document.digest, _Document(document.digest, document.content, parsed.media_type))

    def _each(self, work: Callable[[Descriptor], bool], items: list[Descriptor]) -> list[bool]:
        return each(work, items, self.parallel, self.client.stop)

    def _send_blobs(self, target: Target, missing: list[Descriptor], destination: Reference, image: Image) -> None:
        sources = self._sources(target, destination)
        paths = {descriptor.digest: self._path(descriptor) for descriptor in missing}
        # What is not here can only be mounted; whether that works has to be known before anything is sent.
        lost = [descriptor for descriptor in missing if paths[descriptor.digest] is None]
        mounted = self._each(lambda one: _mount(target, one, sources), lost)
        gone = [descriptor for descriptor, there in zip(lost, mounted) if not there]
        if gone:
            raise _not_here(gone, destination, image)
        here = [descriptor for descriptor in missing if paths[descriptor.digest] is not None]
        self._each(lambda one: self._send(target, one, paths[one.digest] or "", sources), here)

    def _send(self, target: Target, descriptor: Descriptor, path: str, sources: Callable[[Digest], list[str]]) -> bool:
        if _mount(target, descriptor, sources):
            return False
        task = self.progress.begin(descriptor.digest.short, descriptor.size)
        try:
            target.send_blob(descriptor, lambda start: _pieces(path, start), task)
            return True
        except RemoteError as error:
            if "DIGEST_INVALID" in error.sentence:
                self._check(descriptor, path)
            raise
        finally:
            task.done()

    def _path(self, descriptor: Descriptor) -> str | None:
        """The file of a blob in whichever store has it. Raises `CorruptRecord` for one of another size."""
        for store in self.stores:
            size = blobs.size_of(store, descriptor.digest)
            if size is not None:
                path = blobs.path_of(store, descriptor.digest)
                if size != descriptor.size:
                    raise _damaged(path, f"it has {size} bytes instead of {descriptor.size}")
                return path
        return None

    def _check(self, descriptor: Descriptor, path: str) -> None:
        """Who is to blame for a digest that does not fit? Raises `CorruptRecord` if it is the store."""
        for store in self.stores:
            if blobs.path_of(store, descriptor.digest) == path:
                try:
                    blobs.verify(store, descriptor.digest)
                except DigestMismatch as error:
                    raise _damaged(path, "it does not match its digest") from error

    def _sources(self, target: Target, destination: Reference) -> Callable[[Digest], list[str]]:
        """Which other images of the registry have a blob, by the names in the stores; looked up when it is first asked."""
        known: dict[str, list[str]] | None = None if target.domain == destination.domain else {}
        lock = threading.Lock()

        def paths(digest: Digest) -> list[str]:
            nonlocal known
            with lock:
                if known is None:
                    known = self._read_sources(destination)
            return known.get(str(digest), [])[:MAX_SOURCES]

        return paths

    def _read_sources(self, destination: Reference) -> dict[str, list[str]]:
        known: dict[str, list[str]] = {}
        for store in self.stores:
            for image in names.listing(store):
                if not image.is_named:
                    continue
                reference = Reference.parse(image.reference)
                if reference.domain != destination.domain or reference.path == destination.path:
                    continue
                try:
                    content = blobs.read(store, Digest.parse(image.manifest))
                    parsed = parse_manifest(content, "a manifest", expected=image.media_type)
                except (FileNotFoundError, SampanError):
                    continue  # fsck names it; here it only saves work
                if isinstance(parsed, Manifest):
                    for descriptor in (parsed.config, *parsed.layers):
                        paths = known.setdefault(str(descriptor.digest), [])
                        if reference.path not in paths:
                            paths.append(reference.path)
        return known


def _blobs_of(documents: Iterable[_Document]) -> list[Descriptor]:
    """Configurations and layers, each once; not the layers that no registry may keep."""
    found: dict[Digest, Descriptor] = {}
    for document in documents:
        parsed = parse_manifest(document.content, f"the manifest {document.digest.short}", expected=document.media_type)
        if isinstance(parsed, Manifest):
            for descriptor in (*parsed.layers, parsed.config):
                if not is_foreign(descriptor.media_type):
                    found.setdefault(descriptor.digest, descriptor)
    return list(found.values())


def _mount(target: Target, descriptor: Descriptor, sources: Callable[[Digest], list[str]]) -> bool:
    return any(target.mount(descriptor.digest, source) for source in sources(descriptor.digest))


def _pieces(path: str, start: int) -> Iterator[bytes]:
    try:
        with open(path, "rb", buffering=0) as stream:
            os.lseek(stream.fileno(), start, os.SEEK_SET)
            while piece := stream.read(PIECE):
                yield piece
    except OSError as error:
        raise StoreError(f"cannot read the blob {path}: {error.strerror}") from error


def _not_here(gone: list[Descriptor], destination: Reference, image: Image) -> ImageNotFound:
    count = f"{len(gone)} blobs" if len(gone) > 1 else f"the blob {gone[0].digest.short}"
    are, them = ("are", "them") if len(gone) > 1 else ("is", "it")
    reference = _shown(image)
    return ImageNotFound(
        f"{count} of {reference} {are} not in the store, and {destination.domain} does not have {them} either",
        f"with keep_blobs = false layers are dropped once they are unpacked; SAMPAN_KEEP_BLOBS=1 sampan pull {reference} "
        "brings them back",
    )


def _shown(image: Image) -> str:
    """For sentences: its name, or its id if it has none."""
    return Reference.parse(image.reference).familiar if image.is_named else image.config[:19]


def _damaged(path: str, reason: str) -> CorruptRecord:
    return CorruptRecord(f"the blob {path} is damaged: {reason}", "`sampan store fsck --contents` finds all that is damaged")
