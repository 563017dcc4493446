"""`save`: images of the store as an archive or a layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import BadReference, SampanError, UsageError
from sampan.image.save import DIRECTORY_FORM, Saver
from sampan.layers.archive import ArchiveSink
from sampan.oci.reference import Reference
from sampan.runtime import lookup
from sampan.runtime.destination import STDOUT, destination, new_directory
from sampan.store import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.image.save import Saved
    from sampan.runtime.session import Session
    from sampan.store.names import Image


def save(texts: Sequence[str], path: str, form: str, session: Session) -> None:
    """Write the images to the file or directory `path` (`-`: standard output) in one of `image.save.FORMATS`.

    An image by its name has this name in the archive, by NAME without a tag all its tags, by an id none. Raises `ImageNotFound`,
    `UsageError`, `NoSpace`, `HostError`, `IntegrityError`; a file is complete or not there.
    """
    saver = Saver(session.stores(), session.progress)
    images = _ready(texts, saver, session)
    try:
        if form == DIRECTORY_FORM:
            if path == STDOUT:
                raise UsageError("a directory cannot be written to standard output", "name one with --output")
            with new_directory(path) as place:
                saver.directory(images, place)
            return
        with destination(path) as write:
            saver.archive(images, ArchiveSink(write), form)
    except SampanError as error:
        raise error.about(f"cannot save {', '.join(image.shown for image in images)}") from error.__cause__


def _ready(texts: Sequence[str], saver: Saver, session: Session) -> list[Saved]:
    """Each image once, with all names that were asked for."""
    wanted: dict[str, tuple[Image, list[Reference]]] = {}
    for text in texts:
        for image, name in _meant(text, session):
            _, found = wanted.setdefault(image.manifest, (image, []))
            if name is not None and name not in found:
                found.append(name)
    ready = []
    for image, found in wanted.values():
        shown = found[0].familiar if found else image.config[:19]
        ready.append(saver.ready(image, tuple(found), shown))
    return ready


def _meant(text: str, session: Session) -> list[tuple[Image, Reference | None]]:
    """The images that a text means, with the name that each gets in the archive."""
    try:
        reference = Reference.parse(text)
    except BadReference:
        reference = None  # an id, or an error that the look-up explains
    if reference is not None and reference.digest is None:
        is_name_alone = ":" not in text.rpartition("/")[2]
        tagged = [(image, name) for image, name in _named(session) if name.name == reference.name]
        found = [(image, name) for image, name in tagged if is_name_alone or name == reference]
        if found:
            return [*found]
    return [(lookup.one(text, session)[1], None)]


def _named(session: Session) -> list[tuple[Image, Reference]]:
    """Every image with a name; of a name in several stores the first, which is the one that would be run."""
    found: dict[str, tuple[Image, Reference]] = {}
    for store in session.stores():
        for image in names.listing(store):
            if image.is_named:
                found.setdefault(image.reference, (image, Reference.parse(image.reference)))
    return list(found.values())
