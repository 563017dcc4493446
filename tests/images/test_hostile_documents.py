"""Manifests, indexes and configurations that lie: one sentence, nothing with a name, nothing half unpacked."""

from __future__ import annotations

import json

import pytest

from tests.images import tarbytes
from tests.images.arena import busybox
from tests.images.build import OCI, TYPES, digest_of, layer_of
from tests.images.tarbytes import archive
from tests.peers.faulty import Reply, body

LAYER = archive(tarbytes.file("f", b"x" * 3000))
MANIFEST, INDEX, CONFIG = (TYPES["oci"][name] for name in ("manifest", "index", "config"))


class Served:
    """An image whose documents can be spoiled before they are tagged; digests fit what is served unless a test wants otherwise."""

    def __init__(self, arena) -> None:
        self.arena = arena
        self.layers = [busybox(), layer_of(LAYER, "gzip")]

    def config(self, **changes) -> dict:
        document = {
            "architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/busybox", "true"]},
            "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in self.layers]}, **changes,
        }  # fmt: skip
        return self.arena.layout.document(document, CONFIG)

    def manifest(self, config: dict | None = None, layers: list[dict] | None = None, **changes) -> dict:
        return {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config or self.config(),
            "layers": self.blobs() if layers is None else layers,
            **changes,
        }

    def blobs(self, **changes) -> list[dict]:
        """The descriptors of the layers; `changes` are the last one's."""
        found = [self.arena.layout.blob(one.data, TYPES["oci"]["gzip"]) for one in self.layers]
        found[-1] = {**found[-1], **changes}
        return found

    def tag(self, document: dict | bytes, media_type: str = MANIFEST) -> None:
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.arena.layout.tag("1", self.arena.layout.blob(data, media_type))
        self.serve()

    def serve(self) -> None:
        """All blobs and the tag, without following documents that may be anything."""
        for path in (self.arena.layout.path / "blobs/sha256").iterdir():
            self.arena.registry.put(path.read_bytes(), "application/octet-stream")
        descriptor = self.arena.layout.tags["1"]
        self.arena.registry.put(self.arena.layout.read(descriptor), descriptor["mediaType"])
        self.arena.registry.tags["x", "1"] = descriptor["digest"]


@pytest.fixture
def served(arena):
    return Served(arena)


def nested(served, depth):
    entry = served.arena.layout.document(served.manifest(), MANIFEST, platform={"os": "linux", "architecture": "amd64"})
    for _ in range(depth):
        entry = served.arena.layout.index([entry])
    return entry


def retype(served, entry_type, data, media_type=INDEX):
    """An index whose entry is announced as another type than it is."""
    inner = served.arena.layout.document(data, entry_type, platform={"os": "linux", "architecture": "amd64"})
    served.tag({"schemaVersion": 2, "mediaType": media_type, "manifests": [inner]}, media_type)


def raw(change):
    return lambda served: served.tag(change(json.dumps(served.manifest()).encode()))


