"""`udocker load`, `save`, `import` and `export`."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from sampan.compat.udocker import clones, repository
from sampan.compat.udocker.create import free_name, made, said
from sampan.container.record import Record
from sampan.container.request import Request
from sampan.errors import BadReference, SampanError, UsageError
from sampan.image.contents import check_whole
from sampan.image.members import TarMembers
from sampan.image.save import DOCKER
from sampan.image.spool import opened, shown
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime import images, rmi, run
from sampan.runtime.destination import destination
from sampan.runtime.export import export
from sampan.runtime.images import config_document
from sampan.runtime.import_ import import_root
from sampan.runtime.load import load
from sampan.runtime.push import tag
from sampan.runtime.save import save
from sampan.store import layout
from sampan.terminal.output import result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.compat.program import Call, Verbs
    from sampan.container.record import ContainerImage
    from sampan.runtime.session import Session

STREAM = "-"


def load_(call: Call) -> int:
    """The name of each image."""
    parsed, session = call.parsed, call.session()
    names = list(parsed.texts("name"))
    path = parsed.text("input") or STREAM
    if names[:1] == [STREAM]:
        path = names.pop(0)
    if len(names) > 1:
        raise UsageError(f"`udocker load` takes one name, not {', '.join(names)}")
    if path == STREAM and sys.stdin.isatty():
        raise UsageError("an archive cannot come from a terminal", "use -i, or redirect it")
    for image in load(path, session=session):
        result(f"{_called(image, names[0], session) if names else _shown(image.reference)}\n")
    return 0


def _called(image: ContainerImage, name: str, session: Session) -> str:
    """Another name for a loaded image, with its own tag unless the name has one."""
    wanted = Reference.parse(name)
    if image.reference != image.config and ":" not in name.rpartition("/")[2]:
        wanted = wanted.with_tag(Reference.parse(image.reference).tag or "latest")
    if str(wanted) != image.reference:
        tag(image.reference, str(wanted), session=session)
        if image.reference != image.config:
            rmi.remove(image.reference, session)
    return wanted.familiar


def _shown(reference: str) -> str:
    try:
        return Reference.parse(reference).familiar
    except BadReference:
        return reference


def save_(call: Call) -> int:
    """An archive as `docker load` reads it."""
    parsed, session = call.parsed, call.session()
    wanted = list(parsed.texts("image"))
    path = parsed.text("output")
    if STREAM in wanted:
        wanted.remove(STREAM)
        path = STREAM
    if path is None:
        raise UsageError("`udocker save` needs the file to write", "-o FILE, or - for standard output")
    if not wanted:
        raise UsageError("`udocker save` needs an image", "see `udocker images`")
    if path != STREAM and os.path.lexists(path):
        raise UsageError(f"{path} is there already", "name a new file")
    for text in wanted:
        repository.named_image(text, call, session)
    save(wanted, path, DOCKER, session)
    return 0


def export_(call: Call) -> int:
    """The root, or with --clone all that makes the container again."""
    parsed, session = call.parsed, call.session()
    words = list(parsed.texts("words"))
    path = words.pop(0) if parsed.flag("o") or words[:1] == [STREAM] else STREAM
    if len(words) != 1:
        raise UsageError("`udocker export` needs a container", "udocker export -o FILE CONTAINER")
    record = repository.container(words[0], call, session)
    if not parsed.flag("clone"):
        export(record.id, path, session)
        return 0
    with _spool(session) as root, destination(path) as write:
        export(record.id, root.name, session)
        with open(root.name, "rb") as source:
            clones.pack(source, config_document(record.image, session), _shown(record.image.reference), clones.Goal(write))
    return 0


def import_(call: Call) -> int:
    """An image of a root file system; with --tocontainer or --clone a container, whose id is printed."""
    parsed, session = call.parsed, call.session()
    path, text = str(parsed.values["file"]), parsed.text("image")
    if parsed.flag("clone"):
        return _clone(path, free_name(call, session), call, session)
    to_container = parsed.flag("tocontainer")
    name = free_name(call, session) if to_container else ""
    if text is None and not to_container:
        raise UsageError("`udocker import` needs a name for the image", "udocker import FILE NAME:TAG")
    image = import_root(path, text, platform=parsed.text("platform"), session=session)
    if parsed.flag("mv") and path != STREAM:
        os.unlink(path)
    return made(call, session, image, name) if to_container else 0


def _clone(path: str, name: str, call: Call, session: Session) -> int:
    """A container out of a clone; of an archive that is none, out of all that is in it."""
    try:
        with opened(path, session.store, session.progress) as source, _spool(session) as root:
            if source.is_directory:
                raise UsageError(f"{source.shown} is a directory, not an archive")
            check_whole(TarMembers(source.descriptor))
            os.lseek(source.descriptor, 0, os.SEEK_SET)
            with open(source.descriptor, "rb", closefd=False) as stream:
                found = clones.unpack(stream, root)
            root.flush()
            if found is None:
                session.notice.warn(f"{source.shown} is no clone: it has no {clones.ROOT}, so all of it is the container's root")
                return made(call, session, import_root(f"/dev/fd/{source.descriptor}", session=session), name)
            document, text = found
            config = document.get("config")
            image = import_root(root.name, changes=config if isinstance(config, dict) else {}, session=session)
    except UsageError:
        raise
    except SampanError as error:
        raise error.about(f"cannot import {shown(path)}") from error.__cause__
    base = images.find(text, session) if text else None
    image.reference = base.reference if base is not None else image.reference  # as lists show it
    return said(run.keep(Record(run.new_id(), image, Request(image.reference), name=name, created=run.now()), session))


@contextmanager
def _spool(session: Session) -> Iterator[IO[bytes]]:
    """A file in the store that goes at the end."""
    layout.create(session.store)
    path = session.store.temporary("clone")
    try:
        with open(path, "xb") as stream:
            yield stream
    except OSError as error:
        raise layout.failure(session.store, "cannot keep the archive", error) from error
    finally:
        if os.path.lexists(path):
            os.unlink(path)


_OUTPUT = Option("-o --output", VALUE, "the file", "FILE")
VERBS: Verbs = {
    "load": (
        Command(
            "load", "load the images of an archive", (Option("-i --input", VALUE, "the archive; else standard input", "FILE"),),
            (Argument("NAME", "*", "`-` for standard input, and another name for the image"),),
        ),
        load_,
    ),
    "save": (
        Command("save", "write images to an archive", (_OUTPUT,), (Argument("IMAGE", "*", "images; `-` for standard output"),)),
        save_,
    ),
    "import": (
        Command(
            "import", "make an image, or a container, of a root file system",
            (
                Option("--mv", FLAG, "remove the archive afterwards"), Option("--tocontainer", FLAG, "make a container, and print its id"),
                Option("--clone", FLAG, "the archive is one of `export --clone`"), Option("--name", VALUE, "the container's name", "NAME"),
                Option("--platform", VALUE, "what it is for", "OS/ARCH[/VARIANT]"),
            ),
            (Argument("FILE", "1", "an archive, or `-`"), Argument("IMAGE", "?", "the image's name")),
        ),
        import_,
    ),
    "export": (
        Command(
            "export", "write a container's root as an archive",
            (Option("-o", FLAG, "to the file that is named first"), Option("--clone", FLAG, "with what makes the container again")),
            (Argument("WORDS", "+", "with -o FILE, and the container"),),
        ),
        export_,
    ),
}  # fmt: skip
