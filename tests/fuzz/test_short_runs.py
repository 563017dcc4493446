"""A short run of every fuzz target: its seeds, changed at random places. `make fuzz` runs them longer.

A target is a module `fuzz_*.py` here with the invariant as its first sentence, `SEEDS` and `test_one(data)`. The number
of inputs can be set by FUZZ_RUNS, the start of the random numbers by FUZZ_SEED.
"""

from __future__ import annotations

import importlib.util
import os
import random
from pathlib import Path

import pytest

TARGETS = sorted(Path(__file__).parent.glob("fuzz_*.py"))
RUNS = int(os.environ.get("FUZZ_RUNS", "1500"))
SEED = int(os.environ.get("FUZZ_SEED", "1"))
INTERESTING = [
    b"\0",
    b"\xff",
    b'"',
    b"\\",
    b",",
    b"{",
    b"[",
    b"null",
    b"-1",
    b"1e999",
    b"\\ud800",
    b"=",
    b" ",
    b"9" * 40,
    b"\n",
    b"%",
    b"../",
    b":",
]


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def changed(seeds: list[bytes], chance: random.Random) -> bytes:
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randrange(len(data) + 1)
        kind = chance.randrange(6)
        if kind == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del data[at : at + chance.choice((1, 2, 8, 64))]
        elif kind == 2:
            data[at:at] = chance.choice(INTERESTING)
        elif kind == 3:
            other = chance.choice(seeds)
            data[at:] = other[chance.randrange(len(other) + 1) :]
        elif kind == 4:
            data[at:at] = data[at : at + chance.choice((1, 4, 32))]
        elif at < len(data):
            data[at] ^= 1 << chance.randrange(8)
    return bytes(data)


@pytest.mark.client
@pytest.mark.parametrize("path", TARGETS, ids=lambda path: path.stem)
def test_invariant(path):
    target = load(path)
    chance = random.Random(SEED)
    for data in [b"", *target.SEEDS, *(changed(target.SEEDS, chance) for _ in range(RUNS))]:
        try:
            target.test_one(data)
        except BaseException as error:
            raise AssertionError(f"{path.stem} breaks on {data!r}") from error
