"""Names: what each reference stands for. Written by rename, so the last pull of a tag wins. On the start-up path.

An image that nothing names (a `docker save` by id, `import` without a name) has a record under its id, the digest of its
configuration, which goes when the image gets a name.
"""

from __future__ import annotations

import os

from sampan.store import layout, records

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.store.layout import Store

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
_MAX_NAME = 255
_CUT = 180
_TEXTS = ("reference", "manifest", "config", "chain", "platform", "media_type", "index", "created", "pulled")
_NUMBERS = ("size", "unpacked")


class Image:
    """An image of the store by one of its references, or by its id. Digests and times as texts, sizes in bytes.

    `manifest` is the platform's; `index` the one it was chosen from, or empty. `size` is the sum of the compressed layers,
    `unpacked` that of the files.
    """

    __slots__ = (*_TEXTS, *_NUMBERS)
    reference: str
    manifest: str
    config: str
    chain: str
    platform: str
    media_type: str
    index: str
    created: str
    pulled: str
    size: int
    unpacked: int

    def __init__(self, **fields: str | int) -> None:
        for name in _TEXTS:
            setattr(self, name, fields.get(name, ""))
        for name in _NUMBERS:
            setattr(self, name, fields.get(name, 0))

    @property
    def is_named(self) -> bool:
        """Whether it has a reference."""
        return self.reference != self.config

    def called(self, reference: str) -> Image:
        """The same image by another reference."""
        return Image(**{**{name: getattr(self, name) for name in (*_TEXTS, *_NUMBERS)}, "reference": reference})


def escape(reference: str) -> str:
    """The file name of a reference: `%XX` for every byte outside `A-Za-z0-9._-`; a long one is cut and ends with its hash."""
    escaped = "".join(
        character if character in _PLAIN else "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "surrogateescape"))
        for character in reference
    )
    if escaped.startswith("."):
        escaped = "%2E" + escaped[1:]
    if len(escaped) > _MAX_NAME:
        from hashlib import sha256

        return f"{escaped[:_CUT]}%-{sha256(escaped.encode('ascii')).hexdigest()}"
    return escaped


def path_of(store: Store, reference: str) -> str:
    """Where the record of a reference is, or would be."""
    return store.join("names", escape(reference))


def find(store: Store, reference: str) -> Image | None:
    """The image of a reference in its canonical text. Raises `CorruptRecord`, `NewerStore`, `StoreError`."""
    return read(path_of(store, reference))


def read(path: str) -> Image | None:
    """The image of a record, `None` if there is none. Raises as `find`."""
    document = records.read(path)
    return None if document is None else _image(document, path)


def put(store: Store, image: Image) -> None:
    """Let the image's reference stand for it from now on. Raises `StoreError`, `NoSpace`."""
    put_all(store, (image,))


def put_all(store: Store, images: Sequence[Image]) -> None:
    """The same for several references; the list for other tools is written once. Raises `StoreError`, `NoSpace`."""
    reference = ""
    try:
        layout.create(store)
        for image in images:
            reference = image.reference
            _put(store, image)
        _update_index(store)
    except OSError as error:
        raise layout.failure(store, f"cannot store the name {reference}", error) from error


def _put(store: Store, image: Image) -> None:
    document: dict[str, object] = {"format": records.FORMAT, "reference": image.reference}
    for name in ("manifest", "config", "chain", "platform", "media_type", "size", "unpacked"):
        document[name] = getattr(image, name)
    document.update(index=image.index or None, created=image.created, pulled=image.pulled)
    records.write(path_of(store, image.reference), store.temporary("name"), document)
    if image.is_named and image.config:
        records.remove_if_there(path_of(store, image.config))


def remove(store: Store, reference: str) -> bool:
    """Forget a reference; False if there was none. Blobs and trees stay until gc. Raises `StoreError`."""
    try:
        gone = records.remove_if_there(path_of(store, reference))
    except OSError as error:
        raise layout.failure(store, f"cannot remove the name {reference}", error) from error
    if gone:
        try:
            _update_index(store)
        except OSError:
            pass  # the disk is full, and names must go all the same; the list for other tools follows with the next name
    return gone


def listing(store: Store) -> list[Image]:
    """All images by their references, in the order of their names. Raises `CorruptRecord`, `NewerStore`, `StoreError`."""
    found = []
    for path in paths(store):
        document = records.read(path)
        if document is not None:  # else it was removed meanwhile
            found.append(_image(document, path))
    return found


def paths(store: Store) -> list[str]:
    """The files of all records."""
    try:
        return [store.join("names", name) for name in sorted(os.listdir(store.join("names")))]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise layout.failure(store, f"cannot read {store.join('names')}", error) from error


def _image(document: dict[str, object], path: str) -> Image:
    fields: dict[str, str | int] = {}
    for name in _TEXTS:
        if name == "index" and document.get(name) is None:
            continue
        fields[name] = records.text_of(document, name, path)
    for name in _NUMBERS:
        fields[name] = records.number_of(document, name, path)
    if path.rpartition("/")[2] != escape(str(fields["reference"])):
        raise records.corrupt(path, "it is the record of another reference")
    return Image(**fields)


def _update_index(store: Store) -> None:
    from sampan.store.ocilayout import write_index

    write_index(store)
