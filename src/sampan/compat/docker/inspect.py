"""`docker inspect`, `image inspect`, `container inspect`, and podman's `exists`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.compat.docker import documents
from sampan.compat.program import say_error
from sampan.container import shelf
from sampan.errors import BadReference, ContainerNotFound, ImageNotFound, SampanError, UsageError
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.options.unserved import REFUSED, SILENT, WARNED, Unserved
from sampan.runtime import inspect as flows
from sampan.runtime import volumes
from sampan.runtime.listing import listed
from sampan.store import du
from sampan.terminal.gotemplate.evaluate import Template
from sampan.terminal.gotemplate.functions import Ordered, as_json
from sampan.terminal.output import json_text, result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Main, Verbs

KINDS = ("container", "image", "volume", "all", "network")


def inspect(call: Call) -> int:
    """An array with what there is; what there is not is said, and the status is the program's for a failure."""
    kind = call.parsed.text("type") or "all"
    if kind not in KINDS:
        raise UsageError(f"{kind!r} is not a valid value for --type", f"it is one of {', '.join(KINDS)}")
    return show(call, call.parsed.texts("name"), kind)


def _of(kind: str) -> Main:
    def main(call: Call) -> int:
        return show(call, call.parsed.texts("name"), kind)

    return main


def show(call: Call, names: tuple[str, ...], kind: str) -> int:
    """The things of one kind (`all`: the first of any) with these names, in the form that was asked for."""
    form = call.parsed.text("format")
    template = None if form in (None, "json") else Template(str(form))
    found = []
    failed: list[SampanError] = []
    for name in names:
        try:
            found.append(_sized(one(call, name, kind), call))
        except SampanError as error:
            failed.append(error)
    if template is not None:
        result("".join(f"{template.render(document)}\n" for document in found))
    elif form == "json" and call.program.name == "docker":
        result(f"{as_json(found)}\n")
    elif found or not failed or call.program.name == "docker":
        result(json_text(found) if found else "[]\n")
    for why in failed:
        say_error(call.program, why)
    return call.program.status(call.verb) if failed else 0


def _sized(document: dict[str, object], call: Call) -> dict[str, object]:
    """With --size, what the container has changed (`SizeRw`) and all of it (`SizeRootFs`)."""
    if not call.parsed.values.get("size") or "HostConfig" not in document:
        return document
    session = call.session()
    own = du.size_of(session.store.join("containers", str(document["Id"])))
    image = str(document["Image"]).rpartition(":")[2]
    whole = next((entry.unpacked for entry in listed(session) if entry.config.endswith(image)), 0)
    return Ordered({**document, "SizeRw": own, "SizeRootFs": whole + own})


def one(call: Call, name: str, kind: str) -> dict[str, object]:
    """What a name means: a container first, then an image, then a volume. Raises `UsageError`."""
    session = call.session()
    if kind in ("all", "container"):
        try:
            return documents.container(shelf.find(session.store, session.sites, name), session, call.program)
        except ContainerNotFound:
            if kind == "container":
                raise ContainerNotFound(f"No such container: {name}") from None
    if kind in ("all", "image"):
        try:
            return documents.image(flows.inspect(name, session=session, kind="image"), session, call.program)
        except (ImageNotFound, BadReference):
            if kind == "image":
                raise ImageNotFound(f"No such image: {name}") from None
    if kind in ("all", "volume") and (found := volumes.find(name, session)) is not None:
        from sampan.compat.docker.volumes import document

        return document(found)
    if kind == "network":
        from sampan.compat.docker.networks import find

        return find(name)
    raise UsageError(f"No such {'object' if kind == 'all' else kind}: {name}")


def container_exists(call: Call) -> int:
    """0 or 1, without a word."""
    session = call.session()
    try:
        shelf.id_of(session.store, str(call.parsed.values["name"]))
    except SampanError:
        return 1
    return 0


def image_exists(call: Call) -> int:
    """0 or 1, without a word."""
    from sampan.runtime import lookup

    try:
        return 0 if lookup.matching(str(call.parsed.values["name"]), call.session()) else 1
    except SampanError:
        return 1


def volume_exists(call: Call) -> int:
    """0 or 1, without a word."""
    return 0 if volumes.find(str(call.parsed.values["name"]), call.session()) is not None else 1


FORMAT = Option("-f --format", VALUE, "`json` or a template as '{{.Id}}'", "FORMAT")
_SIZE = Option("-s --size", FLAG, "with the sizes of containers")
_NAMES = (Argument("NAME", "+", "names or ids"),)
_NAME = (Argument("NAME", "1", "a name or an id"),)
VERBS: Verbs = {
    "inspect": (
        Command(
            "inspect",
            "show what a container, an image or a volume is, as JSON",
            (FORMAT, _SIZE, Option("-t --type", VALUE, "look only among these", "|".join(KINDS)), Unserved("-l --latest", FLAG, REFUSED, "name the container; `ps -lq` prints the newest one's id")),
            _NAMES,
        ),
        inspect,
    ),
    "image inspect": (
        Command("image inspect", "show what an image is", (FORMAT, Unserved("--platform", VALUE, WARNED, "a name stands for one platform")), _NAMES), _of("image"),
    ),
    "container inspect": (Command("container inspect", "show what a container is", (FORMAT, _SIZE), _NAMES), _of("container")),
    "container exists": (Command("container exists", "whether there is such a container", (Unserved("--external", FLAG, SILENT, ""),), _NAME), container_exists),
    "image exists": (Command("image exists", "whether there is such an image", (), _NAME), image_exists),
    "volume exists": (Command("volume exists", "whether there is such a volume", (), _NAME), volume_exists),
}  # fmt: skip
