"""Small images and places for the journeys to registries; a plugin of the tests (tests/conftest.py)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.images.build import Layout, directory, file, layer
from tests.peers.docker_registry import seed

RANDOM = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(20_000))


@pytest.fixture(scope="session")
def small_layout(tmp_path_factory):
    """`1`: two layers; `2`: one of them with another one; `many`: an index of two platforms with an attestation."""
    made = Layout(tmp_path_factory.mktemp("small"))
    base = layer([directory("etc"), file("etc/motd", b"one\n"), directory("bin")])
    data = layer([file("data", RANDOM)], "none")
    made.tag("1", made.image([base, data], {"Cmd": ["cat", "/etc/motd"]}))
    made.tag("2", made.image([base, layer([file("etc/motd", b"two\n")])]))
    amd = made.image([base, data])
    attestation = made.document(
        {
            "schemaVersion": 2, "mediaType": amd["mediaType"], "config": made.blob(b"{}", "application/vnd.oci.image.config.v1+json"),
            "layers": [made.blob(b'{"sbom": 1}', "application/vnd.in-toto+json")],
        },
        amd["mediaType"], platform={"os": "unknown", "architecture": "unknown"},
        annotations={"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": amd["digest"]},
    )  # fmt: skip
    made.tag("many", made.index([amd, made.image([base], platform="linux/arm64/v8"), attestation]))
    return made


@pytest.fixture(scope="session")
def seeded_small(registry, small_layout):
    """The images as `small/tools:1`, `:2`, `:many` and `private/tools:1` in all registries, which share a directory."""
    for tag in small_layout.tags:
        seed(registry, small_layout, tag, f"small/tools:{tag}")
    seed(registry, small_layout, "1", "private/tools:1")
    return registry


def conf(sampan, text: str) -> Path:
    """registries.conf of the user."""
    path = sampan.directory / ".config/containers/registries.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def trust(sampan, host: str, authority: Path) -> None:
    """Put an authority into the user's certs.d."""
    directory_of = sampan.directory / ".config/containers/certs.d" / host
    directory_of.mkdir(parents=True, exist_ok=True)
    (directory_of / "ca.crt").write_bytes(authority.read_bytes())


def auths(path: Path) -> dict:
    return json.loads(path.read_text())["auths"]
