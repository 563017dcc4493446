"""From a reference to one image for one platform: index, manifest and configuration, fetched and checked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.errors import NotAtRegistry, ProtocolError
from sampan.oci.config import ImageConfig
from sampan.oci.document import read_document
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.mediatypes import check_layer_type
from sampan.oci.platform import Platform, Wanted, host_platform
from sampan.oci.select import select

if TYPE_CHECKING:
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest
    from sampan.oci.reference import Reference
    from sampan.registry.client import Client, FetchedManifest


@dataclass(frozen=True)
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


def resolve(client: Client, reference: Reference, wanted: Wanted) -> Resolved:
    """Ask the registry what a reference is on a platform.

    Raises `NotAtRegistry` that lists the platforms there are, `UnsupportedContent` for what is no image, and what the
    client raises.
    """
    what = reference.familiar
    fetched = client.manifest(reference)
    document = parse_manifest(fetched.content, what, content_type=fetched.media_type)
    index = None
    if isinstance(document, Index):
        index = fetched
        chosen = select(document, wanted, lambda entry: _nested(client, reference, entry), what)
        fetched = client.manifest(reference.with_digest(chosen.digest))
        document = parse_manifest(fetched.content, what, expected=chosen.media_type)
    if not isinstance(document, Manifest):
        raise ProtocolError(f"{what} leads to an index where its index says that there is an image")
    document.check_runnable(what)
    for layer in document.layers:
        check_layer_type(layer.media_type, what)
    config_bytes = client.small_blob(reference, document.config)
    config = ImageConfig.from_document(
        read_document(config_bytes, f"the configuration of {what}"), f"the configuration of {what}"
    )
    found = Resolved(reference, index, fetched, document, config_bytes, config)
    _check(found, wanted, what)
    return found


def _nested(client: Client, reference: Reference, entry: Descriptor) -> Manifest | Index:
    fetched = client.manifest(reference.with_digest(entry.digest))
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
