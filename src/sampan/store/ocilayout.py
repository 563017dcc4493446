"""`blobs/index.json`: the names of the store for tools that read OCI layouts. Derived, rebuilt, never read back."""

from __future__ import annotations

from sampan.errors import SampanError
from sampan.oci.digest import Digest
from sampan.store import blobs, names, records

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.store.layout import Store

_INDEX = "application/vnd.oci.image.index.v1+json"


def write_index(store: Store) -> None:
    """List all images whose manifest is there. Raises OSError.

    Two processes that write it at once both read the names afterwards, so the last file has them all.
    """
    manifests: list[object] = []
    for path in names.paths(store):
        try:
            document = records.read(path)
            if document is None:
                continue
            digest = Digest.parse(records.text_of(document, "manifest", path))
            size = blobs.size_of(store, digest)
            if size is not None:
                media_type = records.text_of(document, "media_type", path)
                reference = records.text_of(document, "reference", path)
                is_named = reference != document.get("config")
                manifests.append(_descriptor(media_type, digest, size, reference if is_named else ""))
        except SampanError:
            continue  # fsck names it; other images should be seen
    index: dict[str, object] = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}
    records.write(store.join("blobs/index.json"), store.temporary("index"), index)


def _descriptor(media_type: str, digest: Digest, size: int, reference: str) -> dict[str, object]:
    descriptor: dict[str, object] = {"mediaType": media_type, "digest": str(digest), "size": size}
    if reference:
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": reference}
    return descriptor
