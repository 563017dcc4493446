"""`inspect`: what an image or a container is, in our words and in Docker's; and its documents byte for byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import BadReference, ImageNotFound, UsageError
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.runtime import lookup
from sampan.runtime.images import config_document, container_image
from sampan.runtime.listing import Listed
from sampan.store import blobs, names

if TYPE_CHECKING:
    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.names import Image


def inspect(name: str, *, session: Session | None = None, kind: str | None = None) -> dict[str, object]:
    """What an image or a container is: for an image the reference, digests, sizes, tree and configuration.

    `name` is a reference, a name, an id or the beginning of one. Raises `ImageNotFound`, `ContainerNotFound`.
    """
    from sampan.runtime.session import default_session

    session = session or default_session()
    if kind != "image":
        from sampan.runtime.containers import inspect_container

        found = inspect_container(name, session, must=kind == "container")
        if found is not None:
            return found
    store, image = _image(name, session, kind)
    held = container_image(store, image, session.sites)
    return {
        **Listed(image, store).document(),
        "manifest": image.manifest,
        "index": image.index or None,
        "chain": image.chain,
        "tree": held.tree or None,
        "configuration": config_document(held, session),
    }


def _image(name: str, session: Session, kind: str | None) -> tuple[Store, Image]:
    try:
        found = lookup.matching(name, session)
    except BadReference:
        if kind is not None:
            raise
        found = []
    if not found:
        raise ImageNotFound(
            f"there is no image or container {name!r}" if kind is None else f"there is no image {name!r}",
            "see `sampan images` and `sampan ps -a`",
        )
    return found[0]


def raw(name: str, session: Session, what: str) -> bytes:
    """The manifest (`what` is `manifest`) or the configuration (`config`) of an image, byte for byte. Raises `ImageNotFound`."""
    _, image = lookup.one(name, session)
    digest = image.manifest if what == "manifest" else image.config
    for store in session.stores():
        try:
            return blobs.read(store, Digest.parse(digest))
        except FileNotFoundError:
            continue
    raise ImageNotFound(f"the {what} {digest[:19]} of {name} is not in the store any more", f"sampan pull {name}")


def docker_form(found: dict[str, object], session: Session) -> dict[str, object]:
    """An image as `docker inspect` shows it, for field paths that people know: `.Config.Env`, `.Id`, `.RepoTags`."""
    configuration = found.get("configuration")
    if not isinstance(configuration, dict):
        return {}
    same = [image for store in session.stores() for image in names.listing(store) if image.config == found["config"]]
    references = [Reference.parse(image.reference) for image in same if image.is_named]
    digests = {f"{r.familiar_name}@{i.index or i.manifest}" for r, i in zip(references, (i for i in same if i.is_named))}
    rootfs = configuration.get("rootfs")
    diff_ids = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    return {
        "Id": found["config"],
        "RepoTags": sorted(reference.familiar for reference in references if reference.tag is not None),
        "RepoDigests": sorted(digests),
        "Created": configuration.get("created") or "",
        "Author": configuration.get("author") or "",
        "Architecture": configuration.get("architecture") or "",
        "Variant": configuration.get("variant") or "",
        "Os": configuration.get("os") or "",
        "Config": configuration.get("config") or {},
        "RootFS": {"Type": "layers", "Layers": diff_ids or []},
        "Size": found["unpacked"],
    }


def field(document: dict[str, object], path: str) -> object:
    """What a path of fields leads to, as `.Config.Env`; upper and lower case differ. Raises `UsageError` that names the fields."""
    value: object = document
    for part in path.removeprefix(".").split(".") if path != "." else ():
        known = value if isinstance(value, dict) else {}
        if part not in known:
            raise UsageError(
                f"there is no field {path!r}", f"there are {', '.join(sorted(map(str, known)))}" if known else "it has no fields"
            )
        value = known[part]
    return value
