"""`udocker images`, `rmi`, `tag` and `verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.compat.udocker import protection, repository
from sampan.errors import ImageNotFound, SampanError, UsageError
from sampan.oci.digest import Digest
from sampan.oci.manifest import Manifest, parse_manifest
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.options.unserved import SILENT, Unserved
from sampan.runtime import images as flows
from sampan.runtime import lookup, rmi
from sampan.runtime.push import tag
from sampan.runtime.verify import verify
from sampan.store import blobs, names
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.runtime.session import Session
    from sampan.store.layout import Store
    from sampan.store.names import Image


def images(call: Call) -> int:
    """The list: name, and `P` for one that is protected; udocker's own too."""
    session, parsed = call.session(), call.parsed
    if call.context.level:
        result("REPOSITORY\n")
    shown = set()
    for store in session.stores():
        for image in names.listing(store):
            if not image.is_named or image.reference in shown:
                continue
            shown.add(image.reference)
            mark = "P" if protection.is_protected(session.store, image.reference) else "."
            _line(Reference.parse(image.reference).familiar, image.platform, mark, in_front=parsed.flag("p"))
            if parsed.flag("l"):
                _layers(store, image)
    for name, protected in repository.foreign_images(call):
        if not any(repository.same_image(name, one) for one in shown):
            _line(name, "", "P" if protected else ".", in_front=parsed.flag("p"))
    return 0


def _line(name: str, platform: str, mark: str, *, in_front: bool) -> None:
    result(f"{platform or 'unknown/unknown':18.18} {mark} {name}\n" if in_front else f"{name}    {mark}\n")


def _layers(store: Store, image: Image) -> None:
    """The place of the tree, and each layer with its megabytes."""
    result(f" {flows.container_image(store, image).tree or 'not unpacked'}\n")
    try:
        manifest = parse_manifest(blobs.read(store, Digest.parse(image.manifest)), f"the manifest of {image.reference}")
    except (SampanError, OSError):
        return  # `verify` says what is wrong
    if isinstance(manifest, Manifest):
        result("".join(f"    {layer.digest} ({-(-layer.size // (1 << 20))} MB)\n" for layer in manifest.layers))


def remove(call: Call) -> int:
    """Nothing is printed."""
    session = call.session()
    for text in call.parsed.texts("image"):
        if protection.is_protected(session.store, text):
            raise UsageError(f"the image {text} is protected", f"udocker unprotect {text}")
        try:
            rmi.remove(text, session, force=call.parsed.flag("f"))
        except ImageNotFound:
            if any(repository.same_image(name, text) for name, _ in repository.foreign_images(call)):
                raise UsageError(
                    f"the image {text} is in udocker's own repository, which sampan leaves as it is", "udocker itself removes it"
                ) from None
            raise
    return 0


def tag_(call: Call) -> int:
    """Nothing is printed."""
    session = call.session()
    source, target = str(call.parsed.values["source"]), str(call.parsed.values["target"])
    if flows.find(target, session) is not None:
        raise UsageError(f"there is an image {target} already", f"udocker rmi {target}")
    if protection.is_protected(session.store, source):
        raise UsageError(f"the image {source} is protected", f"udocker unprotect {source}")
    _taken(source, call, session)
    tag(source, target, session=session)
    return 0


def check(call: Call) -> int:
    """`Info: image Ok`, or each damage."""
    session, text = call.session(), str(call.parsed.values["image"])
    _taken(text, call, session)
    found = verify(text, session)
    for sentence in found.damage:
        result(f"{text}: {sentence}\n")
    if found.damage:
        return 1
    if call.context.level:
        result("Info: image Ok\n")
    return 0


def _taken(text: str, call: Call, session: Session) -> None:
    """Take an image of udocker's own over. Raises `ImageNotFound`."""
    if repository.image(text, call, session) is None:
        lookup.one(text, session)


_IMAGE = Argument("IMAGE", "1", "an image, as debian:12")
VERBS: Verbs = {
    "images": (
        Command(
            "images", "list images",
            (
                Option("-l", FLAG, "with the place of the files, and the layers with their megabytes"), Option("-p", FLAG, "with the platform"),
                Unserved("--all", FLAG, SILENT, ""), Unserved("--no-trunc", FLAG, SILENT, ""),
            ),
        ),
        images,
    ),
    "rmi": (
        Command("rmi", "remove images", (Option("-f", FLAG, "one by its id that has several names, too"),), (Argument("IMAGE", "+", "images"),)),
        remove,
    ),
    "tag": (
        Command("tag", "give an image another name", (), (Argument("SOURCE", "1", "an image"), Argument("TARGET", "1", "its other name"))),
        tag_,
    ),
    "verify": (Command("verify", "read an image again and compare it with its digests", (), (_IMAGE,)), check),
}  # fmt: skip
