"""`docker save`, `load`, `import`, `export`, `commit`, `cp` and `diff`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sampan.compat.docker.several import named
from sampan.errors import UsageError
from sampan.image.commit import Words
from sampan.image.save import DIRECTORY_FORM, DOCKER
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.options.unserved import SILENT, WARNED, Unserved
from sampan.runtime import run
from sampan.runtime.commit import commit
from sampan.runtime.cp import STREAM, Manners, copy_in, copy_out
from sampan.runtime.diff import diff
from sampan.runtime.export import export
from sampan.runtime.import_ import import_root
from sampan.runtime.load import load
from sampan.runtime.save import save
from sampan.terminal.output import json_result, result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.container.record import ContainerImage

FORMS = {"docker-archive": DOCKER, "oci-archive": "oci-archive", "oci-dir": DIRECTORY_FORM, "docker-dir": DIRECTORY_FORM}


def save_(call: Call) -> int:
    """The archive."""
    form = call.parsed.text("format") or "docker-archive"
    if form not in FORMS:
        raise UsageError(f"--format cannot be {form!r}", f"it is one of {', '.join(FORMS)}")
    goal = call.parsed.text("output")
    if goal is None and sys.stdout.isatty():
        raise UsageError("cowardly refusing to save to a terminal", "use --output, or redirect it")
    save(call.parsed.texts("image"), goal or "-", FORMS[form], call.session())
    return 0


def load_(call: Call) -> int:
    """`Loaded image: NAME` for each."""
    parsed = call.parsed
    path = parsed.text("input")
    if path is None and sys.stdin.isatty():
        raise UsageError("requested load from stdin, but stdin is a terminal", "use --input, or redirect it")
    for image in load(path or "-", platform=parsed.text("platform"), session=call.session()):
        result(f"{_loaded(image, call)}\n")
    return 0


def _loaded(image: ContainerImage, call: Call) -> str:
    if image.reference == image.config:
        return f"Loaded image ID: {image.config}"
    reference = Reference.parse(image.reference)
    return f"Loaded image: {reference if call.program.name == 'podman' else reference.familiar}"


def import_(call: Call) -> int:
    """The id."""
    parsed = call.parsed
    image = import_root(
        str(parsed.values["file"]), parsed.text("name"), changes=parsed.texts("change"), message=parsed.text("message") or "",
        platform=parsed.text("platform"), session=call.session(),
    )  # fmt: skip
    result(f"{image.config}\n")
    return 0


def export_(call: Call) -> int:
    """The root file system as an archive."""
    goal = call.parsed.text("output")
    if goal is None and sys.stdout.isatty():
        raise UsageError("cowardly refusing to save to a terminal", "use --output, or redirect it")
    session = call.session()
    record = named(str(call.parsed.values["container"]), session)
    export(record.id, goal or "-", session)
    return 0


def commit_(call: Call) -> int:
    """The id."""
    parsed, session = call.parsed, call.session()
    record = named(str(parsed.values["container"]), session)
    said = Words(parsed.text("author") or "", parsed.text("message") or "", parsed.texts("change"))
    image = commit(record, parsed.text("name"), said, session, pause=parsed.flag("pause"))
    if parsed.text("iidfile"):
        run.write_id(parsed.text("iidfile"), image.config)
    result(f"{image.config if call.program.name == 'docker' else image.config.rpartition(':')[2]}\n")
    return 0


def copy(call: Call) -> int:
    """Nothing is printed."""
    parsed, session = call.parsed, call.session()
    source, goal = _divided(str(parsed.values["source"])), _divided(str(parsed.values["goal"]))
    manners = Manners(follow=parsed.flag("follow_link"), keep_owners=parsed.flag("archive"))
    if source[0] and goal[0]:
        raise UsageError("copying between containers is not supported", "copy it to the host in between")
    if source[0]:
        copy_out(named(source[0], session), source[1], goal[1], session, manners)
    elif goal[0]:
        copy_in(named(goal[0], session), source[1], goal[1], session, manners)
    else:
        raise UsageError("must specify at least one container source", "write CONTAINER:PATH for one of them")
    return 0


def _divided(text: str) -> tuple[str, str]:
    """(container or empty, path); what begins with `/` or `.` is a path here. Raises `UsageError`."""
    name, colon, path = text.partition(":")
    if text == STREAM or not colon or text.startswith(("/", ".")):
        if not text:
            raise UsageError("an empty path names nothing")
        return "", text
    if not name or not path:
        raise UsageError(f"{text!r} is not CONTAINER:PATH", "the root of a container is CONTAINER:/")
    return name, path if path.startswith("/") else f"/{path}"


def changes(call: Call) -> int:
    """A line a change."""
    session = call.session()
    found = diff(named(str(call.parsed.values["container"]), session), session)
    if call.parsed.text("format") == "json":
        kinds = {"A": "added", "C": "changed", "D": "deleted"}
        json_result({word: paths for kind, word in kinds.items() if (paths := [path for one, path in found if one == kind])})
        return 0
    result("".join(f"{kind} {path}\n" for kind, path in found))
    return 0


_PLATFORM = Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]")
_CONTAINER = Argument("CONTAINER", "1", "a name or an id")
_OUTPUT = Option("-o --output", VALUE, "the file; else standard output", "FILE")
_CHANGE = Option("-c --change", LIST, "an instruction of a Dockerfile", "INSTRUCTION")
_MESSAGE = Option("-m --message", VALUE, "a comment for the history", "TEXT")
_QUIET = Unserved("-q --quiet", FLAG, SILENT, "")
VERBS: Verbs = {
    "save": (
        Command(
            "save",
            "write images to an archive",
            (
                _OUTPUT,
                Option("--format", VALUE, "docker-archive, oci-archive or oci-dir (podman)", "FORMAT"),
                _QUIET,
                Unserved("--platform", VALUE, WARNED, "a name stands for one platform"), Unserved("--compress", FLAG, SILENT, ""),
                Unserved("-m --multi-image-archive", FLAG, SILENT, "every archive may hold several"),
            ),
            (Argument("IMAGE", "+", "names or ids"),),
        ),
        save_,
    ),
    "load": (
        Command(
            "load", "load images from an archive", (Option("-i --input", VALUE, "the archive; else standard input", "FILE"), _QUIET, _PLATFORM),
        ),
        load_,
    ),
    "import": (
        Command(
            "import",
            "make an image of a root file system",
            (_CHANGE, _MESSAGE, _PLATFORM, _QUIET),
            (Argument("FILE", "1", "an archive, or `-`"), Argument("NAME", "?", "the image's name")),
        ),
        import_,
    ),
    "export": (Command("export", "write the root file system of a container", (_OUTPUT,), (_CONTAINER,)), export_),
    "commit": (
        Command(
            "commit",
            "make an image of a container",
            (
                Option("-a --author", VALUE, "who made it", "TEXT"), _CHANGE, _MESSAGE,
                Option("-p --pause", FLAG, "pause the container meanwhile", default=True),
                Option("--iidfile", VALUE, "write the id into a file (podman)", "FILE"),
                _QUIET, Unserved("-f --format", VALUE, WARNED, "images are OCI images", ("oci",)), Unserved("-s --squash", FLAG, WARNED, "changes are one layer"),
                Unserved("--include-volumes", FLAG, WARNED, "what is mounted is not in the image"),
            ),
            (_CONTAINER, Argument("NAME", "?", "the image's name")),
        ),
        commit_,
    ),
    "cp": (
        Command(
            "cp",
            "copy files into or out of a container",
            (
                Option("-a --archive", FLAG, "keep owners"), Option("-L --follow-link", FLAG, "copy what a link leads to"), _QUIET,
                Unserved("--overwrite", FLAG, SILENT, ""),
            ),
            (Argument("SOURCE", "1", "CONTAINER:PATH, a path, or `-`"), Argument("GOAL", "1", "the same")),
        ),
        copy,
    ),
    "diff": (
        Command(
            "diff",
            "list what a container has changed",
            (Option("--format", VALUE, "`json` (podman)", "FORMAT"),),
            (_CONTAINER,),
        ),
        changes,
    ),
}  # fmt: skip
