"""Leases: what a running process is about to name, so that gc leaves it alone meanwhile.

A pull brings blobs and a tree that no name leads to before it is done, and relies on those that are there already. So it
notes each digest in its lease *before* it looks whether the thing is there. gc first moves a thing away, then reads the
leases once more, and moves it back if one has it: whichever of the two comes first, the puller either finds the thing or
finds it missing, and never believes in what is going to vanish. No lock is needed.

A lease is a file below `tmp/` with a digest a line. It ends with its process, by `with` or by its name (`layout.py`).
"""

from __future__ import annotations

import os
import time

from sampan.store import layout
from sampan.store.records import remove_if_there

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from typing import Self

    from sampan.store.layout import Store

_SUFFIX = "-lease"


class Lease:
    """For `with`: everything that adds blobs or trees to a store needs one. May be used by several threads."""

    def __init__(self, store: Store) -> None:
        """Makes the store if it is missing. Raises `StoreError`, `NoSpace`."""
        layout.create(store)
        self.store = store
        self._path = store.temporary("lease")
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise layout.failure(store, f"cannot write to the store {store.path}", error) from error

    def add(self, digest: str) -> None:
        """`digest` (of a blob, or the chain id of a tree) is in use until the lease ends."""
        os.write(self._descriptor, f"{digest}\n".encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)
        remove_if_there(self._path)


def leased(store: Store) -> set[str]:
    """Everything in a lease of a process that lives, or of another node's that may."""
    found: set[str] = set()
    now = time.time()
    for name in names_below(store.join("tmp")):
        if name.endswith(_SUFFIX):
            try:
                with open(store.join("tmp", name), "rb") as stream:
                    if not layout.is_left_over(name, now - os.fstat(stream.fileno()).st_mtime):
                        found.update(stream.read().decode("ascii", "replace").split())
            except OSError:
                continue
    return found


def names_below(directory: str) -> list[str]:
    """The names in a directory; none if it is missing."""
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
