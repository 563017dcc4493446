"""The tests that a descriptor holds: what an invocation must lead to, judged."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from sampan.apps.render import input_files
from sampan.errors import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.apps.application import Test
    from sampan.apps.bind import Invocation
    from sampan.apps.outputs import FoundOutput


def judge(test: Test, directory: str, status: int, found: Sequence[FoundOutput]) -> list[str]:
    """The sentences about what is not as the test asserts; none if it passed."""
    wrong = []
    if test.exit_code is not None and status != test.exit_code:
        wrong.append(f"the exit status is {status}, not {test.exit_code}")
    by_id = {one.id: one for one in found}
    for id, md5 in test.files:
        one = by_id.get(id)
        if one is None or not one.paths:
            wrong.append(f"the output {id} is missing")
        elif md5 and (is_now := _md5(os.path.join(directory, one.paths[0]))) != md5:
            wrong.append(f"the output {id} ({printable(one.paths[0])}) has the MD5 {is_now}, not {md5}")
    return wrong


def _md5(path: str) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def with_files(invocation: Invocation, base: str) -> Invocation:
    """The invocation with its relative input files taken from the directory of the descriptor."""
    places = {
        one.path: os.path.join(base, one.path)
        for one in input_files(invocation)
        if not one.path.startswith("/") and os.path.lexists(os.path.join(base, one.path))
    }
    return invocation.moved(places)
