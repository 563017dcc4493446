"""The archives of `docker save` before 1.10: a directory for each layer, tied together by `parent`.

`repositories` says which layer each NAME:TAG is, an image being its top layer; `ID/json` what is below it, and how it runs; `ID/layer.tar`
the content. There are no digests: the ids are random. A layer that is nobody's parent and has no name is an image that was saved by
its id. The configuration is made from the jsons as Docker 1.10 did when it moved its images over, with the diff_ids computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import LayerError, ProtocolError, printable
from sampan.image.packed import MAX_IMAGES, PackedImage, PackedLayer, parse_name
from sampan.layers.limits import MAX_LAYERS
from sampan.oci.document import map_of, read_document, text_map_of, text_of, texts_of

if TYPE_CHECKING:
    from sampan.image.members import Documents, Members
    from sampan.oci.reference import Reference

REPOSITORIES = "repositories"
_LAYER, _JSON = "layer.tar", "json"
_WHAT = f"the archive's {REPOSITORIES}"
_KEPT = (
    "architecture",
    "os",
    "variant",
    "created",
    "author",
    "config",
    "container",
    "container_config",
    "docker_version",
    "comment",
)


def is_legacy_archive(members: Members) -> bool:
    """Whether some directory at the top has the two files of a layer."""
    return bool(_ids(members))


def _ids(members: Members) -> list[str]:
    names = frozenset(members.names())
    suffix = f"/{_LAYER}"
    found = [name[: -len(suffix)] for name in names if name.endswith(suffix)]
    return sorted(id for id in found if "/" not in id and f"{id}/{_JSON}" in names)


def images_of(documents: Documents) -> list[PackedImage]:
    """The images with their names, and those that have none. Raises `ProtocolError`, `LayerError`."""
    ids = _ids(documents.members)
    if len(ids) > MAX_IMAGES:
        raise ProtocolError(f"the archive has {len(ids)} layers; at most {MAX_IMAGES} are accepted")
    described = {id: _described(documents, id) for id in ids}
    names: dict[str, list[Reference]] = {}
    data = documents.read(REPOSITORIES)
    repositories = read_document(data, _WHAT) if data is not None else {}
    for name in repositories:
        for tag, id in text_map_of(repositories, name, _WHAT).items():
            if id not in described:
                raise LayerError(f"{_WHAT} names the layer {printable(id[:64])!r}, which is not in the archive")
            names.setdefault(id, []).append(parse_name(f"{name}:{tag}"))
    parents = {text_of(document, "parent", id) for id, document in described.items()}
    tops = [*names, *(id for id in described if id not in parents and id not in names)]
    return [_image(documents.members, described, id, tuple(names.get(id, ()))) for id in tops]


def _described(documents: Documents, id: str) -> dict[str, object]:
    data = documents.read(f"{id}/{_JSON}")
    if data is None:
        raise LayerError(f"the layer {printable(id[:12])} of the archive has no {_JSON}")
    return read_document(data, f"{printable(id[:12])}/{_JSON} of the archive")


def _image(members: Members, described: dict[str, dict[str, object]], id: str, names: tuple[Reference, ...]) -> PackedImage:
    chain: dict[str, None] = {}  # in order, and quick to ask
    here = id
    while here:
        if here in chain or len(chain) > MAX_LAYERS:
            raise ProtocolError(f"the layers of {printable(id[:12])} in the archive go round in a circle, or are too many")
        if here not in described:
            raise LayerError(f"the layer {printable(here[:64])!r} below {printable(id[:12])} is not in the archive")
        chain[here] = None
        here = text_of(described[here], "parent", f"{printable(here[:12])}/{_JSON}")
    top = described[id]
    base: dict[str, object] = {key: top[key] for key in _KEPT if top.get(key) is not None}
    base.setdefault("os", "linux")
    base.setdefault("architecture", "amd64")
    base["history"] = [_step(described[one], f"{printable(one[:12])}/{_JSON}") for one in reversed(chain)]
    layers = tuple(PackedLayer(members.find(f"{one}/{_LAYER}"), f"layer {printable(one[:12])}") for one in reversed(chain))
    return PackedImage(names, layers, config_base=base, label=printable(id[:12]))


def _step(document: dict[str, object], what: str) -> dict[str, object]:
    """The step of the history that a layer stands for."""
    words = texts_of(map_of(document, "container_config", what), "Cmd", what)
    found = {key: text_of(document, key, what) for key in ("created", "author", "comment")}
    return {key: value for key, value in {**found, "created_by": " ".join(words)}.items() if value}
