"""Use the root of a container that does not run: it cannot be started meanwhile, since two overlays on one upper directory destroy each other.

The mark is a file `borrowed` beside `running`. Each side makes its mark first and looks for the other's then, so where a file
system has no locks at least one of two gives way.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sampan.container import shelf
from sampan.container.state import Process, runner
from sampan.store import layout, records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.container.record import Record
    from sampan.store.layout import Store


@contextmanager
def borrowed(store: Store, record: Record) -> Iterator[None]:
    """For `with`: the container is not started meanwhile. Raises `ContainerRunning`, `NoSpace`, `StoreError`."""
    mark = f"{record.directory}/borrowed"
    try:
        _mark(store, record, mark)
    except OSError as error:
        raise layout.failure(store, f"cannot use the files of the container {record.shown}", error) from error
    try:
        found = runner(record.directory)
        if found is not None:
            raise shelf.runs(record, found)
        yield
    finally:
        records.remove_if_there(mark)


def _mark(store: Store, record: Record, mark: str) -> None:
    own = store.temporary("borrowed")
    with open(own, "xb") as stream:
        stream.write(records.dump(Process.here().document()))
    descriptor = os.open(f"{record.directory}/container.json", os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # there may be no locks; the link has one winner all the same
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        shelf.refuse_borrowed(record.directory, record.shown)
        records.remove_if_there(mark)
        try:
            os.link(own, mark)
        except FileExistsError:
            shelf.refuse_borrowed(record.directory, record.shown)
            raise
    finally:
        os.close(descriptor)
        os.unlink(own)
