"""The engines that journeys are made with, and a tiny image whose only program is a static busybox."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.engines.conftest import PROBES
from tests.images.build import Layout, directory, file, layer, symlink, whiteout

BUSYBOX = Path("/bin/busybox")
ENGINES = ("namespace", "intercept")


@pytest.fixture(params=ENGINES)
def engine(request):
    """The engines that a journey is the same with, one after the other."""
    can, why = PROBES[request.param]
    if can is None:
        pytest.skip(f"the engine {request.param} does not work here: {why}")
    return request.param


@pytest.fixture
def busybox_layers():
    """Two layers: the program with its links, then a change and a whiteout at the top."""
    if not BUSYBOX.exists() or b"busybox" not in BUSYBOX.read_bytes():
        pytest.skip("busybox-static is not installed")
    links = [symlink(f"bin/{name}", "busybox") for name in ("sh", "ls", "cat", "id", "touch", "true", "echo", "mkdir")]
    first = layer([
        directory("bin"), file("bin/busybox", BUSYBOX.read_bytes(), 0o755), *links, directory("etc"), file("etc/motd", b"one\n"),
        directory("tmp", 0o1777), file("top.txt", b"to be removed"), file("etc/passwd", b"root:x:0:0::/:/bin/sh\n"),
    ])  # fmt: skip
    # Unlike any other test's: gc spares trees that run anywhere on the node, and tells them apart by their chain id alone.
    unique = file("etc/unique", os.urandom(8))
    return [first, layer([file("etc/motd", b"two\n"), whiteout("top.txt"), unique])]


@pytest.fixture
def busybox(faulty, tmp_path, busybox_layers):
    """The image `x:1` at the faulty registry; its reference."""
    layout = Layout(tmp_path / "layout")
    layout.tag("1", layout.image(busybox_layers, {"Cmd": ["cat", "/etc/motd"]}))
    faulty.add(layout)
    return f"{faulty.host}/x:1"
