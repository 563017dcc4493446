"""Pins: what outside the store holds a tree, as a launch file does. Nothing but `sampan store pins rm` ends one."""

from __future__ import annotations

import os

from sampan.errors import UsageError
from sampan.store import layout, records
from sampan.store.leases import names_below

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.store.layout import Store

ID_BYTES = 6


class Pin:
    """`file` (a path on some machine) holds the tree `chain`; `image` is what it was made from, `created` when."""

    __slots__ = ("chain", "created", "file", "id", "image")

    def __init__(self, id: str, chain: str, file: str, image: str, created: str) -> None:
        self.id = id
        self.chain = chain
        self.file = file
        self.image = image
        self.created = created


def add(store: Store, chain: str, file: str, image: str, created: str) -> Pin:
    """A new pin. Raises `StoreError`, `NoSpace`."""
    pin = Pin(os.urandom(ID_BYTES).hex(), chain, file, image, created)
    document: dict[str, object] = {
        "format": records.FORMAT,
        **{name: getattr(pin, name) for name in ("id", "chain", "file", "image", "created")},
    }
    try:
        layout.create(store)
        records.write(store.join("pins", pin.id), store.temporary("pin"), document)
    except OSError as error:
        raise layout.failure(store, f"cannot pin {image} for {file}", error) from error
    return pin


def listing(store: Store) -> list[Pin]:
    """All pins, oldest first. Raises `CorruptRecord`, `NewerStore`."""
    found = [read(store, name) for name in names_below(store.join("pins"))]
    return sorted((pin for pin in found if pin is not None), key=lambda pin: (pin.created, pin.id))


def read(store: Store, id: str) -> Pin | None:
    """The pin with this whole id. Raises `CorruptRecord`, `NewerStore`."""
    path = store.join("pins", id)
    document = records.read(path)
    if document is None:
        return None
    return Pin(*(records.text_of(document, key, path) for key in ("id", "chain", "file", "image", "created")))


def remove(store: Store, id: str) -> Pin:
    """End a pin, given by the beginning of its id. Raises `UsageError` if none or several begin so, `StoreError`."""
    fitting = [pin for pin in listing(store) if id and pin.id.startswith(id)]
    if len(fitting) != 1:
        raise UsageError(f"{'several pins begin' if fitting else 'no pin begins'} with {id!r}", "see `sampan store pins`")
    try:
        records.remove_if_there(store.join("pins", fitting[0].id))
    except OSError as error:
        raise layout.failure(store, f"cannot remove the pin {fitting[0].id}", error) from error
    return fitting[0]
