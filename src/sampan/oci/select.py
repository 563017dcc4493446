"""From an index to the one manifest for a platform, through indexes inside indexes. Pure: the caller fetches.

The best fitting entry wins, wherever it stands; of equal ones the first. Attestations and artifacts are passed over. An
entry without a platform is the last resort: its configuration has to tell whether it fits, and the caller asks it.

Some indexes have each image twice, compressed with gzip and, marked by an annotation, with zstd: the latter is smaller and
faster to unpack, so it is taken where it can be read, and not where it cannot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import NotAtRegistry, ProtocolError
from sampan.oci.manifest import Index
from sampan.oci.mediatypes import INDEXES
from sampan.oci.platform import Platform, Wanted, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest
    from sampan.oci.manifest import ManifestOrIndex

ZSTD = "io.github.containers.compression.zstd"
MAX_NESTING = 4
MAX_INDEXES = 64


def select(
    index: Index, wanted: Wanted, fetch: Callable[[Descriptor], ManifestOrIndex], what: str, *, zstd: bool = True
) -> Descriptor:
    """The descriptor of the manifest that fits best; `fetch` gives the verified document of a nested index.

    `zstd`: whether layers compressed with it can be read. Raises `NotAtRegistry` that lists what there is, `ProtocolError`
    for indexes nested too deeply.
    """
    best: tuple[tuple[int, bool], Descriptor] | None = None
    unlabelled: Descriptor | None = None
    offered: list[Platform] = []
    for entry in _walk(index, fetch, what):
        if entry.platform is None:
            unlabelled = unlabelled or entry
            continue
        offered.append(entry.platform)
        fit = wanted.rank(entry.platform)
        if fit is None:
            continue
        rank = (fit, ((entry.annotations or {}).get(ZSTD) == "true") != zstd)
        if best is None or rank < best[0]:
            best = (rank, entry)
    if best is not None:
        return best[1]
    if unlabelled is not None:
        return unlabelled
    if not offered:
        raise NotAtRegistry(f"{what} is an index without any image in it")
    raise NotAtRegistry(
        f"{what} has no image for {wanted.platform}; it has {listed(offered)}",
        "choose one of them with --platform" if not wanted.strict else None,
    )


def _walk(index: Index, fetch: Callable[[Descriptor], ManifestOrIndex], what: str) -> Iterator[Descriptor]:
    """The entries that can be images, in order, nested indexes opened where they stand."""
    seen: set[Digest] = set()

    def visit(inner: Index, depth: int) -> Iterator[Descriptor]:
        for entry in inner.manifests:
            if entry.is_attestation or (entry.artifact_type and entry.platform is None):
                continue
            if entry.media_type not in INDEXES:
                yield entry
                continue
            if entry.digest in seen:
                continue
            seen.add(entry.digest)
            if depth == MAX_NESTING or len(seen) > MAX_INDEXES:
                raise ProtocolError(f"{what} nests more than {MAX_NESTING} levels or {MAX_INDEXES} indexes")
            nested = fetch(entry)
            if isinstance(nested, Index):
                yield from visit(nested, depth + 1)

    return visit(index, 1)
