"""`docker version`, `system df|prune` and `context`: about the program and its store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan import __version__
from sampan.compat.docker import words
from sampan.image.resolve import this_host
from sampan.options.table import FLAG, LIST, VALUE, Command, Option
from sampan.options.unserved import SILENT, Unserved
from sampan.runtime import ps
from sampan.runtime.listing import listed
from sampan.store import du
from sampan.terminal.gotemplate.evaluate import Template
from sampan.terminal.gotemplate.functions import Ordered, as_json
from sampan.terminal.gotemplate.rows import rendered
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs

API = "1.50"
_DF = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}
_CONTEXT = {"Name": "NAME", "Description": "DESCRIPTION", "DockerEndpoint": "DOCKER ENDPOINT", "Current": "", "Error": "ERROR"}
_DF_TABLE = "table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}"


def version(call: Call) -> int:
    """Client and server, which are the same program."""
    number = call.program.version.split()[2].rstrip(",")
    host = this_host()
    kernel = os.uname().release
    half = Ordered(
        Version=number, ApiVersion=API, DefaultAPIVersion=API, MinAPIVersion=API, GitCommit=f"sampan-{__version__}", GoVersion="none", Os=host.os,
        Arch=host.architecture, KernelVersion=kernel, BuildTime="", Platform=Ordered(Name=f"sampan {__version__}"), OsArch=f"{host.os}/{host.architecture}",
    )  # fmt: skip
    form = call.parsed.text("format")
    if form == "json":
        result(f"{as_json(Ordered(Client=half, Server=half))}\n")
    elif form is not None:
        result(f"{Template(form).render(Ordered(Client=half, Server=half))}\n")
    else:
        lines = (
            ("Version", number),
            ("API version", API),
            ("Served by", f"sampan {__version__}"),
            ("OS/Arch", f"{host.os}/{host.architecture}"),
        )
        said = "".join(f" {title + ':':<18} {value}\n" for title, value in lines)
        titles = ("Client:", "\nServer: no daemon; the same program") if call.program.name == "docker" else ("Client:",)
        result("".join(f"{title}\n{said}" for title in titles))
    return 0


def usage(call: Call) -> int:
    """How much disk images, containers and volumes take."""
    from sampan.runtime import volumes

    session = call.session()
    entries = ps.listed(session, everything=True, anonymous=False)
    used = {entry.image_id for entry in entries}
    images = {entry.config: entry.unpacked for entry in listed(session)}
    sizes = {entry.id: du.size_of(session.store.join("containers", entry.id)) for entry in entries if entry.record is not None}
    kept = {volume.name: du.size_of(volume.directory) for volume in volumes.listed(session)}
    held = volumes.users(session)
    table: tuple[tuple[str, dict[str, int], set[str]], ...] = (
        ("Images", images, used & images.keys()), ("Containers", sizes, {entry.id for entry in entries if entry.runs} & sizes.keys()),
        ("Local Volumes", kept, held.keys() & kept.keys()), ("Build Cache", {}, set()),
    )  # fmt: skip
    rows = [_row(title, parts, active) for title, parts, active in table]
    if call.program.name == "podman":
        rows = rows[:3]
    form = call.parsed.text("format") or "table"
    if form == "json":
        result("".join(f"{as_json(row)}\n" for row in rows))
        return 0
    result(rendered(_DF_TABLE if form == "table" else form, _DF, rows, lambda cells: words.columns(call.program, cells)))
    return 0


def _row(title: str, parts: dict[str, int], active: set[str]) -> dict[str, object]:
    whole = sum(parts.values())
    free = sum(size for name, size in parts.items() if name not in active)
    share = f" ({free * 100 // whole}%)" if whole else ""
    return {
        "Type": title, "TotalCount": str(len(parts)), "Active": str(len(active)), "Size": words.size(whole), "Reclaimable": f"{words.size(free)}{share}",
    }  # fmt: skip


def prune(call: Call) -> int:
    """Containers that do not run, images without a name (--all: without a container), volumes with --volumes."""
    from sampan.runtime import containers, rmi, volumes

    parsed, session = call.parsed, call.session()
    filters = parsed.texts("filter")
    before = du.total(session.store)
    gone = []
    for entry in ps.prunable(session, filters):
        containers.remove(entry.id, session)
        gone.append(entry.id)
    used = {entry.image_id for entry in ps.listed(session, everything=True, anonymous=False)}
    for image in listed(session):
        if image.config not in used and (parsed.flag("all") or image.reference is None) and not filters:
            gone += rmi.remove(image.reference or image.config, session, force=True)
    if parsed.flag("volumes"):
        held = volumes.users(session)
        for volume in volumes.listed(session):
            if volume.name not in held:
                volumes.remove(volume.name, session)
                gone.append(volume.name)
    result(
        "".join(f"{name}\n" for name in gone) + f"Total reclaimed space: {words.size(max(before - du.total(session.store), 0))}\n"
    )
    return 0


def contexts(call: Call) -> int:
    """The one there is."""
    if call.parsed.flag("quiet"):
        result("default\n")
        return 0
    row = {"Name": "default", "Description": "sampan, without a daemon", "DockerEndpoint": "none", "Current": True, "Error": ""}
    form = call.parsed.text("format") or "table"
    if form == "json":
        result(f"{as_json(row)}\n")
        return 0
    form = "table {{.Name}}{{if eq .Current true}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}" if form == "table" else form
    result(rendered(form, _CONTEXT, [row], lambda cells: words.columns(call.program, cells)))
    return 0


def context_show(_call: Call) -> int:
    """Its name."""
    result("default\n")
    return 0


_FORMAT = Option("-f --format", VALUE, "`json` or a template", "FORMAT")
VERBS: Verbs = {
    "version": (Command("version", "show versions", (_FORMAT,)), version),
    "system df": (
        Command(
            "system df", "show how much disk is used", (Option("--format", VALUE, "`table`, `json` or a template", "FORMAT"), Unserved("-v --verbose", FLAG, SILENT, "")),
        ),
        usage,
    ),
    "system prune": (
        Command(
            "system prune",
            "remove what nothing uses",
            (
                Option("-a --all", FLAG, "also images with a name that no container uses"), Option("--volumes", FLAG, "also volumes"),
                Option("--filter", LIST, "only containers: until= label=", "KEY=VALUE"), Option("-f --force", FLAG, "accepted: nobody is asked"),
            ),
        ),
        prune,
    ),
    "context ls": (Command("context ls", "list contexts: there is one", (Option("-q --quiet", FLAG, "its name"), Option("--format", VALUE, "`table`, `json` or a template", "FORMAT"))), contexts),
    "context show": (Command("context show", "the name of the context", ()), context_show),
}  # fmt: skip
