"""Invariant: whatever the bytes, `parse` gives a wishlist whose wishes can each be asked for, or raises a `UsageError` of one line."""

from __future__ import annotations

from sampan.distribute.wishlist import parse
from sampan.errors import UsageError

SEEDS = [
    b"# comment\nopensciencegrid/osgvo-el7:latest\nlibrary/debian:1*\nquay.io/a/b:1 # end\n\n",
    (
        b"version: 1\nuser: u\ncvmfs_repo: 'x.cern.ch'\noutput_format: >\n  $(scheme)://r/$(image)\ninput:\n"
        b"  - 'https://registry.hub.docker.com/library/fedora:latest'\n  - 'https://gitlab-registry.cern.ch/a/b:v*'\n"
    ),
    b"version: 1\ninput: &a [ 'https://x.org/y:1', *a ]\n",
    b"version: 1\ninput:\n- https://x.org/y@sha256:" + b"0" * 64 + b"\n",
    b"--- !!python/object:os.system 'x'\n",
]


def test_one(data: bytes) -> None:
    for path in ("list.yaml", "list.txt"):
        try:
            found = parse(data, path)
        except UsageError as error:
            assert "\n" not in error.sentence, error.sentence
            continue
        for wish in found.wishes:
            assert wish.place.startswith(f"{path}:")
            assert str(wish.reference("1" if wish.is_pattern else None))
