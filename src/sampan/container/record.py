"""The record of a container: an image, a request and how its root is kept. Values only; on the start-up path.

`store` gives the image its paths, `container/shelf` reads and writes records.
"""

from __future__ import annotations

from sampan.container import request as requests
from sampan.errors import CorruptRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.ids import IdMaps

IMAGE_FIELDS = ("reference", "manifest", "config", "chain", "platform")
TEXTS = ("name", "created", "keep")
OPTIONAL = ("mode", "protected")
KEEPS = ("memory", "overlay", "copy")
FORMAT = 1
IN_PLACE = "directory:"
"""In front of a path, what an image has in the place of a chain id that is a directory somewhere, not a tree of a store."""


class ContainerImage:
    """An image in the store: what it is called, its digests, and where its tree lies on this machine."""

    __slots__ = ("chain", "config", "manifest", "platform", "reference", "tree", "used")

    def __init__(self, reference: str, manifest: str, config: str, chain: str, platform: str, tree: str, used: str) -> None:
        self.reference = reference
        self.manifest = manifest
        self.config = config
        self.chain = chain
        self.platform = platform
        self.tree = tree  # the root directory of the unpacked image
        self.used = used  # its use mark, empty in a read-only store

    @property
    def is_in_place(self) -> bool:
        """Whether it is a directory outside of any store."""
        return self.chain.startswith(IN_PLACE)


class Record:
    """A container. `keep` is `memory` (nothing stays), `overlay` or `copy`; `directory` is empty for `memory`.

    `ids` are the maps under which the files of a copy belong to several ids; `None`: all are the caller's. `mode` is udocker's execution
    mode that was asked for, `protected` `yes` if udocker's `rm` is to refuse it; both are mostly empty.
    """

    __slots__ = ("created", "directory", "id", "ids", "image", "keep", "mode", "name", "protected", "request")

    def __init__(self, id: str, image: ContainerImage, request: requests.Request, ids: IdMaps | None = None, **rest: str) -> None:
        self.id = id
        self.image = image
        self.request = request
        self.ids = ids
        self.name = rest.get("name", "")
        self.created = rest.get("created", "")
        self.keep = rest.get("keep", "memory")
        self.directory = rest.get("directory", "")
        self.mode = rest.get("mode", "")
        self.protected = rest.get("protected", "")

    @property
    def shown(self) -> str:
        """What a person calls it: its name, else the beginning of its id."""
        return self.name or self.id[:12]

    def with_request(self, request: requests.Request) -> Record:
        """The same container, asked for something else this time."""
        return Record(self.id, self.image, request, self.ids, **self._texts())

    def but(self, **texts: str) -> Record:
        """The same container with another `name`, `keep`, `directory`, `mode` or `protected`."""
        return Record(self.id, self.image, self.request, self.ids, **{**self._texts(), **texts})

    def _texts(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in (*TEXTS, "directory", *OPTIONAL)}

    def document(self) -> dict[str, object]:
        """What `container.json` holds."""
        return {
            "format": FORMAT,
            "id": self.id,
            "name": self.name,
            "created": self.created,
            "image": {name: getattr(self.image, name) for name in IMAGE_FIELDS},
            "keep": self.keep,
            **{name: getattr(self, name) for name in OPTIONAL if getattr(self, name)},
            **({"ids": self.ids.document()} if self.ids is not None else {}),
            "request": self.request.document(),
        }  # fmt: skip


def from_document(document: dict[str, object], directory: str, tree: str, used: str) -> Record:
    """A record out of `container.json`. Raises `CorruptRecord`."""
    try:
        image = document["image"]
        request = document["request"]
        if not isinstance(image, dict) or not isinstance(request, dict) or document["keep"] not in KEEPS:
            raise TypeError("image, request or keep")
        fields = {name: str(document[name]) for name in TEXTS}
        fields.update({name: str(document[name]) for name in OPTIONAL if name in document})
        reference, manifest, config, chain, platform = (str(image[name]) for name in IMAGE_FIELDS)
        held = ContainerImage(reference, manifest, config, chain, platform, tree, used)
        own = _maps(document["ids"], directory) if "ids" in document else None
        return Record(str(document["id"]), held, requests.from_document(request), own, directory=directory, **fields)
    except (KeyError, TypeError) as error:
        raise CorruptRecord(
            f"the record of the container in {directory} is damaged: {error}", "`sampan rm -f` removes it"
        ) from error


def _maps(document: object, directory: str) -> IdMaps:
    from sampan.container import ids

    return ids.from_document(document, f"the record of the container in {directory}")
