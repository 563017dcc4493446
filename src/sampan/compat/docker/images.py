"""`docker images`, `rmi`, `tag`, `history` and `image prune`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sampan.compat.docker import words
from sampan.compat.docker.several import each
from sampan.errors import ImageNotFound, UsageError
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.options.unserved import SILENT, WARNED, Unserved
from sampan.runtime.listing import listed
from sampan.terminal.gotemplate.rows import rendered
from sampan.terminal.output import json_result, result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Program, Verbs
    from sampan.runtime.listing import Listed
    from sampan.runtime.session import Session

_NONE = "<none>"
TITLES = {
    "ID": "IMAGE ID", "Repository": "REPOSITORY", "Tag": "TAG", "Digest": "DIGEST", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT",
    "Size": "SIZE", "Containers": "CONTAINERS", "SharedSize": "SHARED SIZE", "UniqueSize": "UNIQUE SIZE", "VirtualSize": "VIRTUAL SIZE",
}  # fmt: skip
_STEP_TITLES = {
    "ID": "IMAGE", "CreatedSince": "CREATED", "CreatedAt": "CREATED AT", "CreatedBy": "CREATED BY", "Size": "SIZE", "Comment": "COMMENT",
}  # fmt: skip
_TABLE = "table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
_TABLE_DIGESTS = "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
_STEPS = "table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
_FILTERS = ("reference", "dangling", "label", "before", "since")


def images(call: Call) -> int:
    """The list."""
    parsed, program, session = call.parsed, call.program, call.session()
    found = select(session, parsed.text("name"), parsed.texts("filter"))
    in_full, form = parsed.flag("no_trunc"), parsed.text("format") or "table"
    if parsed.flag("quiet") and "format" not in parsed.given:
        ids = dict.fromkeys(words.shown_id(entry.config, in_full=in_full) for entry in found)
        result("".join(f"{id}\n" for id in ids))
        return 0
    if program.name == "podman" and form == "json":
        json_result([_podman_document(entry) for entry in found])
        return 0
    now = time.time()
    rows = [fields(entry, program, in_full=in_full, now=now) for entry in found]
    if form == "json":
        from sampan.terminal.gotemplate.functions import as_json

        result("".join(f"{as_json(row)}\n" for row in rows))
        return 0
    if form == "table":
        form = _TABLE_DIGESTS if parsed.flag("digests") else _TABLE
    lines = rendered(form, TITLES, rows, lambda cells: words.columns(program, cells))
    result(lines if not parsed.flag("noheading") else lines.partition("\n")[2])
    return 0


def select(session: Session, name: str | None, filters: tuple[str, ...]) -> list[Listed]:
    """Images, newest first; `filters` are Docker's. Raises `UsageError`."""
    own = []
    latest: float | None = None
    for text in filters:
        key, _, value = text.partition("=")
        if key == "until" and value:
            latest = _until(value)
        elif key not in ("readonly", "manifest", "containers", "intermediate"):
            own.append({"after": f"since={value}", "id": f"reference={value}"}.get(key, text))
    found = listed(session, name, own)
    return found if latest is None else [entry for entry in found if words.moment(entry.created) < latest]


def _until(text: str) -> float:
    from sampan.runtime import logs

    return words.moment(logs.since(text, "--filter until"))


def fields(entry: Listed, program: Program, *, in_full: bool, now: float) -> dict[str, object]:
    """A row by Docker's names."""
    name = entry.name
    if program.name == "podman" and entry.reference is not None:
        name = Reference.parse(entry.reference).name
    return {
        "ID": words.shown_id(entry.config, in_full=in_full),
        "Repository": name or _NONE,
        "Tag": entry.tag or _NONE,
        "Digest": entry.digest or _NONE,
        "CreatedSince": words.ago(entry.created, now),
        "CreatedAt": words.local(entry.created),
        "Size": words.size(entry.unpacked) if program.name == "docker" else _spaced(words.size(entry.unpacked)),
        "Containers": "N/A",
        "SharedSize": "N/A",
        "UniqueSize": "N/A",
        "VirtualSize": words.size(entry.unpacked),
    }


def _spaced(size: str) -> str:
    digits = size.rstrip("kMGTB")
    return f"{digits} {size[len(digits) :]}"


def _podman_document(entry: Listed) -> dict[str, object]:
    """An element of `podman images --format json`."""
    named = [entry.reference] if entry.reference is not None and entry.tag else []
    return {
        "Id": entry.config.rpartition(":")[2],
        "ParentId": "",
        "RepoTags": named or None,
        "RepoDigests": [f"{Reference.parse(entry.reference).name}@{entry.digest}"] if entry.reference else [],
        "Size": entry.unpacked,
        "SharedSize": 0,
        "VirtualSize": entry.unpacked,
        "Labels": None,
        "Containers": 0,
        "Names": named,
        "Digest": entry.digest,
        "Created": int(words.moment(entry.created)),
        "CreatedAt": entry.created,
    }


def remove(call: Call) -> int:
    """`Untagged: NAME` for each name that went, `Deleted: ID` for each image that is gone."""
    session, force = call.session(), call.parsed.flag("force")
    names = call.parsed.texts("image")
    if call.parsed.values.get("all"):
        names = tuple(entry.reference or entry.config for entry in listed(session))
    elif not names:
        raise UsageError(f"`{call.program.name} rmi` needs an image", f"see `{call.program.name} images`")
    return each(names, call, lambda name: _removed(name, session, force=force))


