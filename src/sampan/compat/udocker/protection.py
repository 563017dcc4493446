"""Images that `udocker rmi` is to refuse: an empty file for each name in the store. (A container says so in its record.)"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.oci.reference import Reference
from sampan.store import layout, names, records

if TYPE_CHECKING:
    from sampan.store.layout import Store

_DIRECTORY = "protected"


def is_protected(store: Store, text: str) -> bool:
    """Whether the image of a name is. Raises `BadReference`."""
    return os.path.exists(_mark(store, text))


def protect(store: Store, text: str) -> None:
    """Refuse its removal. Raises `BadReference`, `StoreError`, `NoSpace`."""
    try:
        os.makedirs(store.join(_DIRECTORY), exist_ok=True)
        os.close(os.open(_mark(store, text), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise layout.failure(store, f"cannot protect {text}", error) from error


def unprotect(store: Store, text: str) -> None:
    """Allow its removal again. Raises `BadReference`, `StoreError`."""
    try:
        records.remove_if_there(_mark(store, text))
    except OSError as error:
        raise layout.failure(store, f"cannot unprotect {text}", error) from error


def _mark(store: Store, text: str) -> str:
    return store.join(_DIRECTORY, names.escape(str(Reference.parse(text))))
