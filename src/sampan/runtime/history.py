"""`history`: the steps that made an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.oci.config import ImageConfig
from sampan.runtime import lookup
from sampan.runtime.images import config_document, container_image
from sampan.store import documents

if TYPE_CHECKING:
    from sampan.oci.config import History
    from sampan.runtime.session import Session

MISSING = "<missing>"


class Step:
    """One step: `image` is the id for the last one and `<missing>` for the others, as Docker shows them.

    `size` is that of the layer as it is stored (0 for a step without one), `layer` its digest or empty.
    """

    __slots__ = ("comment", "created", "created_by", "image", "layer", "size")

    def __init__(self, history: History | None, image: str, layer: str, size: int) -> None:
        self.image = image
        self.created = history.created if history is not None else ""
        self.created_by = history.created_by if history is not None else ""
        self.comment = history.comment if history is not None else ""
        self.layer = layer
        self.size = size

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {name: getattr(self, name) for name in ("image", "created", "created_by", "size", "comment", "layer")}


def history(text: str, session: Session) -> list[Step]:
    """The steps of an image, the last one first. Raises `ImageNotFound`.

    Where an image says less than it has layers, the layers that no step tells of are steps without words.
    """
    store, image = lookup.one(text, session)
    config = ImageConfig.from_document(
        config_document(container_image(store, image), session), f"the configuration of {image.reference}"
    )
    layers = _layers(image.manifest, session)
    if len(layers) != len(config.diff_ids):
        layers = [("", 0)] * len(config.diff_ids)
    steps: list[Step] = []
    at = 0
    for step in config.history:
        if step.empty_layer or at == len(layers):
            steps.append(Step(step, MISSING, "", 0))
        else:
            steps.append(Step(step, MISSING, *layers[at]))
            at += 1
    steps += [Step(None, MISSING, *layer) for layer in layers[at:]]
    if steps:
        steps[-1].image = image.config
    return steps[::-1]


def _layers(manifest: str, session: Session) -> list[tuple[str, int]]:
    """Digest and size of each blob, lowest first; none if the manifest is not there."""
    candidates = (documents.read(store, manifest) for store in session.stores())
    document = next((one for one in candidates if one is not None), None) or {}
    layers = document.get("layers")
    found: list[tuple[str, int]] = []
    for layer in layers if isinstance(layers, list) else ():
        size = layer.get("size") if isinstance(layer, dict) else 0
        found.append((str(layer.get("digest")) if isinstance(layer, dict) else "", size if isinstance(size, int) else 0))
    return found
