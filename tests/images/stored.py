"""Small images in a store: what a pull does after the registry, for tests of the store."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path

from sampan.events import SILENT_NOTICE
from sampan.layers.follow import GrowingFile
from sampan.layers.unpack import Layer
from sampan.oci.digest import Digest
from sampan.store import blobs, build, names
from sampan.store.layout import Store, open_store
from sampan.store.leases import Lease

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(data: bytes) -> Digest:
    return Digest("sha256", hashlib.sha256(data).hexdigest())


def new_store(base: Path) -> Store:
    return open_store(str(base / "store"))


def sources(store: Store, archives: list[bytes], skip: int = 0) -> list[Layer]:
    """The layers of archives whose gzip blobs are in the store."""
    layers = []
    for data in archives[skip:]:
        blob = gzip.compress(data, 1, mtime=0)
        descriptor = os.open(blobs.path_of(store, digest_of(blob)), os.O_RDONLY)
        layers.append(Layer(GrowingFile.complete(descriptor), digest_of(data), len(blob)))
        os.close(descriptor)
    return layers


def add_image(store: Store, reference: str, archives: list[bytes], **config) -> names.Image:
    """Store the blobs, the tree and the name of an image with these layers."""
    with Lease(store) as lease:
        described = []
        for data in archives:
            digest, size = blobs.add(lease, [gzip.compress(data, 1, mtime=0)])
            described.append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": str(digest), "size": size})
        diff_ids = [digest_of(data) for data in archives]
        document = {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [str(d) for d in diff_ids]},
        }
        config_digest, config_size = blobs.add(lease, [json.dumps(document).encode()])
        config_entry = {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(config_digest),
            "size": config_size,
        }
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config_entry, "layers": described}
        manifest_digest, _ = blobs.add(lease, [json.dumps(manifest).encode()])
        tree = unpack(lease, archives)
        image = names.Image(
            reference=reference, manifest=str(manifest_digest), config=str(config_digest), chain=tree.chain, platform="linux/amd64",
            media_type=MANIFEST, size=sum(d["size"] for d in described), unpacked=1, created="2026-01-02T03:04:05Z", pulled="2026-01-02T03:04:05Z",
        )  # fmt: skip
        names.put(store, image)
    return image


def unpack(lease: Lease, archives: list[bytes]):
    """The tree of archives whose blobs are stored."""
    diff_ids = [digest_of(data) for data in archives]
    base = build.base_for(lease, diff_ids)
    return build.build(lease, diff_ids, base, sources(lease.store, archives, base.depth), SILENT_NOTICE)