def _removed(name: str, session: Session, *, force: bool) -> str:
    from sampan.runtime import rmi

    before = {entry.config for entry in listed(session)}
    try:
        gone = rmi.remove(name, session, force=force)
    except ImageNotFound as error:
        if force:
            return ""
        raise ImageNotFound(f"No such image: {name}", error.hint) from error
    after = {entry.config for entry in listed(session)}
    lines = [f"Untagged: {Reference.parse(text).familiar}" for text in gone if not text.startswith("sha256:")]
    return "\n".join([*lines, *(f"Deleted: {id}" for id in sorted(before - after))])


def tag_(call: Call) -> int:
    """Nothing is printed."""
    from sampan.runtime.push import tag  # which can talk to registries, and costs more than the lists of this module

    for name in call.parsed.texts("target"):
        tag(str(call.parsed.values["source"]), name, session=call.session())
    return 0


def steps(call: Call) -> int:
    """The steps that made an image."""
    from sampan.runtime.history import MISSING, history
    from sampan.terminal.gotemplate.functions import as_json

    parsed, program = call.parsed, call.program
    in_full, form = parsed.flag("no_trunc"), parsed.text("format") or "table"
    now = time.time()
    rows = []
    for step in history(str(parsed.values["image"]), call.session()):
        by = " ".join(step.created_by.split())
        by = by if in_full or len(by) <= 45 else f"{by[:44]}…"
        id = step.image if step.image == MISSING else words.shown_id(step.image, in_full=in_full)
        rows.append(
            {
                "ID": id, "CreatedSince": words.ago(step.created, now), "CreatedAt": step.created, "CreatedBy": by,
                "Size": words.size(step.size), "Comment": step.comment,
            }
        )  # fmt: skip
    if parsed.flag("quiet"):
        result("".join(f"{row['ID']}\n" for row in rows))
    elif form == "json":
        result("".join(f"{as_json(row)}\n" for row in rows))
    else:
        form = _STEPS if form == "table" else form
        result(rendered(form, _STEP_TITLES, rows, lambda cells: words.columns(program, cells)))
    return 0


def prune(call: Call) -> int:
    """Images without a name, or with --all those that no container uses."""
    from sampan.runtime import ps, rmi

    session = call.session()
    everything = call.parsed.flag("all")
    filters = call.parsed.texts("filter")
    used = {entry.image_id for entry in ps.listed(session, everything=True, anonymous=False)}
    found = [entry for entry in select(session, None, filters) if entry.config not in used]
    if not everything:
        found = [entry for entry in found if entry.reference is None]
    freed = 0
    done = []
    for entry in found:
        done += rmi.remove(entry.reference or entry.config, session, force=True)
        freed += entry.unpacked
    if call.program.name == "podman":
        result("".join(f"{entry.config.rpartition(':')[2]}\n" for entry in found))
    else:
        lines = ["Deleted Images:", *(f"untagged: {text}" for text in done), ""] if done else []
        result("\n".join([*lines, f"Total reclaimed space: {words.size(freed)}"]) + "\n")
    return 0


FILTER = Option("-f --filter", LIST, "only those: reference= dangling= label= before= since= until=", "KEY=VALUE")
_FORMAT = Option("--format", VALUE, "`table`, `json` or a template", "FORMAT")
_LIST = (
    Option("-a --all", FLAG, "accepted: there are no images in between"),
    Option("--digests", FLAG, "with the digest of the manifest or index"),
    FILTER,
    _FORMAT,
    Option("--no-trunc", FLAG, "ids in full"),
    Option("-n --noheading", FLAG, "without the header (podman)"),
    Option("-q --quiet", FLAG, "ids alone"),
    Unserved("--tree", FLAG, WARNED, "sampan's own `images --tree` shows what images share"),
    Unserved("--sort", VALUE, WARNED, "the newest come first", ("created",)),
    Unserved("--history", FLAG, SILENT, ""),
)
VERBS: Verbs = {
    "images": (Command("images", "list images", _LIST, (Argument("NAME", "?", "only those of this name"),)), images),
    "rmi": (
        Command(
            "rmi",
            "remove images",
            (
                Option("-f --force", FLAG, "also one with several names; a missing one is no failure"),
                Option("-a --all", FLAG, "all images (podman)"),
                Unserved("--no-prune", FLAG, SILENT, ""),
                Unserved("-i --ignore", FLAG, SILENT, ""),
                Unserved("--platform", LIST, WARNED, "a name stands for one platform"),
            ),
            (Argument("IMAGE", "*", "names or ids"),),
        ),
        remove,
    ),
    "tag": (
        Command(
            "tag",
            "give an image another name",
            (),
            (Argument("SOURCE", "1", "an image"), Argument("TARGET", "+", "its other name")),
        ),
        tag_,
    ),
    "history": (
        Command(
            "history",
            "show the steps that made an image",
            (
                _FORMAT,
                Option("-H --human", FLAG, "accepted", default=True),
                Option("--no-trunc", FLAG, "in full"),
                Option("-q --quiet", FLAG, "ids alone"),
                Unserved("--platform", VALUE, WARNED, "a name stands for one platform"),
            ),
            (Argument("IMAGE", "1", "an image"),),
        ),
        steps,
    ),
    "image prune": (
        Command(
            "image prune",
            "remove images without a name",
            (
                Option("-a --all", FLAG, "all that no container uses"),
                Option("--filter", LIST, "only those: label= until=", "KEY=VALUE"),
                Option("-f --force", FLAG, "accepted: nobody is asked"),
            ),
        ),
        prune,
    ),
}
