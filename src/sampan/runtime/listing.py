"""`images`: what is in the stores, filtered, and which layers are shared."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from sampan.errors import SampanError, UsageError
from sampan.oci.digest import Digest, chain_ids
from sampan.oci.reference import Reference
from sampan.runtime import lookup
from sampan.store import documents, names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.names import Image

_SHOWN = (
    "reference", "name", "tag", "config", "digest", "platform", "size", "unpacked", "created", "pulled", "store",
)  # fmt: skip


class Listed:
    """A row of `sampan images`. `reference`, `name` and `tag` are `None` for an image without a name, `tag` for one by digest."""

    __slots__ = ("image", "place", *_SHOWN)

    def __init__(self, image: Image, store: Store) -> None:
        reference = Reference.parse(image.reference) if image.is_named else None
        self.image = image
        self.place = store
        self.reference = image.reference if reference is not None else None
        self.name = reference.familiar_name if reference is not None else None
        self.tag = reference.tag if reference is not None else None
        self.config = image.config
        self.digest = image.index or image.manifest
        self.platform = image.platform
        self.size = image.size
        self.unpacked = image.unpacked
        self.created = image.created
        self.pulled = image.pulled
        self.store = store.path

    def document(self) -> dict[str, object]:
        """For JSON: times in ISO 8601, bytes as numbers."""
        return {name: getattr(self, name) for name in _SHOWN}


def listed(session: Session, name: str | None = None, filters: Sequence[str] = ()) -> list[Listed]:
    """The images of all stores, newest first; with `name` only those whose familiar or full name it is.

    `filters` are texts KEY=VALUE: `reference` (a pattern), `dangling` (true or false), `label` (NAME or NAME=VALUE), `before` and
    `since` (an image). Several values of `reference` widen, everything else narrows. Raises `BadReference`, `UsageError`,
    `ImageNotFound`.
    """
    wanted = None if name is None else Reference.parse(name)
    found = [Listed(image, store) for store in session.stores() for image in names.listing(store)]
    if name is not None and wanted is not None:
        is_exact = wanted.digest is not None or ":" in name.rpartition("/")[2]
        found = [entry for entry in found if _has_name(entry, wanted, is_exact)]
    for keep in _filters(filters, session):
        found = [entry for entry in found if keep(entry)]
    found.sort(key=lambda entry: (entry.name or "", entry.tag or ""))  # those of the same second, as they are shown
    return sorted(found, key=lambda entry: entry.pulled, reverse=True)


def images(session: Session | None = None) -> list[Listed]:
    """All images, newest first; for programs."""
    from sampan.runtime.session import default_session

    return listed(session or default_session())


def _has_name(entry: Listed, wanted: Reference, is_exact: bool) -> bool:
    if entry.reference is None:
        return False
    return entry.reference == str(wanted) if is_exact else Reference.parse(entry.reference).name == wanted.name


# Filters


def _filters(texts: Sequence[str], session: Session) -> list[Callable[[Listed], bool]]:
    values: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key not in ("reference", "dangling", "label", "before", "since"):
            raise UsageError(
                f"there is no filter {text!r}", "filters are reference=, dangling=, label=, before= and since= with a value"
            )
        values.setdefault(key, []).append(value)
    keep: list[Callable[[Listed], bool]] = []
    if "reference" in values:
        keep.append(lambda entry: any(_fits(entry, pattern) for pattern in values["reference"]))
    keep += [_dangling(value) for value in values.get("dangling", ())]
    keep += [_label(value, session) for value in values.get("label", ())]
    keep += [_made_before(lookup.one(value, session)[1]) for value in values.get("before", ())]
    keep += [_made_since(lookup.one(value, session)[1]) for value in values.get("since", ())]
    return keep


def _fits(entry: Listed, pattern: str) -> bool:
    """Whether the familiar or full name, with the tag or without, is as the pattern says; `*` stops at a slash."""
    if entry.reference is None:
        return False
    reference = Reference.parse(entry.reference)
    forms = (reference.familiar, reference.familiar_name, str(reference), reference.name)
    parts = pattern.split("/")
    return any(len(form.split("/")) == len(parts) and all(map(fnmatchcase, form.split("/"), parts)) for form in forms)


def _made_before(image: Image) -> Callable[[Listed], bool]:
    return lambda entry: _moment(entry.created) < _moment(image.created)


def _made_since(image: Image) -> Callable[[Listed], bool]:
    return lambda entry: _moment(entry.created) > _moment(image.created)


def _moment(created: str) -> tuple[str, float]:
    """For comparison: RFC 3339 with or without parts of seconds. Images are made in UTC."""
    digits = created[20:].rstrip("Zz").partition("+")[0] if created[19:20] == "." else ""
    return created[:19], float(f"0.{digits}") if digits.isdigit() else 0.0


def _dangling(value: str) -> Callable[[Listed], bool]:
    if value not in ("true", "false", "1", "0"):
        raise UsageError(f"the filter dangling is true or false, not {value!r}")
    return lambda entry: (entry.reference is None) == (value in ("true", "1"))


def _label(value: str, session: Session) -> Callable[[Listed], bool]:
    name, equals, wanted = value.partition("=")

    def keep(entry: Listed) -> bool:
        document = _document(session, entry.config) or {}
        run = document.get("config")
        labels = run.get("Labels") if isinstance(run, dict) else None
        has = labels.get(name) if isinstance(labels, dict) else None
        return has is not None and (not equals or has == wanted)

    return keep


def _document(session: Session, digest: str) -> dict[str, object] | None:
    return next((found for store in session.stores() if (found := documents.read(store, digest)) is not None), None)


# Shared layers


class Shared:
    """Layers that the same images have: `count` of them, `size` bytes as they are stored, up to the chain id `chain`.

    `images` end here; `children` are what further images have above.
    """

    __slots__ = ("chain", "children", "count", "images", "size")

    def __init__(self, chain: str, size: int) -> None:
        self.chain = chain
        self.size = size
        self.count = 1
        self.images: list[Listed] = []
        self.children: list[Shared] = []

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {
            "chain": self.chain,
            "layers": self.count,
            "size": self.size,
            "images": [entry.reference or entry.config for entry in self.images],
            "children": [child.document() for child in self.children],
        }


def shared_layers(session: Session, entries: Sequence[Listed]) -> list[Shared]:
    """The layers of these images as trees: what several have is there once. Raises `CorruptRecord`."""
    roots: list[Shared] = []
    known: dict[str, Shared] = {}
    for entry in entries:
        siblings = roots
        node = None
        for chain, size in _chain(session, entry):
            node = known.get(chain)
            if node is None:
                node = known[chain] = Shared(chain, size)
                siblings.append(node)
            siblings = node.children
        if node is None:  # an image without layers
            node = Shared(entry.image.chain, 0)
            node.count = 0
            roots.append(node)
        node.images.append(entry)
    return [_joined(root) for root in roots]


def _chain(session: Session, entry: Listed) -> list[tuple[str, int]]:
    """The chain ids of an image with the sizes of its blobs, lowest first; sizes are 0 where the manifest is not kept."""
    rootfs = (_document(session, entry.config) or {}).get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    layers = (_document(session, entry.image.manifest) or {}).get("layers")
    try:
        chains = chain_ids([Digest.parse(str(text)) for text in diff_ids] if isinstance(diff_ids, list) else [])
    except SampanError:
        return []
    described = layers if isinstance(layers, list) and len(layers) == len(chains) else [{}] * len(chains)
    sizes = [layer.get("size") if isinstance(layer, dict) else 0 for layer in described]
    return [(str(chain), size if isinstance(size, int) else 0) for chain, size in zip(chains, sizes)]


def _joined(node: Shared) -> Shared:
    """The tree with layers put together that the same images have."""
    while len(node.children) == 1 and not node.images:
        (child,) = node.children
        child.size += node.size
        child.count += node.count
        node = child
    node.children = [_joined(child) for child in node.children]
    return node
