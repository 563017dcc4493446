"""The documents of an image that is another one with a layer more. Pure.

Manifest and configuration are OCI's whatever those of the base are: the types of Docker's layers have exact counterparts. What the
configuration says beyond the known fields stays.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sampan.image import change
from sampan.oci import mediatypes
from sampan.values import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest

_DOCKER_KINDS = {"": "", ".gzip": "+gzip", ".zstd": "+zstd"}


@frozen
class Words:
    """What a person says of a new image: `changes` are instructions (`image.change`)."""

    author: str = ""
    message: str = ""
    changes: Sequence[str] = ()


def configuration(
    base: Mapping[str, object], run: Mapping[str, object], words: Words, step: Mapping[str, object], diff_ids: Sequence[Digest]
) -> dict[str, object]:
    """The configuration `base` with what `run` says instead, with the changes, and with one step more in its history.

    `step` says when and by what; it gets author and message. Raises `UsageError` for a change.
    """
    merged: dict[str, object] = {**_object(base, "config"), **run}
    for text in words.changes:
        merged = change.apply(merged, text)
    said = {"author": words.author, "comment": words.message}
    new_step = {**step, **{key: text for key, text in said.items() if text}}
    found: dict[str, object] = {
        **base,
        "created": step["created"],
        "config": merged,
        "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in diff_ids]},
        "history": [*_history(base, len(diff_ids) - 1), new_step],
    }
    if words.author:
        found["author"] = words.author
    # Of the container that made the base, in Docker's configurations.
    for name in ("container", "container_config", "docker_version", "id", "parent"):
        found.pop(name, None)
    return found


def _history(base: Mapping[str, object], layers: int) -> list[object]:
    """The steps of the base; where they tell of fewer layers than it has, with empty ones, so that the next step is the next layer's."""
    found = base.get("history")
    steps = list(found) if isinstance(found, list) else []
    told = sum(1 for step in steps if isinstance(step, dict) and step.get("empty_layer") is not True)
    return [*steps, *({} for _ in range(layers - told))]


def manifest(config: Descriptor, layers: Sequence[Descriptor]) -> dict[str, object]:
    """The manifest of an image."""
    return {
        "schemaVersion": 2,
        "mediaType": mediatypes.OCI_MANIFEST,
        "config": _descriptor(config),
        "layers": [_descriptor(layer) for layer in layers],
    }


def document_bytes(document: Mapping[str, object]) -> bytes:
    """As it is stored."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def _descriptor(descriptor: Descriptor) -> dict[str, object]:
    media_type = descriptor.media_type
    if media_type.startswith(mediatypes.DOCKER_LAYER):
        media_type = mediatypes.OCI_LAYER + _DOCKER_KINDS.get(media_type[len(mediatypes.DOCKER_LAYER) :], "+gzip")
    return {"mediaType": media_type, "digest": str(descriptor.digest), "size": descriptor.size}


def _object(document: Mapping[str, object], key: str) -> dict[str, object]:
    value = document.get(key)
    return dict(value) if isinstance(value, dict) else {}
