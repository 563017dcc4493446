"""Invariant: whatever the template, it is filled in or refused; what is filled in is read again as the same commands with other words."""

from __future__ import annotations

from sampan.apps import shell
from sampan.apps.build import _input
from sampan.apps.render import Scope, Unwritable, shell_text

SEEDS = [
    b"rec [A] \"[A]\" '[A]'",
    b"cat <<EOF\n[A]\nEOF\n",
    b"f=$(basename [A]); case $f in x) rec ${f%[A]};; esac",
    b"[[ [A] -eq 1 ]] && rec `x [A]` $((1+[A]))",
]
_INPUTS = [_input({"id": "A", "name": "A", "type": "String", "value-key": "[A]"}, {})]


def test_one(data: bytes) -> None:
    template = data.decode("utf-8", "replace")
    shapes = []
    for value in ("'\"$(x)`y`;\n#", "plain"):
        try:
            shapes.append(shell.read(shell_text(template, Scope(_INPUTS, (), {"A": value}, {}))).shape)
        except Unwritable:
            return
    assert shapes[0] == shapes[1]
