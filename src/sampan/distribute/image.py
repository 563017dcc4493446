"""One image on its way: manifest, layers, merge, its directory in the repository."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.distribute import layout
from sampan.distribute.crowd import each
from sampan.distribute.flat import Tree, complete
from sampan.distribute.layer_cache import LayerCache
from sampan.distribute.once import Once
from sampan.distribute.state import Record
from sampan.distribute.verify import fingerprint
from sampan.errors import SampanError, UsageError
from sampan.image.resolve import layer_pairs, resolve
from sampan.oci.platform import Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cvmfs.publish import Publication
    from sampan.distribute.expand import Item
    from sampan.distribute.layer_cache import Contents
    from sampan.events import Notice, Progress
    from sampan.image.resolve import Resolved
    from sampan.registry.client import Client

LAYERS_AT_ONCE = 2


@dataclass(frozen=True)
class Made:
    """A directory as it is in the repository now; `seal` is the fingerprint of its entries if this run has made it, else empty."""

    directory: str
    size: int
    files: int
    seal: str = ""


@dataclass(frozen=True)
class Done:
    """An image that is where it should be, once the publication is committed; `manifest` is the document byte for byte."""

    record: Record
    made: Made
    manifest: bytes


class Quota:
    """Bytes of layers that the images of a list may have together, as the registry counts them."""

    def __init__(self, limit: int | None, label: str, records: Sequence[Record]) -> None:
        self._limit = limit
        self._label = label
        self._lock = threading.Lock()
        self._directories: dict[str, int] = {}
        self._of: dict[tuple[str, str], str] = {}
        for record in records:
            if label in record.lists:
                self._directories[record.directory] = record.packed
                self._of[record.key] = record.directory

    def take(self, key: tuple[str, str], directory: str, packed: int) -> None:
        """Count an image in, in the place of what its name led to. Raises `UsageError` if that is too much."""
        if self._limit is None:
            return
        with self._lock:
            of = {**self._of, key: directory}
            sizes = {**self._directories, directory: packed}
            total = sum(sizes[one] for one in set(of.values()))
            if total > self._limit:
                raise UsageError(
                    f"with it the images of {self._label} would have {total} bytes of layers, and its quota is {self._limit}",
                    "take images out of the list, or raise --quota",
                )
            self._of, self._directories = of, sizes


class Images:
    """Publishes images into one publication; for several threads."""

    def __init__(self, client: Client, publication: Publication, base: bytes, notice: Notice, progress: Progress) -> None:
        self._client = client
        self._publication = publication
        self._base = base
        self._notice = notice
        self._progress = progress
        self._layers = LayerCache(publication.bodies)
        self._made: Once[str, Made] = Once()
        self.bind_points: tuple[str, ...] = ()

    def publish(self, item: Item, quota: Quota, label: str, now: str) -> Done:
        """Bring an image into the repository, unless its directory is there already; its links are left to the caller.

        Raises what `resolve` raises, `LayerError`, `DigestMismatch`, `UsageError` for a quota, and what the store raises.
        """
        found = resolve(self._client, item.reference, Wanted(item.platform, strict=True))
        directory = layout.flat(found.manifest.config.digest)
        packed = sum(layer.size for layer in found.manifest.layers)
        quota.take(item.key, directory, packed)
        made = self._made.get(directory, lambda: self._existing(directory) or self._make(found, directory, packed))
        record = Record(
            item.link,
            str(item.platform),
            str(item.reference),
            str(item.reference.digest or (found.index or found.fetched).digest),
            str(found.fetched.digest),
            str(found.manifest.config.digest),
            directory,
            now,
            made.size,
            made.files,
            packed,
            (label,),
            item.links,
        )
        return Done(record, made, found.fetched.content)

    def _existing(self, directory: str) -> Made | None:
        """A directory that an earlier revision has, ours or another publisher's."""
        path = layout.below(self._base, directory)
        base = self._publication.base
        if base.lookup(path) is None:
            return None
        entries = [entry for _, entry in base.walk(path) if entry.is_file]
        return Made(directory, sum(entry.size for entry in entries), len(entries))

    def _make(self, found: Resolved, directory: str, packed: int) -> Made:
        task = self._progress.begin(found.reference.familiar, packed)
        tree = Tree()
        try:
            pairs = layer_pairs(found)

            def read(at: int) -> Contents:
                descriptor, diff_id = pairs[at]
                contents = self._layers.get(descriptor, diff_id, lambda blob: self._client.blob(found.reference, blob))
                task.advance(descriptor.size)
                return contents

            for contents in each(read, range(len(pairs)), LAYERS_AT_ONCE):
                if isinstance(contents, SampanError):
                    raise contents
                tree.apply(contents)
            complete(tree, found.config, found.config_bytes, self._publication.bodies, self.bind_points)
            flat = tree.flat()
            if flat.left_out:
                self._notice.warn(
                    f"{found.reference.familiar}: {flat.left_out} extended attributes are too long for the repository's format"
                )
            self._publication.graft(layout.below(self._base, directory), flat.entries)
            return Made(directory, flat.size, flat.files, fingerprint(flat.entries))
        finally:
            task.done()
