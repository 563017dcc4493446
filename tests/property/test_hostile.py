"""Random layers out of hostile pieces: contained or refused, never beside the tree, and what is on the disk is what the index says."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampan.errors import IntegrityError
from sampan.layers import beneath, openat2
from tests.images import tarbytes
from tests.images.tarbytes import FORMS, archive
from tests.images.unpacked import Unpacked

pytestmark = pytest.mark.client
PIECES = (
    "a",
    "b",
    "l",
    "..",
    ".",
    "",
    "secret",
    "directory",
    "outside",
    ".wh.a",
    ".wh..wh..opq",
    "proc",
    "self",
    "root",
    "x" * 15,
)
names = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("/".join)
names = st.one_of(names, names.map(lambda name: "/" + name), names.map(lambda name: "../../outside/" + name))
targets = st.one_of(
    names, st.sampled_from(["../../outside", "../../../outside", "/proc/self/root", "/", ".", "..", "OUT", "OUT/secret"])
)
members = st.tuples(st.sampled_from(["file", "directory", "symlink", "hardlink", "fifo", "device", "whiteout", "opaque"]), names, targets, st.sampled_from(FORMS), st.integers(0, 0o7777))  # fmt: skip
images = st.lists(st.lists(members, min_size=1, max_size=6), min_size=1, max_size=3)


def made(member, outside: str) -> bytes:
    kind, name, target, form, mode = member
    target = target.replace("OUT", outside)
    if kind in ("symlink", "hardlink"):
        return getattr(tarbytes, kind)(name, target or "x", form=form, mode=mode)
    if kind == "file":
        return tarbytes.file(name, target.encode(), form=form, mode=mode)
    if kind == "directory":
        return tarbytes.directory(name, mode, form=form)
    if kind == "opaque":
        return tarbytes.opaque(name, form=form)
    if kind == "whiteout":
        return tarbytes.whiteout(name, form=form)
    return getattr(tarbytes, kind)(name, form=form)


@pytest.mark.parametrize("way", ["openat2", "by hand"])
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(image=images)
def test_contained_or_refused(monkeypatch, way, image):
    if way == "by hand":
        monkeypatch.setattr(beneath, "openers", lambda: (beneath.in_root, beneath.beneath))
    elif not openat2.works():
        pytest.skip("this kernel has no openat2")
    place = Path(tempfile.mkdtemp(prefix="hostile-"))
    try:
        tree = Unpacked(place)
        try:
            tree.apply(*[archive(*[made(member, str(tree.outside)) for member in layer]) for layer in image])
        except (IntegrityError, ValueError) as error:
            # ValueError: this spelling cannot say such a name.
            assert isinstance(error, IntegrityError) or "substring not found" in str(error)
    finally:
        shutil.rmtree(place)
