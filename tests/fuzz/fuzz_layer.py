"""Invariant: whatever the bytes of two layers, they end in a tree that agrees with its index or in one error, and nothing beside it changes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sampan.errors import SampanError
from tests.fuzz.fuzz_tar import SEEDS as TAR_SEEDS
from tests.fuzz.fuzz_tar import repaired
from tests.images.tarbytes import archive, device, directory, fifo, file, hardlink, opaque, symlink, whiteout
from tests.images.unpacked import Unpacked

_CUT = b"----"  # between the layers
_LOWER = archive(
    directory("d", 0o700),
    file("d/f", b"lower", mode=0o4755),
    symlink("l", "d"),
    symlink("out", "../../outside"),
    hardlink("h", "d/f"),
    fifo("p"),
)
SEEDS = [
    *TAR_SEEDS,
    *(_LOWER + _CUT + seed for seed in TAR_SEEDS),
    _LOWER
    + _CUT
    + archive(whiteout("d"), file("d/new", b"x"), opaque("l"), file("out/secret", b"x"), hardlink("d/h2", "h"), device("h")),
    _LOWER + _CUT + archive(symlink("d", "out"), file("d/secret", b"x"), directory("l"), hardlink("s", "out/secret")),
]


def test_one(data: bytes) -> None:
    place = Path(tempfile.mkdtemp(prefix="fuzz-layer-"))
    try:
        tree = Unpacked(place)
        try:
            tree.apply(*[repaired(part) for part in data.split(_CUT, 2)])
        except SampanError as error:
            assert error.sentence.isprintable()
            assert len(error.sentence) < 20_000
    finally:
        shutil.rmtree(place)
