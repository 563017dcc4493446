"""Manifests and indexes: how their type is settled, what is refused, how one of many is chosen."""

from __future__ import annotations

import json

import pytest

from sampan.errors import NotAtRegistry, ProtocolError, UnsupportedContent
from sampan.oci import mediatypes as types
from sampan.oci.digest import sha256_of
from sampan.oci.manifest import Index, Manifest, parse_manifest
from sampan.oci.platform import Platform, Wanted
from sampan.oci.select import select

pytestmark = pytest.mark.client

SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def descriptor(media_type, content=b"x", **more):
    return {"mediaType": media_type, "digest": str(sha256_of(content)), "size": len(content), **more}


def manifest(**more):
    layers = [descriptor(types.OCI_LAYER + "+gzip", b"1"), descriptor(types.OCI_LAYER, b"2")]
    return {"schemaVersion": 2, "config": descriptor(types.OCI_CONFIG, b"c"), "layers": layers, **more}


def index(*entries, **more):
    return {"schemaVersion": 2, "manifests": list(entries), **more}


def parse(document, **how):
    return parse_manifest(document if isinstance(document, bytes) else json.dumps(document).encode(), "the manifest of x", **how)


def test_a_manifest():
    parsed = parse(manifest(annotations={"a": "b"}, subject=descriptor(types.OCI_MANIFEST)), content_type=types.OCI_MANIFEST)
    assert isinstance(parsed, Manifest)
    assert (parsed.media_type, parsed.config.media_type, parsed.size) == (types.OCI_MANIFEST, types.OCI_CONFIG, 2)
    assert [layer.digest for layer in parsed.layers] == [sha256_of(b"1"), sha256_of(b"2")]
    assert (parsed.annotations, parsed.subject.media_type) == ({"a": "b"}, types.OCI_MANIFEST)
    parsed.check_runnable("x")


def test_an_index_carries_algorithms_that_nobody_verifies():
    odd = descriptor(types.OCI_MANIFEST, digest="blake3:" + "0" * 64, platform={"os": "linux", "architecture": "s390x"})
    entry = descriptor(types.OCI_MANIFEST, platform={"os": "linux", "architecture": "amd64"}, data="eA==", urls=["https://x"])
    parsed = parse(index(odd, entry), content_type=types.OCI_INDEX)
    assert isinstance(parsed, Index)
    assert [str(one.platform) for one in parsed.manifests] == ["linux/s390x", "linux/amd64"]
    assert (parsed.manifests[0].digest.algorithm, parsed.manifests[1].data, parsed.manifests[1].urls) == (
        "blake3",
        b"x",
        ("https://x",),
    )


@pytest.mark.parametrize(
    "generic", [None, "", "application/json", "text/html; charset=utf-8", "application/octet-stream", "TEXT/PLAIN"]
)
def test_generic_types_are_looked_through(generic):
    assert parse(manifest(mediaType=types.DOCKER_MANIFEST), content_type=generic).media_type == types.DOCKER_MANIFEST
    assert parse(manifest(), content_type=generic).media_type == types.OCI_MANIFEST
    assert parse(index(), content_type=generic).media_type == types.OCI_INDEX


def test_parameters_do_not_count():
    assert parse(manifest(), content_type=f"{types.DOCKER_MANIFEST}; charset=utf-8").media_type == types.DOCKER_MANIFEST


def test_a_descriptor_wins_over_the_header():
    assert parse(manifest(), content_type="text/html", expected=types.DOCKER_MANIFEST).media_type == types.DOCKER_MANIFEST
    assert parse(manifest(), content_type=types.OCI_INDEX, expected=types.OCI_MANIFEST).media_type == types.OCI_MANIFEST


