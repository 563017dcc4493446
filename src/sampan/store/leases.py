"""Leases: what a running process is about to name, so that gc leaves it alone meanwhile.

A pull brings blobs and a tree that no name leads to before it is done, and relies on those that are there already. So it
notes each digest in its lease, and only then looks whether the thing is there. gc notes what it is about to take (it
*condemns* it), and only then reads the leases. Whichever is first, one sees the other: gc spares what is leased, and a
lease on something condemned waits until that gc has decided, for what it finds afterwards stays. No lock is needed.

Both are files below `tmp/` with a digest a line. They end with their process, by `with` or by their name (`layout.py`).
"""

from __future__ import annotations

import os
import time

from sampan.errors import NoSpace
from sampan.store import layout
from sampan.store.records import remove_if_there

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from sampan.store.layout import Store

_LEASE, _CONDEMNED = "-lease", "-condemned"
_PAUSE = 0.01
_MAX_WAIT = 60.0  # seconds: a gc that was killed on another node is not seen to be dead


class Lease:
    """For `with`: everything that adds blobs or trees to a store needs one. May be used by several threads."""

    def __init__(self, store: Store) -> None:
        """Makes the store if it is missing. Raises `StoreError`, `NoSpace`."""
        layout.create(store)
        self.store = store
        self._note = _Note(store, _LEASE)

    def add(self, digest: str) -> None:
        """`digest` (of a blob, or the chain id of a tree) is in use until the lease ends. If it is there now, it stays.

        Raises `StoreError`, `NoSpace`.
        """
        self._note.write((digest,))
        end = time.monotonic() + _MAX_WAIT
        while digest in _noted(self.store, _CONDEMNED) and time.monotonic() < end:
            time.sleep(_PAUSE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._note.end()


class Condemnation:
    """For `with`: gc is about to take these digests, unless they are leased."""

    def __init__(self, store: Store, digests: Iterable[str]) -> None:
        """Raises `StoreError`.

        On a full disk, where gc is wanted most, nothing is noted: a pull that begins in this very moment may then lose what
        it found, and fails for the full disk in any case.
        """
        self._note: _Note | None = None
        try:
            self._note = _Note(store, _CONDEMNED)
            self._note.write(digests)
        except NoSpace:
            pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._note is not None:
            self._note.end()


def leased(store: Store) -> set[str]:
    """Everything in a lease of a process that lives, or of another node's that may."""
    return _noted(store, _LEASE)


class _Note:
    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._path = store.temporary(kind[1:])
        try:
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise layout.failure(store, f"cannot write to the store {store.path}", error) from error

    def write(self, digests: Iterable[str]) -> None:
        data = "".join(f"{digest}\n" for digest in digests).encode()
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise layout.failure(self._store, f"cannot write to the store {self._store.path}", error) from error

    def end(self) -> None:
        os.close(self._descriptor)
        remove_if_there(self._path)


def _noted(store: Store, kind: str) -> set[str]:
    found: set[str] = set()
    now = time.time()
    for name in names_below(store.join("tmp")):
        if name.endswith(kind):
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
