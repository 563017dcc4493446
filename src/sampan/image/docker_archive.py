"""Docker's archives as `docker save` has written them since 1.10, and as skopeo, podman and build tools write them.

`manifest.json` is a list of images: where the configuration is, the names, and where the layers are, lowest first. The paths are
the archive's own (`ID/layer.tar`, `HEX.tar`, `blobs/sha256/HEX`) and mean nothing but members; a layer may be compressed, or a
link to another. Since Docker 25 an OCI layout is there as well (`contents.py` brings the two together).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import LayerError, ProtocolError, printable
from sampan.image.packed import PackedImage, PackedLayer, parse_name
from sampan.layers.limits import MAX_LAYERS
from sampan.oci.config import ImageConfig
from sampan.oci.document import read_document, read_list, text_of, texts_of

if TYPE_CHECKING:
    from sampan.image.members import Documents, Members
    from sampan.oci.digest import Digest

MANIFEST = "manifest.json"
MAX_ITEMS = 1000
"""Images in `manifest.json`: they may share a large configuration, so that many cost little to write and much to read."""
_WHAT = f"the archive's {MANIFEST}"


def is_docker_archive(members: Members) -> bool:
    """Whether there is a `manifest.json` that begins as Docker's: a root file system may have a file of that name too."""
    part = members.find(MANIFEST)
    return part is not None and part.head(64).lstrip().startswith((b"[", b"null"))


def images_of(documents: Documents, *, all_there: bool) -> list[PackedImage]:
    """The images that `manifest.json` lists, in its order.

    Unless all have to be there, those without their configuration in the archive are left out: they are for platforms that
    were not saved. Raises `ProtocolError` for what is malformed, `LayerError` for what is missing or leaves the archive.
    """
    data = documents.read(MANIFEST)
    items = read_list(data, _WHAT) if data is not None else []
    if len(items) > MAX_ITEMS:
        raise ProtocolError(f"{_WHAT} lists {len(items)} images; at most {MAX_ITEMS} are accepted")
    found = []
    known: dict[str, tuple[Digest, ...]] = {}  # diff_ids by the path of the configuration, which images may share
    for number, item in enumerate(items, 1):
        what = f"image {number} of {_WHAT}"
        path = text_of(item, "Config", what)
        config = documents.read(path) if path else None
        if config is not None:
            if path not in known:
                shown = f"the configuration of {what}"
                known[path] = ImageConfig.from_document(read_document(config, shown), shown).diff_ids
            found.append(_image(documents.members, item, config, known[path], what))
        elif all_there:
            raise LayerError(f"{what} has its configuration in {printable(path[:200])!r}, which is not in the archive")
    return found


def _image(members: Members, item: dict[str, object], config: bytes, diff_ids: tuple[Digest, ...], what: str) -> PackedImage:
    names = tuple(parse_name(text) for text in texts_of(item, "RepoTags", what))
    paths = texts_of(item, "Layers", what)
    if len(paths) != len(diff_ids):
        raise ProtocolError(f"{what} has {len(paths)} layers, but its configuration names {len(diff_ids)}")
    if len(paths) > MAX_LAYERS:
        raise ProtocolError(f"{what} has {len(paths)} layers; at most {MAX_LAYERS} are accepted")
    layers = [
        PackedLayer(members.find(path), f"layer {diff_id.short} ({printable(path[:100])})", diff_id=diff_id)
        for path, diff_id in zip(paths, diff_ids)
    ]
    return PackedImage(names, tuple(layers), config)