@pytest.mark.parametrize(
    ("document", "how"),
    [
        (manifest(manifests=[]), {"content_type": types.OCI_MANIFEST}),
        (manifest(manifests=[]), {"content_type": types.OCI_INDEX}),
        (index(config={}), {"content_type": types.OCI_INDEX}),
        (index(layers=[]), {}),
        (manifest(mediaType=types.OCI_INDEX), {"content_type": types.OCI_MANIFEST}),
        (manifest(mediaType=types.OCI_INDEX), {}),
        (manifest(mediaType=types.DOCKER_MANIFEST), {"expected": types.OCI_MANIFEST}),
        (manifest(mediaType="text/html"), {"content_type": types.OCI_MANIFEST}),
        (index(), {"content_type": types.OCI_MANIFEST}),
        (manifest(), {"content_type": types.OCI_INDEX}),
        (manifest(Manifests=[]), {}),
        ({**manifest(), "Layers": []}, {}),
        ({}, {}),
        ({"schemaVersion": 2}, {}),
        ({**manifest(), "schemaVersion": 3}, {}),
        ({**manifest(), "schemaVersion": True}, {}),
        ({**manifest(), "layers": {}}, {}),
        ({**manifest(), "layers": [1]}, {}),
        ({**manifest(), "config": None}, {}),
        (manifest(annotations=[]), {}),
        (index(descriptor(types.OCI_MANIFEST, digest="sha256:../../x")), {}),
        (index(descriptor(types.OCI_MANIFEST, size=-1)), {}),
        (index(descriptor(types.OCI_MANIFEST, size=2**63)), {}),
        (index(descriptor(types.OCI_MANIFEST, size=1.5)), {}),
        (index(descriptor(types.OCI_MANIFEST, size=True)), {}),
        (index(descriptor(types.OCI_MANIFEST, data="%%%")), {}),
        (index(descriptor(types.OCI_MANIFEST, platform={"os": 1})), {}),
        (manifest(layers=[descriptor(types.OCI_LAYER)] * 1001), {}),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_or_none(document, how):
    with pytest.raises(ProtocolError) as caught:
        parse(document, **how)
    assert "of x" in caught.value.sentence


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "is not the JSON it should be"),
        (b"\xff\xfe", "is not the JSON it should be"),
        (b"[]", "is not a JSON object"),
        (b'{"schemaVersion":2,"schemaVersion":1}', "'schemaVersion' stands twice"),
        (b'{"a":{"b":1,"b":2}}', "'b' stands twice"),
        (b'{"size":' + b"9" * 100_000 + b"}", "more than 30 digits"),
        (b'{"size":1.' + b"9" * 100_000 + b"}", "more than 30 digits"),
        (b'{"size":NaN}', "NaN is not a number"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "nested more than 32"),
        (b'{"a":' + b"[" * 1_000_000, "nested too deeply"),
        (b'{"a":"\\ud800"}', "not Unicode"),
        (b'{"\\udfff":1}', "not Unicode"),
        (b" " * (4 * 1024 * 1024 + 1), "at most 4194304"),
        (b"<!DOCTYPE html>", "is not the JSON it should be"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_limits_of_json(data, reason):
    with pytest.raises(ProtocolError) as caught:
        parse(data)
    assert reason in caught.value.sentence
    assert caught.value.sentence.startswith("the manifest of x ")


@pytest.mark.parametrize(
    ("document", "how", "words"),
    [
        ({"schemaVersion": 1, "fsLayers": []}, {"content_type": SCHEMA_1}, "schema 1"),
        ({"schemaVersion": 1, "fsLayers": [], "history": []}, {}, "schema 1"),
        (manifest(), {"content_type": SCHEMA_1}, "schema 1"),
        (manifest(), {"content_type": "application/vnd.oci.artifact.manifest.v1+json"}, "OCI artifact manifest"),
        (manifest(), {"content_type": "image/png"}, "'image/png'"),
        (manifest(mediaType="application/x"), {}, "'application/x'"),
    ],
)
def test_other_kinds_are_refused_by_name(document, how, words):
    with pytest.raises(UnsupportedContent, match=words):
        parse(document, **how)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": descriptor("application/vnd.cncf.helm.config.v1+json")}, "is a Helm chart"),
        ({"config": descriptor("application/vnd.oci.empty.v1+json"), "artifactType": "text/x-thing"}, "an artifact of the type 'text/x-thing'"),
        ({"config": descriptor("application/octet-stream")}, "artifact of the type 'application/octet-stream'"),
        ({"layers": [descriptor(types.OCI_LAYER + "+gzip+encrypted")]}, "layer 1 of x is encrypted"),
        ({"layers": [descriptor(types.OCI_LAYER), descriptor("application/vnd.in-toto+json")]}, "layer 2 of x has the media type"),
    ],
)  # fmt: skip
def test_artifacts_and_strange_layers_do_not_run(change, words):
    with pytest.raises(UnsupportedContent, match=words):
        parse(manifest(**change), content_type=types.OCI_MANIFEST).check_runnable("x")


