"""What the tests of the registry client share."""

from __future__ import annotations

import hashlib

import pytest

from sampan.oci.descriptor import Descriptor
from sampan.oci.digest import Digest
from sampan.oci.manifest import parse_manifest
from sampan.oci.reference import Reference
from sampan.registry.client import Client
from sampan.registry.pacing import Limits
from sampan.settings import load
from tests.images.build import Layout, directory, file, layer, layer_of

BIG = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(100_000))
"""3.2 MB that no compression shrinks."""


@pytest.fixture(scope="session")
def layout(tmp_path_factory):
    """`1`: an image of two layers, one of them big; `many`: an index of two platforms; `docker`: Docker's types."""
    made = Layout(tmp_path_factory.mktemp("layout"))
    base = layer([directory("etc"), file("etc/motd", b"hello\n")])
    big = layer_of(BIG, "none")
    made.tag("1", made.image([base, big], {"Cmd": ["cat", "/etc/motd"]}))
    arm = made.image([base], platform="linux/arm64/v8")
    made.tag("many", made.index([made.image([base]), arm]))
    made.tag("docker", made.image([base], kind="docker"))
    return made


@pytest.fixture
def make_client(tmp_path, notice, clock):
    """Clients with their own home and settings; closed at the end."""
    clients = []

    def make(*, limits=None, insecure="", authfile="", **environ):
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        variables = {"HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), **environ}
        chosen = {"SAMPAN_INSECURE_REGISTRIES": insecure, "SAMPAN_AUTHFILE": authfile}
        chosen.update((name, value) for name, value in environ.items() if name.startswith("SAMPAN_"))
        settings = load({"HOME": str(home), **{name: value for name, value in chosen.items() if value}}, "/nonexistent")
        clients.append(Client(settings, notice, environ=variables, limits=limits or Limits(connect=5, silence=5), clock=clock))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(make_client):
    return make_client()


def descriptor_of(document: dict) -> Descriptor:
    return Descriptor(document["mediaType"], Digest.parse(document["digest"]), document["size"])


def big_layer(layout: Layout) -> Descriptor:
    parsed = parse_manifest(layout.read(layout.tags["1"]), "x")
    return parsed.layers[1]


def reference(host: str, rest: str = "x:1") -> Reference:
    return Reference.parse(f"{host}/{rest}")
