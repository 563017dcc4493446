"""Invariant: whatever the bytes, a manifest, index or configuration is read or refused by ProtocolError or UnsupportedContent."""

from __future__ import annotations

import json
from collections.abc import Iterator

from sampan.errors import NotAtRegistry, ProtocolError, UnsupportedContent
from sampan.oci.config import ImageConfig
from sampan.oci.document import read_document
from sampan.oci.manifest import Index, parse_manifest
from sampan.oci.platform import Platform, Wanted
from sampan.oci.select import select

_DIGEST = "sha256:" + "0123456789abcdef" * 4
_LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": _DIGEST, "size": 3, "data": "eHl6"}
_ENTRY = {**_LAYER, "platform": {"os": "linux", "architecture": "arm", "variant": "v7"}, "annotations": {"a": "b"}}
_DOCUMENTS = (
    {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": _LAYER, "layers": [_LAYER], "subject": _LAYER},
    {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [_ENTRY, _LAYER]},
    {"schemaVersion": 1, "fsLayers": [], "history": []},
    {"os": "linux", "architecture": "amd64", "config": {"Env": ["A=b"], "Cmd": "x", "Labels": {"a": "b"}, "Volumes": {"/v": {}}},
     "rootfs": {"type": "layers", "diff_ids": [_DIGEST]}, "history": [{"created_by": "x", "empty_layer": True}]},
)  # fmt: skip
_ODD = (None, True, -1, 2**63, 1.5, "", "x", "\0", "\x1b[2J", [], ["a"], [[]], {}, {"a": None}, {"a": {}})


def _variants(value: object) -> Iterator[object]:
    """The document with one value after the other replaced by one of another kind."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from ({**value, key: variant} for variant in _variants(inner))
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from ([*value[:at], variant, *value[at + 1 :]] for variant in _variants(inner))
    yield from _ODD


SEEDS = [json.dumps(variant).encode() for document in _DOCUMENTS for variant in (document, *_variants(document))]


def test_one(data: bytes) -> None:
    for content_type in (None, "application/vnd.oci.image.index.v1+json"):
        try:
            parsed = parse_manifest(data, "x", content_type=content_type)
            if isinstance(parsed, Index):
                select(parsed, Wanted(Platform("linux", "amd64")), lambda _, found=parsed: found, "x")
            else:
                parsed.check_runnable("x")
        except (ProtocolError, UnsupportedContent, NotAtRegistry) as error:
            assert error.sentence.isprintable(), error.sentence
    try:
        config = ImageConfig.from_document(read_document(data, "x"), "x")
    except ProtocolError as error:
        assert error.sentence.isprintable()
        return
    assert not any("\0" in text for text in (*config.env, *config.cmd, *config.entrypoint))
    json.dumps([*config.env, config.labels], ensure_ascii=False).encode()
