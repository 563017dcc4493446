"""The sessions in the documentation do what the pages say: each console block is typed, and what is printed compared."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.images.build import file, layer

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from consoles import Session, alike, steps  # noqa: E402 - a script

PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "```console" in page.read_text()]


def test_steps_of_a_page():
    page = "# x\n```console\n$ a\n1\n$ cat <<E\n> b\n>\n> E\n```\n$ no\n```console\n$ c\n```\n"
    found = [(step.command, step.printed) for step in steps(page)]
    assert found == [("a", ("1",)), ("cat <<E\nb\n\nE", ()), ("c", ())]


def test_what_is_alike():
    assert alike(["tools  1  dbbd0e386412  1 s ago  66.1 MB"], ["tools  1  0123456789ab  2 min ago  7 kB"])
    assert alike(["a", "...", "z"], ["a", "b", "c", "z"])
    assert not alike(["a"], ["b"])
    assert not alike(["a"], ["a", "b"])


def unlike_others(layout: Path, place: Path) -> None:
    """The layout at `place` with one layer more. The store tells what runs by chain ids, and other tests run the same image meanwhile."""
    shutil.copytree(layout, place)
    blobs = place / "blobs/sha256"

    def put(data: bytes) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def read(descriptor: dict[str, str]) -> dict[str, Any]:
        return json.loads((blobs / descriptor["digest"].partition(":")[2]).read_bytes())

    extra = layer([file("etc/unique", os.urandom(8))])
    index = json.loads((place / "index.json").read_bytes())
    manifest = read(index["manifests"][0])
    config = read(manifest["config"])
    config["rootfs"]["diff_ids"].append(extra.diff_id)
    manifest["config"].update(put(json.dumps(config).encode()))
    manifest["layers"].append({"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **put(extra.data)})
    index["manifests"][0].update(put(json.dumps(manifest).encode()))
    (place / "index.json").write_text(json.dumps(index))


@pytest.fixture
def session(sampan, machine_layout, registry, tmp_path):
    """A shell with `sampan` and a Python that can import it, in a home with the embedded image."""
    home, programs = tmp_path / "home", tmp_path / "programs"
    for directory in (home, programs):
        directory.mkdir()
    for name, command in (("sampan", sampan.command()), ("python3", [sys.executable])):
        (programs / name).write_text("#!/bin/sh\nexec " + " ".join(command) + ' "$@"\n')
        (programs / name).chmod(0o755)
    unlike_others(machine_layout.path, home / "debian-image")
    environment = {name: value for name, value in sampan.environment().items() if name != "SAMPAN_HOME"}
    found = Session(home, {**environment, "PATH": f"{programs}:/usr/bin:/bin", "LANG": "C.UTF-8"}, registry.host)
    yield found
    found.run("sampan rm -f $(sampan ps -aq --filter ancestor=tools:1) 2>/dev/null")
    found.close()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page(session, page):
    for step in steps(page.read_text()):
        printed = session.run(step.command)
        assert alike(list(step.printed), printed), f"{step.command}\nprinted: {printed}\nthe page: {list(step.printed)}"
