"""What is published in a repository, as one document in it: `.metadata/sampan.json`. Values and their JSON, pure.

A publisher needs nothing but the repository to know what has changed: for each image the digest that the registry told, what it came
from and where it lies; and which directories no link leads to any more, since when. The document changes only with what is published.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from sampan.errors import ProtocolError
from sampan.oci.document import maps_of, read_document, text_map_of, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterable

FORMAT = 1
MAX_BYTES = 256 << 20
_TEXTS = ("link", "platform", "reference", "told", "manifest", "config", "directory", "published")


@dataclass(frozen=True)
class Record:
    """One published image. Sizes in bytes: `size` of the files, `packed` of the layers at the registry; times in ISO 8601.

    `told` is the digest by which the registry answers for the reference (of an index, if it is one); `directory` is the image's,
    below the base path; `lists` name the wishlists that want it, `links` all links that lead to it.
    """

    link: str
    platform: str
    reference: str
    told: str
    manifest: str
    config: str
    directory: str
    published: str
    size: int = 0
    files: int = 0
    packed: int = 0
    lists: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        """Link and platform: what makes it one image of the repository."""
        return self.link, self.platform

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {one.name: (list(value) if isinstance(value := getattr(self, one.name), tuple) else value) for one in fields(self)}


@dataclass(frozen=True)
class State:
    """All published images, and since when directories are without a link."""

    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    leaving: dict[str, str] = field(default_factory=dict)

    def with_records(self, records: Iterable[Record]) -> State:
        """With these added, or in the place of older ones."""
        return State({**self.records, **{record.key: record for record in records}}, self.leaving)

    def directories(self) -> set[str]:
        """The directories that a link leads to."""
        return {record.directory for record in self.records.values()}

    def dump(self) -> bytes:
        """The document, the same for the same state."""
        document = {
            "format": FORMAT,
            "images": [self.records[key].document() for key in sorted(self.records)],
            "leaving": dict(sorted(self.leaving.items())),
        }
        return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def load(data: bytes, what: str) -> State:
    """The state in a document. Raises `ProtocolError` that begins with `what`."""
    document = read_document(data, what, MAX_BYTES)
    if document.get("format") != FORMAT:
        raise ProtocolError(f"{what} was written by a newer sampan", "publish with that version")
    records = [_record(one, what) for one in maps_of(document, "images", what)]
    return State({record.key: record for record in records}, text_map_of(document, "leaving", what))


def _record(document: dict[str, object], what: str) -> Record:
    link, platform, reference, told, manifest, config, directory, published = (text_of(document, name, what) for name in _TEXTS)
    size, files, packed = (number_of(document, name, what) for name in ("size", "files", "packed"))
    lists, links = texts_of(document, "lists", what), texts_of(document, "links", what)
    return Record(link, platform, reference, told, manifest, config, directory, published, size, files, packed, lists, links)


def number_of(document: dict[str, object], key: str, what: str) -> int:
    """The whole number, not below zero, under a key. Raises `ProtocolError`."""
    value = document.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ProtocolError(f"{what} has no number under {key!r}")
    return value
