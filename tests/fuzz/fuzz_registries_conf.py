"""Invariant: whatever registries.conf holds, an image gets at least one route to a host that can be in a URL, or BadSetting or UsageError names the file."""

from __future__ import annotations

import os
import tempfile

from sampan.errors import BadSetting, UsageError
from sampan.oci.reference import Reference
from sampan.registry.addresses import origin_of
from sampan.registry.routes import PULL, PUSH, RESOLVE, Routing

SEEDS = [
    (
        b'[[registry]]\nprefix = "q.io/a"\nlocation = "m.lan:5000/b"\ninsecure = true\nblocked = false\n'
        b'[[registry.mirror]]\nlocation = "n.lan/c"\npull-from-mirror = "digest-only"\n'
    ),
    b'[[registry]]\nprefix = "*.io"\n[[registry]]\nlocation = "q.io"\nmirror-by-digest-only = true\nblocked = true\n',
    b'unqualified-search-registries = ["a.io"]\n[aliases]\n"x" = "q.io/a/x"\n"y" = ""\n',
    b"[registries.insecure]\nregistries = ['q.io']\n[registries.block]\nregistries = ['b.io']\n",
]
IMAGES = [Reference.parse(text) for text in ("q.io/a/b:1", "x.io/c@sha256:" + "01" * 32, "debian:12", "b.io/d")]


def test_one(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as home:
        os.makedirs(f"{home}/.config/containers")
        with open(f"{home}/.config/containers/registries.conf", "wb") as file:
            file.write(data)
        routing = Routing({"HOME": home}, f"{home}/etc")
        for image in IMAGES:
            for purpose in (RESOLVE, PULL, PUSH):
                try:
                    routes = routing.routes(image, purpose)
                except (BadSetting, UsageError) as error:
                    assert error.sentence.isprintable(), error.sentence
                    assert home in error.sentence or home in (error.hint or "")
                    continue
                assert routes
                assert not routes[-1].is_mirror
                for route in routes:
                    origin_of(f"https://{route.host}/v2/")
                    Reference(route.domain, route.path)
