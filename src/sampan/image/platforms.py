"""All platforms of an index: what `pull --all-platforms` brings beside the image that is unpacked, so that it can be sent on.

Attestations and whatever else the index names come along: without them the index could not be pushed as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import ProtocolError
from sampan.image.parallel import each
from sampan.oci.manifest import Index, parse_manifest
from sampan.oci.mediatypes import is_foreign
from sampan.oci.select import MAX_INDEXES
from sampan.store import blobs

if TYPE_CHECKING:
    from sampan.image.pull import Puller
    from sampan.image.resolve import Resolved
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest
    from sampan.store.leases import Lease


def fetch_all(puller: Puller, lease: Lease, found: Resolved) -> None:
    """Bring everything that the index leads to into the store; nothing without an index. Raises as `Puller.pull`."""
    if found.index is None:
        return
    wanted: dict[Digest, Descriptor] = {}
    _walk(puller, lease, found, found.index.content, wanted)
    each(lambda descriptor: _fetch(puller, lease, found, descriptor), list(wanted.values()), puller.parallel, puller.client.stop)


def _walk(puller: Puller, lease: Lease, found: Resolved, content: bytes, wanted: dict[Digest, Descriptor]) -> None:
    """Store the manifests below an index, nested ones too, and note their blobs."""
    what = found.reference.familiar
    pending: list[tuple[bytes, str]] = [(content, "")]
    seen: set[Digest] = set()
    indexes = 0
    while pending:
        data, media_type = pending.pop()
        parsed = parse_manifest(data, what, expected=media_type)
        if not isinstance(parsed, Index):
            blobs_of = (*parsed.layers, parsed.config)
            wanted.update((one.digest, one) for one in blobs_of if not is_foreign(one.media_type))
            continue
        indexes += 1
        if indexes > MAX_INDEXES:
            raise ProtocolError(f"{what} nests more than {MAX_INDEXES} indexes")
        for entry in parsed.manifests:
            if entry.digest not in seen:
                seen.add(entry.digest)
                pending.append((_manifest(puller, lease, found, entry), entry.media_type))


def _manifest(puller: Puller, lease: Lease, found: Resolved, entry: Descriptor) -> bytes:
    stored = puller.stored(entry.digest)
    content = stored if stored is not None else puller.client.manifest(found.reference.with_digest(entry.digest)).content
    blobs.add(lease, [content], entry.digest, f"a manifest of {found.reference.familiar}")
    return content


def _fetch(puller: Puller, lease: Lease, found: Resolved, descriptor: Descriptor) -> None:
    with blobs.fetching(lease, descriptor.digest, None, puller.notice) as file:
        if file is not None:
            task = puller.progress.begin(descriptor.digest.short, descriptor.size)
            try:
                puller.client.fetch_blob(found.reference, descriptor, file, task)
            finally:
                task.done()
