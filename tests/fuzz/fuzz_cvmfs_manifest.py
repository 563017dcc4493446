"""Invariant: whatever stands in a manifest or a whitelist, it is a value whose text says the same again, or a RepositoryError that can be printed."""

from __future__ import annotations

from sampan.cvmfs import letter, manifest, whitelist
from sampan.cvmfs.hashing import Hash
from sampan.errors import RepositoryError

SEEDS = [
    (
        b"C084c03d0c5a32344ef01d94cc7ec121650f18e05\nB18432\nRd41d8cd98f00b204e9800998ecf8427e\nD240\nS2\nGyes\nAno\nNtest.sampan.org\n"
        b"X905e5f9a5ed76076b3cba2557393ea409d69e37f\nH4374122831e916f8f248c2740dd210cec6133700-shake128\nT1795226418\n"
        b"M85e4f386da0d5d77c7f66cf2f58e10951f24b653\nYb64c8175d4b46c51ec45af865663a706d1b65dd2-rmd160\n"
    ),
    b"20261121015948\nE20261221015948\nNtest.sampan.org\n1A:A1:DE:69:81:DE:CC:6E:B8:B4:1C:79:13:E0:C7:88:F0:B4:9A:38\n",
    b"<test.sampan.org 17\n1A:A1\n< a 3\n# x\n",
    b"text\n--\n372ea08cab33e71c02c651dbc83a474d32c676ea\nsignature",
]


def test_one(data: bytes) -> None:
    for parse in (manifest.parse, whitelist.parse):
        try:
            found = parse(data)
        except RepositoryError as error:
            assert error.sentence.isprintable()
        else:
            assert parse(found.text()) == found
    try:
        whitelist.Blacklist.parse(data).blocks("test.sampan.org", 1)
    except RepositoryError as error:
        assert error.sentence.isprintable()
    try:
        parts = letter.split(data, "it")
    except RepositoryError as error:
        assert error.sentence.isprintable()
    else:
        assert Hash.of(parts.text, Hash.parse(parts.hash_text.decode()).algorithm).text == parts.hash_text.decode()
        assert letter.join(*parts) == data
