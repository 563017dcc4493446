"""From a reference to one image for one platform: index, manifest and configuration, fetched and checked.

What the store has already is not fetched: for a tag that was pulled before the registry is only asked (by HEAD, which counts
for no limit) whether it still means the same.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import NotAtRegistry, ProtocolError
from sampan.layers.decompress import means
from sampan.oci.config import ImageConfig
from sampan.oci.document import read_document
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.mediatypes import check_layer_type
from sampan.oci.platform import Platform, Wanted, host_platform
from sampan.oci.select import select
from sampan.registry.client import FetchedManifest
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest
    from sampan.oci.reference import Reference
    from sampan.registry.client import Client


@frozen
class Resolved:
    """An image at a registry, down to the list of its layers; `index` is the index it was chosen from, if any."""

    reference: Reference
    index: FetchedManifest | None
    fetched: FetchedManifest
    manifest: Manifest
    config_bytes: bytes
    config: ImageConfig

    @property
    def platform(self) -> Platform:
        """The platform that the configuration names."""
        return Platform.named(self.config.os or "linux", self.config.architecture or "amd64", self.config.variant)


def this_host() -> Platform:
    """The platform of this machine."""
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as stream:
            cpuinfo = stream.read(1 << 20)
    except OSError:
        cpuinfo = ""
    return host_platform(os.uname().machine, cpuinfo)


def wanted_platform(text: str | None) -> Wanted:
    """What to choose from an index: an explicit platform strictly, else the best for this machine. Raises `UsageError`."""
    host = this_host()
    return Wanted(Platform.parse(text, host), strict=True) if text else Wanted(host)


class Stored:
    """What the store has: small blobs by their digests, and whether a reference was pulled before."""

    def __init__(self, find: Callable[[Digest], bytes | None], *, is_known: bool = False) -> None:
        """`find` gives a verified blob or `None`."""
        self.find = find
        self.is_known = is_known


NOTHING_STORED = Stored(lambda _: None)


def resolve(client: Client, reference: Reference, wanted: Wanted, stored: Stored = NOTHING_STORED) -> Resolved:
    """Ask the registry what a reference is on a platform.

    Raises `NotAtRegistry` that lists the platforms there are, `UnsupportedContent` for what is no image, and what the
    client raises.
    """
    what = reference.familiar
    fetched = _top(client, reference, stored)
    document = parse_manifest(fetched.content, what, content_type=fetched.media_type)
    index = None
    if isinstance(document, Index):
        index = fetched
        chosen = select(document, wanted, lambda entry: _nested(client, reference, entry, stored), what, zstd=_reads_zstd())
        fetched = _by_digest(client, reference.with_digest(chosen.digest), stored, chosen.media_type)
        document = parse_manifest(fetched.content, what, expected=chosen.media_type)
    if not isinstance(document, Manifest):
        raise ProtocolError(f"{what} leads to an index where its index says that there is an image")
    document.check_runnable(what)
    for layer in document.layers:
        check_layer_type(layer.media_type, what)
    config_bytes = stored.find(document.config.digest) or client.small_blob(reference, document.config)
    config = ImageConfig.from_document(
        read_document(config_bytes, f"the configuration of {what}"), f"the configuration of {what}"
    )
    found = Resolved(reference, index, fetched, document, config_bytes, config)
    _check(found, wanted, what)
    return found


def _top(client: Client, reference: Reference, stored: Stored) -> FetchedManifest:
    """What the reference itself leads to."""
    if reference.digest is not None:
        return _by_digest(client, reference, stored, "")
    if stored.is_known:
        told = client.head_manifest(reference)
        content = stored.find(told.digest)
        if content is not None:
            return FetchedManifest(told.media_type, content, told.digest)
    return client.manifest(reference)


def _by_digest(client: Client, reference: Reference, stored: Stored, media_type: str) -> FetchedManifest:
    content = stored.find(reference.digest) if reference.digest is not None else None
    if content is None or reference.digest is None:
        return client.manifest(reference)
    return FetchedManifest(media_type, content, reference.digest)


def _reads_zstd() -> bool:
    return all(decoder for compression, decoder, _ in means() if compression == "zstd")


def _nested(client: Client, reference: Reference, entry: Descriptor, stored: Stored) -> Manifest | Index:
    fetched = _by_digest(client, reference.with_digest(entry.digest), stored, entry.media_type)
    return parse_manifest(fetched.content, reference.familiar, expected=entry.media_type)


def _check(found: Resolved, wanted: Wanted, what: str) -> None:
    if len(found.config.diff_ids) != len(found.manifest.layers):
        raise ProtocolError(
            f"{what} has {len(found.manifest.layers)} layers, but its configuration names {len(found.config.diff_ids)}",
        )
    if found.config.os and wanted.rank(found.platform) is None:
        raise NotAtRegistry(
            f"{what} is an image for {found.platform}, not for {wanted.platform}",
            None if wanted.strict else f"choose it with --platform {found.platform}",
        )


def layer_pairs(found: Resolved) -> list[tuple[Descriptor, Digest]]:
    """Each layer's blob with the digest of what it unpacks to, lowest first."""
    return list(zip(found.manifest.layers, found.config.diff_ids))
