"""A repository as udocker 1.3 writes it, in all its forms; compared with what the real one makes of the same images."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from tests.images.build import Layer, digest_of

OCI = "application/vnd.oci.image"


class UdockerDirectory:
    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("bin", "lib", "doc", "repos", "layers", "containers"):
            (path / name).mkdir(parents=True)

    def _tag(self, name: str, form: str) -> Path:
        repository, _, tag = name.rpartition(":")
        place = self.path / "repos" / repository / tag
        place.mkdir(parents=True)
        (place / "TAG").write_text(f"{self.path}/repos/{repository}:{tag}")
        (place / form).write_text("")
        return place

    def _blob(self, place: Path, data: bytes, name: str) -> None:
        (self.path / "layers" / name).write_bytes(data)
        (place / name).symlink_to(os.path.relpath(self.path / "layers" / name, place))

    def pulled(self, name: str, layers: list[Layer], config: dict) -> Path:
        """Form v2, schema 2."""
        place = self._tag(name, "v2")
        document = json.dumps({"architecture": "amd64", "os": "linux", "config": config, "rootfs": {"type": "layers", "diff_ids": [one.diff_id for one in layers]}}).encode()  # fmt: skip
        for data in (document, *(one.data for one in layers)):
            self._blob(place, data, digest_of(data))
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{OCI}.manifest.v1+json",
            "config": {"mediaType": f"{OCI}.config.v1+json", "digest": digest_of(document), "size": len(document)},
            "layers": [
                {"mediaType": f"{OCI}.layer.v1.tar+gzip", "digest": digest_of(one.data), "size": len(one.data)} for one in layers
            ],
        }
        (place / "manifest").write_text(json.dumps(manifest))
        return place

    def pulled_schema_1(self, name: str, layers: list[Layer], config: dict) -> Path:
        place = self._tag(name, "v2")
        for one in layers:
            self._blob(place, one.data, digest_of(one.data))
        described = {"architecture": "amd64", "os": "linux", "config": config, "id": "x" * 64}
        manifest = {
            "schemaVersion": 1, "name": name, "fsLayers": [{"blobSum": digest_of(one.data)} for one in reversed(layers)],
            "history": [{"v1Compatibility": json.dumps(described)}, *[{"v1Compatibility": "{}"}] * (len(layers) - 1)],
        }  # fmt: skip
        (place / "manifest").write_text(json.dumps(manifest))
        return place

    def loaded(self, name: str, layers: list[Layer], config: dict, *, container_json: bool = True) -> Path:
        """Form v1."""
        place = self._tag(name, "v1")
        ids = [hashlib.sha256(f"{name} {number}".encode()).hexdigest() for number in range(len(layers))]
        described = {"architecture": "amd64", "os": "linux", "config": {**config, "Volumes": None}, "container_config": None}
        for number, (id, one) in enumerate(zip(ids, layers)):
            self._blob(place, one.data, f"{id}.layer")
            own = {"id": id, **({"parent": ids[number - 1]} if number else {}), **(described if number == len(ids) - 1 else {})}
            self._blob(place, json.dumps(own).encode(), f"{id}.json")
        (place / "ancestry").write_text(json.dumps(ids[::-1]))
        if container_json:
            (place / "container.json").write_text(json.dumps(described))
        return place

    def container(self, name: str, image: str, files: dict[str, bytes], mode: str = "") -> Path:
        id = "2e15a90e-2f62-3f29-b51b-" + hashlib.sha256(name.encode()).hexdigest()[:12]
        place = self.path / "containers" / id
        for path, data in files.items():
            (place / "ROOT" / path).parent.mkdir(parents=True, exist_ok=True)
            (place / "ROOT" / path).write_bytes(data)
        (place / "container.json").write_text("{}")
        (place / "imagerepo.name").write_text(image)
        if mode:
            (place / "execmode").write_text(mode)
        (self.path / "containers" / name).symlink_to(id)
        return place
