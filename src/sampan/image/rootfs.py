"""A root file system in one archive (`docker export`, a distribution's base) as an image of one layer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.image.members import Part
from sampan.image.packed import PackedImage, PackedLayer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.image.spool import Opened
    from sampan.oci.platform import Platform
    from sampan.oci.reference import Reference


def packed(source: Opened, config: Mapping[str, object], names: tuple[Reference, ...]) -> PackedImage:
    """The archive as an image; `config` is all of it but the layers.

    The layer is the uncompressed archive: like that the image is the same whatever compressed it, and what the file was compressed
    with need not be what layers may be compressed with.
    """
    descriptor = source.descriptor
    part = Part(lambda: os.dup(descriptor), 0, os.fstat(descriptor).st_size)
    return PackedImage(names, (PackedLayer(part, "the root file system"),), config_base=config, label=source.shown)


def configuration(run: Mapping[str, object], platform: Platform, created: str = "", comment: str = "") -> dict[str, object]:
    """A configuration without its layers; `run` is what runs (Env, Cmd, ...). Without a time it is the same for the same root.

    A variant is written for arm alone: what level of amd64 this machine has says nothing about the archive.
    """
    found: dict[str, object] = {"architecture": platform.architecture, "os": platform.os, "config": dict(run)}
    if platform.variant and platform.architecture == "arm":
        found["variant"] = platform.variant
    if created:
        found["created"] = created
        found["history"] = [{"created": created, "comment": comment}]
    return found
