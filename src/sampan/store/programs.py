"""Native programs that launch files name: copied into the store once, never overwritten. `find` is on the start-up path."""

from __future__ import annotations

import os

from sampan.store import layout
from sampan.store.records import flush_directory, remove_if_there

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.store.layout import Store


HEX = 32
"""Hex digits of the sha256 in a program's path: half of them, so that a `#!` line, 127 bytes at most, has room for a home."""


def path_of(store: Store, digest: str, name: str) -> str:
    """Where the program with this sha256 (hex) is, or would be."""
    return store.join("programs", digest[:HEX], name)


def find(store: Store, digest: str, name: str) -> str | None:
    """The program with this sha256, if it was installed."""
    path = path_of(store, digest, name)
    return path if os.path.exists(path) else None


def install(store: Store, source: str, name: str) -> str:
    """Copy the file `source` into the store; where it is then. Raises `StoreError`, `NoSpace`."""
    try:
        with open(source, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise layout.failure(store, f"cannot read {source}", error) from error
    return install_bytes(store, data, name)


def install_bytes(store: Store, data: bytes, name: str) -> str:
    """Put a program into the store; where it is then. Many processes may do it at once.

    The copy is executable and named by its content, so it stays right when the package is upgraded or removed. Raises
    `StoreError`, `NoSpace`.
    """
    from hashlib import sha256

    try:
        layout.create(store)
        goal = path_of(store, sha256(data).hexdigest(), name)
        if not os.path.exists(goal):
            _write(store, goal, data)
    except OSError as error:
        raise layout.failure(store, f"cannot copy {name} into the store {store.path}", error) from error
    return goal


def _write(store: Store, goal: str, data: bytes) -> None:
    temporary = store.temporary("program")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fchmod(descriptor, 0o755)
            os.fsync(descriptor)
        finally:
            # Closed before it has its name: a program open for writing cannot be executed (ETXTBSY).
            os.close(descriptor)
        os.makedirs(os.path.dirname(goal), exist_ok=True)
        try:
            # A link, not a rename: the first copy stays, for others may be executing it already.
            os.link(temporary, goal)
        except FileExistsError:
            return
        except OSError:
            if not os.path.exists(goal):
                os.rename(temporary, goal)
    finally:
        remove_if_there(temporary)
    flush_directory(os.path.dirname(goal))