def test_old_docker_configurations_run():
    parsed = parse(manifest(config=descriptor("application/octet-stream"), layers=[descriptor(types.DOCKER_LAYER + ".gzip")]),
                   content_type=types.DOCKER_MANIFEST)  # fmt: skip
    parsed.check_runnable("x")


@pytest.mark.parametrize("kind", ["", "+gzip", "+zstd"])
def test_all_layer_types(kind):
    docker = types.DOCKER_LAYER + kind.replace("+", ".")
    for media_type in (types.OCI_LAYER + kind, docker, f"application/vnd.oci.image.layer.nondistributable.v1.tar{kind}"):
        assert types.check_layer_type(media_type, "x") == (kind[1:] or "none")


def image(platform, content=None, **more):
    os, _, rest = platform.partition("/")
    architecture, _, variant = rest.partition("/")
    named = {"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}
    return descriptor(types.OCI_MANIFEST, (content or platform).encode(), **({"platform": named} if platform else {}), **more)


def choose(root, platform="linux/amd64", *, strict=False, nested=()):
    documents = {str(sha256_of(json.dumps(one).encode())): one for one in nested}
    wanted = Wanted(Platform.parse(platform, Platform("linux", "amd64")), strict)
    return select(parse(root, expected=types.OCI_INDEX), wanted, lambda entry: parse(documents[str(entry.digest)]), "x").digest


def pointing_at(document):
    return descriptor(types.OCI_INDEX, json.dumps(document).encode())


def test_the_best_entry_is_chosen():
    both = index(image("linux/386"), image("linux/amd64/v2"), image("linux/amd64"), image("windows/amd64"))
    assert choose(both) == sha256_of(b"linux/amd64")
    assert choose(both, "linux/amd64/v3") == sha256_of(b"linux/amd64/v2")
    assert choose(index(image("linux/amd64", "1"), image("linux/amd64", "2"))) == sha256_of(b"1")


def test_attestations_and_artifacts_are_passed_over():
    provenance = image("unknown/unknown", annotations={"vnd.docker.reference.type": "attestation-manifest"})
    marked = image("linux/amd64", "bad", annotations={"vnd.docker.reference.type": "attestation-manifest"})
    artifact = image("", "sig", artifactType="application/x")
    assert choose(index(image("unknown/unknown"), provenance, marked, artifact, image("linux/amd64"))) == sha256_of(
        b"linux/amd64"
    )
    with pytest.raises(NotAtRegistry, match="without any image"):
        choose(index(provenance, artifact))


def test_an_entry_without_platform_is_the_last_resort():
    assert choose(index(image("", "plain"), image("linux/amd64"))) == sha256_of(b"linux/amd64")
    assert choose(index(image("", "plain"))) == sha256_of(b"plain")


@pytest.mark.parametrize("strict", [False, True])
def test_no_match_lists_what_there_is(strict):
    with pytest.raises(NotAtRegistry, match="no image for linux/riscv64; it has linux/amd64, linux/arm64"):
        choose(index(image("linux/arm64/v8"), image("linux/amd64")), "linux/riscv64", strict=strict)


def test_indexes_inside_indexes():
    inner = index(image("linux/amd64", "inner"))
    assert choose(index(pointing_at(inner), pointing_at(inner)), nested=[inner]) == sha256_of(b"inner")
    deep = [index(image("linux/amd64", "deep"))]
    for _ in range(5):
        deep.append(index(pointing_at(deep[-1])))
    assert choose(deep[3], nested=deep) == sha256_of(b"deep")
    with pytest.raises(ProtocolError, match="nests more than 4 levels"):
        choose(deep[4], nested=deep)


def test_an_index_that_holds_itself_ends():
    """Impossible with honest digests; the visited set must not rely on that."""
    loop = index(descriptor(types.OCI_INDEX, b"loop"), image("linux/amd64"))
    wanted = Wanted(Platform("linux", "amd64"))
    parsed = parse(loop)
    assert select(parsed, wanted, lambda _: parsed, "x").digest == sha256_of(b"linux/amd64")
