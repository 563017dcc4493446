"""Many descriptors at once: those of a directory, as VIP's and niwrap's repositories have them, and old ones brought to version 0.5."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from sampan.apps import document
from sampan.apps.load import STDIN, content
from sampan.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SKIPPED = (".git", "node_modules")


def descriptors(paths: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The descriptors in directories and files, with what to call them. A file that is named is one, whatever it holds."""
    for path in paths:
        if not os.path.isdir(path):
            yield path, upgraded(content(path), path)
            continue
        for directory, directories, files in os.walk(path):
            directories[:] = sorted(name for name in directories if name not in _SKIPPED)
            for name in sorted(files):
                here = os.path.join(directory, name)
                if name.endswith(".json") and os.path.isfile(here) and (found := _if_descriptor(here)) is not None:
                    yield here, found


def _if_descriptor(path: str) -> bytes | None:
    data = content(path)
    if b'"inputs"' not in data or b'"command-line"' not in data:
        return None
    return upgraded(data, path)


def upgraded(data: bytes, path: str) -> bytes:
    """A descriptor of Boutiques 0.4 as one of 0.5; others as they are, also those that are none."""
    if b'"0.4"' not in data or path == STDIN:
        return data
    try:
        found = document.read(data, path)
    except UsageError:
        return data
    if not isinstance(found, dict) or found.get("schema-version") != "0.4":
        return data
    return json.dumps(_upgraded(found), indent=2).encode()


def _upgraded(found: dict[str, Any]) -> dict[str, Any]:
    """What changed with 0.5: singularity images are named as docker's, and the time is one of the suggested resources."""
    found = {**found, "schema-version": "0.5"}
    if "walltime-estimate" in found:
        found["suggested-resources"] = {
            **found.get("suggested-resources", {}),
            "walltime-estimate": found.pop("walltime-estimate"),
        }
    container = found.get("container-image")
    if isinstance(container, dict) and container.get("type") == "singularity" and isinstance(container.get("url"), str):
        scheme, separator, image = container["url"].rpartition("://")
        rest = {key: value for key, value in container.items() if key != "url"}
        found["container-image"] = {**rest, "image": image, **({"index": f"{scheme}://"} if separator else {})}
    return found