CASES = {
    "manifests beside layers": (lambda s: s.tag({**s.manifest(), "manifests": []}), "two ways"),
    "layers in an index": (lambda s: s.tag({"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "layers": []}, INDEX), "two ways"),
    "mediaType unlike the header": (lambda s: s.tag(s.manifest(mediaType=INDEX)), "calls itself"),
    "a key in another case": (lambda s: s.tag({**s.manifest(), "Layers": []}), "which some programs read as"),
    "an index announced as a manifest": (lambda s: retype(s, MANIFEST, {"schemaVersion": 2, "mediaType": INDEX, "manifests": []}), "announced as"),
    "a manifest announced as an index": (lambda s: retype(s, INDEX, s.manifest()), "announced as"),
    "indexes six deep": (lambda s: s.tag(json.loads(s.arena.layout.read(nested(s, 6))), INDEX), "nests more than 4 levels"),
    "an empty index": (lambda s: s.tag({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, INDEX), "without any image"),
    "schema 1": (lambda s: s.tag({"schemaVersion": 1, "fsLayers": [], "history": []}, "application/vnd.docker.distribution.manifest.v1+json"), "schema"),
    "an artifact": (lambda s: s.tag(s.manifest(s.arena.layout.document({}, "application/vnd.cncf.helm.config.v1+json"))), "not an image"),
    "an unknown layer type": (lambda s: s.tag(s.manifest(layers=s.blobs(mediaType="application/x-something"))), "layer"),
    "an encrypted layer": (lambda s: s.tag(s.manifest(layers=s.blobs(mediaType=f"{OCI}.layer.v1.tar+gzip+encrypted"))), "encrypted"),
    "a digest with dots": (lambda s: s.tag(s.manifest(layers=s.blobs(digest="sha256:../../../../etc/passwd"))), "digest"),
    "a digest of another algorithm": (lambda s: s.tag(s.manifest(layers=s.blobs(digest="md5:" + "0" * 32))), "md5"),
    "a digest that is too short": (lambda s: s.tag(s.manifest(layers=s.blobs(digest="sha256:00"))), "digest"),
    "a digest in capitals": (lambda s: s.tag(s.manifest(layers=s.blobs(digest="sha256:" + "A" * 64))), "digest"),
    "a size too small": (lambda s: s.tag(s.manifest(layers=s.blobs(size=10))), "10"),
    "a size too large": (lambda s: s.tag(s.manifest(layers=s.blobs(size=10_000))), "bytes"),
    "a negative size": (lambda s: s.tag(s.manifest(layers=s.blobs(size=-1))), "size"),
    "a size of 2^63": (lambda s: s.tag(s.manifest(layers=s.blobs(size=1 << 63))), ""),
    "a size as a text": (lambda s: s.tag(s.manifest(layers=s.blobs(size="12"))), "size"),
    "a size that is true": (lambda s: s.tag(s.manifest(layers=s.blobs(size=True))), "size"),
    "a layer that is not there": (lambda s: s.tag(s.manifest(layers=s.blobs(digest="sha256:" + "0" * 64))), "blob"),
    "fewer diff_ids": (lambda s: s.tag(s.manifest(s.config(rootfs={"type": "layers", "diff_ids": [s.layers[0].diff_id]}))), "names 1"),
    "more diff_ids": (lambda s: s.tag(s.manifest(layers=s.blobs()[:1])), "names 2"),
    "a wrong diff_id": (lambda s: s.tag(s.manifest(s.config(rootfs={"type": "layers", "diff_ids": [s.layers[0].diff_id, "sha256:" + "0" * 64]}))), "unpacks to other bytes"),
    "diff_ids the other way round": (lambda s: s.tag(s.manifest(s.config(rootfs={"type": "layers", "diff_ids": [one.diff_id for one in reversed(s.layers)]}))), "unpacks to other bytes"),
    "a diff_id with dots": (lambda s: s.tag(s.manifest(s.config(rootfs={"type": "layers", "diff_ids": ["sha256:../x", "sha256:../y"]}))), "digest"),
    "a rootfs of another type": (lambda s: s.tag(s.manifest(s.config(rootfs={"type": "disk"}))), "not made of layers"),
    "a configuration that is a list": (lambda s: s.tag(s.manifest(s.arena.layout.document([], CONFIG))), "configuration"),
    "a configuration of 5 MB": (lambda s: s.tag(s.manifest(s.config(comment="x" * 5_000_000))), "accepted"),
    "words that are numbers": (lambda s: s.tag(s.manifest(s.config(config={"Cmd": [1, 2]}))), "Cmd"),
    "NUL in the environment": (lambda s: s.tag(s.manifest(s.config(config={"Env": ["A=\0"]}))), "NUL"),
    "a thousand and one layers": (lambda s: s.tag(s.manifest(layers=s.blobs()[1:] * 1001)), "1000"),
    "layers that are a text": (lambda s: s.tag(s.manifest(layers="x")), "layers"),
    "JSON with a key twice": (raw(lambda data: data[:-1] + b', "schemaVersion": 2}'), "twice"),
    "JSON that goes on": (raw(lambda data: data + b"{}"), "JSON"),
    "JSON that is cut": (raw(lambda data: data[:-5]), "JSON"),
    "JSON with NaN": (raw(lambda data: data[:-1] + b', "x": NaN}'), "JSON"),
    "JSON that is deep": (raw(lambda data: data[:-1] + b', "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"), ""),
    "JSON with a huge number": (raw(lambda data: data[:-1] + b', "x": ' + b"9" * 100_000 + b"}"), ""),
    "JSON in another encoding": (raw(lambda data: data.decode().encode("utf-16")), "JSON"),
    "JSON of 5 MB": (raw(lambda data: data[:-1] + b', "x": "' + b"x" * 5_000_000 + b'"}'), ""),
    "JSON of 100 MB": (raw(lambda data: data + b" " * 100_000_000), ""),
    "nothing": (lambda s: s.tag(b""), ""),
    "a text": (lambda s: s.tag(b'"x"'), ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refused(arena, served, name):
    make, words = CASES[name]
    make(served)
    arena.pull().is_refused(words)
    arena.is_empty()


def flipped(data: bytes) -> bytes:
    return data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]


@pytest.mark.parametrize("which", ["layer", "config", "manifest of an index"])
def test_tampered_on_the_way(arena, served, which):
    """Bytes that are not those of the digest, though the registry says so."""
    manifest = served.manifest()
    inner = served.arena.layout.document(manifest, MANIFEST, platform={"os": "linux", "architecture": "amd64"})
    served.tag({"schemaVersion": 2, "mediaType": INDEX, "manifests": [inner]}, INDEX)
    digest = {"layer": manifest["layers"][1], "config": manifest["config"], "manifest of an index": inner}[which]["digest"]
    arena.registry.on(digest, body(flipped))
    arena.pull().is_refused("does not match its digest")
    arena.is_empty()


def test_one_that_answers_for_another(arena, served):
    """The registry gives a whole and valid image, but not the one of the digest that was asked for."""
    served.tag(served.manifest())
    good = arena.layout.tags["1"]["digest"]
    other = json.dumps(served.manifest(served.config(author="somebody else"))).encode()
    served.serve()
    arena.registry.on("/manifests/sha256:", answer(other))
    ended = arena("pull", f"{arena.registry.host}/x@{good}")
    ended.is_refused("digest")
    assert digest_of(other) != good
    arena.is_empty()


def answer(data: bytes):
    def act(_, reply: Reply) -> None:
        reply.body = data
        reply.headers["Content-Length"] = str(len(data))

    return act


class TestOddButLegal:
    """What must work all the same."""

    def works(self, arena):
        pulled = arena.pull()
        assert pulled.status == 0, pulled.err
        arena.is_whole()
        assert arena.run("--isolate").status == 0

    def test_the_same_blob_twice(self, arena, served):
        served.layers.append(served.layers[1])
        served.tag(served.manifest())
        self.works(arena)

    def test_labels_that_lie(self, arena, served):
        """The first bytes say how a layer is compressed."""
        served.tag(served.manifest(layers=served.blobs(mediaType=f"{OCI}.layer.v1.tar+zstd")))
        self.works(arena)

    def test_an_index_in_an_index(self, arena, served):
        served.tag(json.loads(arena.layout.read(nested(served, 3))), INDEX)
        self.works(arena)

    def test_no_media_type(self, arena, served):
        document = served.manifest()
        del document["mediaType"]
        served.tag(document)
        self.works(arena)

    def test_no_layers_of_its_own(self, arena, served):
        served.layers = served.layers[:1]
        served.tag(served.manifest())
        self.works(arena)

    def test_attestations_beside_it(self, arena, served):
        inner = arena.layout.document(served.manifest(), MANIFEST, platform={"os": "linux", "architecture": "amd64"})
        other = arena.layout.document({"schemaVersion": 2, "mediaType": MANIFEST, "config": served.config(), "layers": []}, MANIFEST, platform={"os": "unknown", "architecture": "unknown"}, annotations={"vnd.docker.reference.type": "attestation-manifest"})  # fmt: skip
        served.tag({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other, inner]}, INDEX)
        self.works(arena)
