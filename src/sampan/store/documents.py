"""Manifests and configurations that are in the store, as JSON. On the start-up path.

They were verified when they were stored, and the store is its owner's alone, so a start does not hash them again (importing
hashlib costs 1.8 ms); `sampan store fsck --contents` does.
"""

from __future__ import annotations

from sampan.store import records

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.store.layout import Store

_ALGORITHMS = {"sha256": 64, "sha512": 128}


def read(store: Store, digest: str) -> dict[str, object] | None:
    """The JSON object whose digest this is; `None` if the store does not have it. Raises `CorruptRecord`, `StoreError`."""
    algorithm, _, encoded = digest.partition(":")
    path = store.join("blobs/blobs", algorithm, encoded)
    if len(encoded) != _ALGORITHMS.get(algorithm) or not encoded.isalnum():
        raise records.corrupt(store.join("names"), f"it names a blob by {digest!r}, which is no digest")
    raw = records.read_bytes(path)
    return None if raw is None else records.object_in(raw, path)
