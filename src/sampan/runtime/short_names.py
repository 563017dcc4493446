"""Short names: what `fedora` stands for, by the aliases of registries.conf; without one it is at Docker Hub."""

from __future__ import annotations

import os

from sampan.oci.reference import Reference
from sampan.registry import registries_conf
from sampan.runtime import images

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.container.record import ContainerImage
    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.names import Image


def alias_of(text: str) -> tuple[Reference, str] | None:
    """What a short name stands for, and the file that says so; `None` if there is no alias. Raises `BadSetting`."""
    if registries_conf.is_long(text) or "://" in text:
        return None
    return registries_conf.load(os.environ).alias(text)


def resolved(text: str, session: Session) -> Reference:
    """The reference that a person means by `text`; an alias is said in a line. Raises `BadReference`, `BadSetting`."""
    found = alias_of(text)
    if found is None:
        return Reference.parse(text)
    reference, file = found
    if str(reference) != str(Reference.parse(text)):
        session.notice.say(f"{text} stands for {reference} ({file})")
    return reference


def find_stored(text: str, session: Session) -> tuple[Store, Image] | None:
    """The record of an image in the first store that has one, by name, id, or what an alias makes of it.

    Raises `BadReference`, `BadSetting`, `UsageError` for the beginning of several ids.
    """
    from sampan.runtime import lookup

    found = lookup.matching(text, session)
    if not found:
        alias = alias_of(text)
        found = lookup.matching(str(alias[0]), session) if alias is not None else []
    return found[0] if found else None


def find_unpacked(text: str, session: Session, platform: str | None) -> ContainerImage | None:
    """The image that an alias stands for, with its tree, if a store has it."""
    found = alias_of(text)
    return images.find(str(found[0]), session, platform) if found is not None else None
