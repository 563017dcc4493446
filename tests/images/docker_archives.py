"""What `docker save` has written through its ages, and what other tools write, from the same images.

    image = Image([layer_bytes, ...], names=("tools:1",), run={"Cmd": ["true"]})
    data = docker_25([image])

Each function gives the members of an archive; `packed(members)` makes a tar of them, in any order, with any spelling of the names. Layers
are the bytes of uncompressed archives. The forms were compared with real archives of Docker 20.10 (`docker_1_10`), skopeo 1.9 and podman
4.3; those of Docker 1.9 and 25 with the source of moby that writes them.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import dataclass, field

from tests.images import tarbytes
from tests.images.build import OCI, TYPES, digest_of

Members = list[tuple[str, object]]
"""Name -> bytes of a file, `Link(target)`, or `None` for a directory."""


@dataclass(frozen=True)
class Link:
    target: str
    hard: bool = False


@dataclass(frozen=True)
class Image:
    """An image for Docker: `layers` lowest first; `names` may be empty."""

    layers: list[bytes]
    names: tuple[str, ...] = ()
    run: dict = field(default_factory=dict)
    platform: str = "linux/amd64"

    @property
    def diff_ids(self) -> list[str]:
        return [digest_of(data) for data in self.layers]

    @property
    def config(self) -> bytes:
        os, architecture = self.platform.split("/")
        history = [{"created": "2020-01-01T00:00:00Z", "created_by": f"step {n}"} for n, _ in enumerate(self.layers)]
        document = {
            "architecture": architecture, "os": os, "created": "2020-01-01T00:00:00Z", "config": self.run, "history": history,
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
        }  # fmt: skip
        return json.dumps(document).encode()

    @property
    def id(self) -> str:
        return digest_of(self.config)


def packed(members: Members, *, front: str = "", reverse: bool = False) -> bytes:
    """The archive; `front` stands before each name (`./`), `reverse` turns the order round."""
    chosen = members[::-1] if reverse else members
    return tarbytes.archive(*(_member(front + name, content) for name, content in chosen))


def _member(name: str, content: object) -> bytes:
    form = "gnu" if len(name) > 100 else "ustar"
    if content is None:
        return tarbytes.directory(name + "/", form=form)
    if isinstance(content, Link):
        make = tarbytes.hardlink if content.hard else tarbytes.symlink
        return make(name, content.target, form="gnu" if len(content.target) > 100 else form)
    return tarbytes.file(name, content, form=form)


def _hex(digest: str) -> str:
    return digest.partition(":")[2]


def _json(document: object) -> bytes:
    return json.dumps(document).encode()


def _v1_ids(image: Image) -> list[str]:
    """Ids as Docker before 1.10 had them: random, here made of the chain and the name."""
    found: list[str] = []
    for at, data in enumerate(image.layers):
        is_top = at == len(image.layers) - 1
        seed = b"".join([*(i.encode() for i in found), data, _json(image.run) if is_top else b""])
        found.append(hashlib.sha256(b"v1" + seed).hexdigest())
    return found


def _repositories(images: list[Image], tops: list[str]) -> Members:
    found: dict[str, dict[str, str]] = {}
    for image, top in zip(images, tops):
        for name in image.names:
            repository, _, tag = name.rpartition(":")
            found.setdefault(repository, {})[tag] = top
    return [("repositories", _json(found))] if found else []


def docker_1_9(images: list[Image]) -> Members:
    """A directory for each layer, tied by `parent`; no manifest.json."""
    members: Members = []
    for image in images:
        parent = None
        ids = _v1_ids(image)
        for id, data in zip(ids, image.layers):
            document = {"id": id, "created": "2015-01-01T00:00:00Z", "container_config": {"Cmd": ["/bin/sh", "-c", f"make {id[:4]}"]},
                        "docker_version": "1.9.1", "architecture": "amd64", "os": "linux", "Size": len(data)}  # fmt: skip
            if parent:
                document["parent"] = parent
            if id == ids[-1]:
                document["config"] = image.run
            if (id, None) not in members:
                members += [(id, None), (f"{id}/VERSION", b"1.0"), (f"{id}/json", _json(document)), (f"{id}/layer.tar", data)]
            parent = id
    return members + _repositories(images, [_v1_ids(image)[-1] for image in images])


def docker_1_10(images: list[Image], *, links: bool = True) -> Members:
    """ID/layer.tar and manifest.json; a layer that another image has too is a link to it (Docker 1.10 to 24)."""
    members: Members = []
    items = []
    first: dict[str, str] = {}
    for image in images:
        paths = []
        for id, data in zip(_v1_ids(image), image.layers):
            path = f"{id}/layer.tar"
            paths.append(path)
            if (f"{id}/", None) in members:
                continue
            content: object = data
            known = first.setdefault(digest_of(data), id)
            if links and known != id:
                content = Link(f"../{known}/layer.tar")
            members += [(f"{id}/", None), (f"{id}/VERSION", b"1.0"), (f"{id}/json", b"{}"), (path, content)]
        members.append((f"{_hex(image.id)}.json", image.config))
        items.append({"Config": f"{_hex(image.id)}.json", "RepoTags": list(image.names) or None, "Layers": paths})
    members.append(("manifest.json", _json(items)))
    members = [(name.rstrip("/"), content) for name, content in members]
    return members + _repositories(images, [_v1_ids(image)[-1] for image in images])


def skopeo(images: list[Image]) -> Members:
    """Skopeo's and podman's: DIFFID.tar at the top, ID/layer.tar links to it."""
    members: Members = []
    items = []
    for image in images:
        paths = [f"{_hex(diff_id)}.tar" for diff_id in image.diff_ids]
        known = dict(members)
        members += [(path, data) for path, data in zip(paths, image.layers) if path not in known]
        for id, path in zip(_v1_ids(image), paths):
            members += [(f"{id}/layer.tar", Link(f"../{path}")), (f"{id}/VERSION", b"1.0"), (f"{id}/json", b"{}")]
        members.append((f"{_hex(image.id)}.json", image.config))
        items.append({"Config": f"{_hex(image.id)}.json", "RepoTags": list(image.names), "Layers": paths})
    return [*members, ("manifest.json", _json(items)), *_repositories(images, [_v1_ids(image)[-1] for image in images])]


def compressed_layers(images: list[Image], compress=lambda data: gzip.compress(data, 6, mtime=0)) -> Members:
    """manifest.json whose layers are compressed (udocker, kaniko, Bazel), with any suffix."""
    members: Members = []
    items = []
    for image in images:
        paths = [f"{_hex(diff_id)}.tar.gz" for diff_id in image.diff_ids]
        members += [(path, compress(data)) for path, data in zip(paths, image.layers)]
        members.append(("config.json", image.config))
        items.append({"Config": "config.json", "RepoTags": list(image.names), "Layers": paths})
    return [*members, ("manifest.json", _json(items))]


def docker_25(images: list[Image]) -> Members:
    """Both sides: blobs that are the uncompressed layers, index.json, manifest.json, repositories, old layer configurations.

    As Docker 25 to 28 does, the index lists an image without names only if it is the first.
    """
    blobs: dict[str, bytes] = {}
    entries, items = [], []
    for image in images:
        config = _blob(blobs, image.config)
        layers = [_blob(blobs, data) for data in image.layers]
        _blob(blobs, _json({"created": "1970-01-01T00:00:00Z", "container_config": {}, "os": "linux"}))
        manifest = _blob(
            blobs,
            _json(
                {
                    "schemaVersion": 2,
                    "mediaType": TYPES["oci"]["manifest"],
                    "config": {"mediaType": TYPES["oci"]["config"], **config},
                    "layers": [{"mediaType": f"{OCI}.layer.v1.tar", **layer} for layer in layers],
                }
            ),
        )
        plain = {"mediaType": TYPES["oci"]["manifest"], **manifest}
        entries += [{**plain, "annotations": _annotations(name)} for name in image.names]
        if not entries:
            entries.append(plain)
        items.append({
            "Config": _path(config["digest"]),
            "RepoTags": list(image.names) or None,
            "Layers": [_path(layer["digest"]) for layer in layers],
            "LayerSources": {layer["digest"]: {"mediaType": f"{OCI}.layer.v1.tar", **layer} for layer in layers},
        })  # fmt: skip
    documents: Members = [
        ("index.json", _json({"schemaVersion": 2, "mediaType": TYPES["oci"]["index"], "manifests": entries})),
        ("manifest.json", _json(items)),
        ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
    ]
    tops = [_hex(image.diff_ids[-1]) for image in images]
    return [*_blob_members(blobs), *documents, *_repositories(images, tops)]


def containerd(image: Image, others: list[Image], *, present: tuple[str, ...] = (), without: tuple[int, ...] = ()) -> Members:
    """Docker 29 with the containerd store: gzip blobs, an index in the index, attestations; no `repositories`.

    `others` are the same image for other platforms; only those in `present` (platforms) are really there, as when only one was
    pulled. `without`: numbers of layers of the image whose blobs are missing.
    """
    blobs: dict[str, bytes] = {}
    entries, items = [], []
    for one in (image, *others):
        is_there = one is image or one.platform in present
        kept = blobs if is_there else {}
        config = _blob(kept, one.config)
        layers = [_blob(kept, gzip.compress(data, 6, mtime=0)) for data in one.layers]
        document = {
            "schemaVersion": 2,
            "mediaType": TYPES["oci"]["manifest"],
            "config": {"mediaType": TYPES["oci"]["config"], **config},
            "layers": [{"mediaType": TYPES["oci"]["gzip"], **layer} for layer in layers],
        }
        system, architecture = one.platform.split("/")
        manifest = _blob(kept, _json(document))
        entries.append({
            "mediaType": TYPES["oci"]["manifest"], **manifest, "platform": {"os": system, "architecture": architecture},
        })  # fmt: skip
        if one is image:
            for number in without:
                blobs.pop(layers[number]["digest"], None)
        if is_there:
            items.append({
                "Config": _path(config["digest"]), "RepoTags": list(image.names), "Layers": [_path(layer["digest"]) for layer in layers],
            })  # fmt: skip
    attestation = _blob(blobs, _json({"schemaVersion": 2, "mediaType": TYPES["oci"]["manifest"], "config": {}, "layers": []}))
    entries.append({
        "mediaType": TYPES["oci"]["manifest"], **attestation, "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    })  # fmt: skip
    nested = _blob(blobs, _json({"schemaVersion": 2, "mediaType": TYPES["oci"]["index"], "manifests": entries}))
    outer = {"mediaType": TYPES["oci"]["index"], **nested}
    named = [{**outer, "annotations": _annotations(name)} for name in image.names] or [outer]
    return [
        ("blobs", None),
        ("blobs/sha256", None),
        *_blob_members(blobs)[2:],
        ("index.json", _json({"schemaVersion": 2, "mediaType": TYPES["oci"]["index"], "manifests": named})),
        ("manifest.json", _json(items)),
        ("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'),
    ]


def _annotations(name: str) -> dict[str, str]:
    full = name if "/" in name else f"docker.io/library/{name}"
    return {"io.containerd.image.name": full, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}


def _blob(blobs: dict[str, bytes], data: bytes) -> dict:
    digest = digest_of(data)
    blobs[digest] = data
    return {"digest": digest, "size": len(data)}


def _path(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _blob_members(blobs: dict[str, bytes]) -> Members:
    return [("blobs", None), ("blobs/sha256", None), *((_path(digest), data) for digest, data in sorted(blobs.items()))]


def of_directory(path) -> Members:
    """The members of a directory, as `tar -C DIR -c .` would have them."""
    return [
        (str(found.relative_to(path)), None if found.is_dir() else found.read_bytes())
        for found in sorted(path.rglob("*"))
    ]  # fmt: skip
