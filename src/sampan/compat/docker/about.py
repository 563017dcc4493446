"""`docker version`, `info`, `system df|prune`, `events` and `context`: about the program and its store."""

from __future__ import annotations

import os
import time
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
from sampan.terminal.output import json_text, result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs

API = "1.50"
POLL = 0.5
_DF = {"Type": "TYPE", "TotalCount": "TOTAL", "Active": "ACTIVE", "Size": "SIZE", "Reclaimable": "RECLAIMABLE"}
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


def info(call: Call) -> int:
    """The store and the machine, by Docker's names."""
    session = call.session()
    entries = ps.listed(session, everything=True, anonymous=False)
    states = [entry.state for entry in entries]
    document = Ordered(
        ID="", Containers=len(entries), ContainersRunning=states.count("running"), ContainersPaused=states.count("paused"),
        ContainersStopped=len(entries) - states.count("running") - states.count("paused"), Images=len({entry.config for entry in listed(session)}),
        Driver="sampan", DriverStatus=[], Plugins=Ordered(Volume=["local"], Network=["host", "null"], Log=["json-file"]), MemoryLimit=False,
        CgroupDriver="none", CgroupVersion="2", NCPU=os.cpu_count() or 1, MemTotal=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        DockerRootDir=session.store.path, KernelVersion=os.uname().release, OperatingSystem=_system(), OSType="linux",
        Architecture=os.uname().machine, Name=os.uname().nodename, ServerVersion=call.program.version.split()[2].rstrip(","),
        SecurityOptions=["name=rootless"], DefaultRuntime="sampan", LoggingDriver="json-file", Warnings=[], Labels=[],
        IndexServerAddress="https://index.docker.io/v1/",
    )  # fmt: skip
    form = call.parsed.text("format")
    if form == "json":
        result(f"{as_json(document)}\n" if call.program.name == "docker" else json_text(document))
    elif form is not None:
        if call.program.name == "podman":
            document["host"] = Ordered(
                arch=this_host().architecture,
                hostname=os.uname().nodename,
                os="linux",
                kernel=os.uname().release,
                security=Ordered(rootless=True),
            )
            document["store"] = Ordered(graphRoot=session.store.path, graphDriverName="sampan")
            document["version"] = Ordered(Version=document["ServerVersion"])
        result(f"{Template(form).render(document)}\n")
    else:
        result(_told(document))
    return 0


def _told(document: Ordered) -> str:
    lines = (
        ("Containers", document["Containers"]), (" Running", document["ContainersRunning"]), (" Paused", document["ContainersPaused"]),
        (" Stopped", document["ContainersStopped"]), ("Images", document["Images"]), ("Server Version", document["ServerVersion"]),
        ("Served by", f"sampan {__version__}, without a daemon"), ("Storage Driver", "sampan"), ("Kernel Version", document["KernelVersion"]),
        ("Operating System", document["OperatingSystem"]), ("OSType", "linux"), ("Architecture", document["Architecture"]), ("CPUs", document["NCPU"]),
        ("Total Memory", f"{int(str(document['MemTotal'])) / 2**30:.4g}GiB"), ("Name", document["Name"]), ("Docker Root Dir", document["DockerRootDir"]),
    )  # fmt: skip
    return "".join(f"{title}: {value}\n" for title, value in lines)


def _system() -> str:
    try:
        with open("/etc/os-release", encoding="utf-8", errors="replace") as stream:
            pairs = dict(line.rstrip("\n").split("=", 1) for line in stream if "=" in line)
    except OSError:
        return "Linux"
    return pairs.get("PRETTY_NAME", "Linux").strip('"')


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


def events(call: Call) -> int:
    """Containers that begin, end and go, by looking twice a second: there is no daemon that would tell.

    Ends at --until, or with the last container that runs.
    """
    from sampan.runtime import logs

    parsed, session = call.parsed, call.session()
    until = words.moment(logs.since(text, "--until")) if (text := parsed.text("until")) else None
    names = [text.partition("=")[2] for text in parsed.texts("filter") if text.startswith("container=")]
    wanted = [text.partition("=")[2] for text in parsed.texts("filter") if text.startswith("event=")]
    form = parsed.text("format")
    template = None if form in (None, "json") else Template(str(form))
    known = {entry.id: entry for entry in ps.listed(session, everything=True, anonymous=False)}
    while until is None or time.time() < until:
        time.sleep(POLL)
        now = {entry.id: entry for entry in ps.listed(session, everything=True, anonymous=False)}
        for id in (*now, *(known.keys() - now.keys())):
            old, new = known.get(id), now.get(id)
            entry = new or old
            for action in _changes(old.state if old else "", new.state if new else ""):
                if entry is None or (names and entry.name not in names and not any(id.startswith(name) for name in names)):
                    continue
                if wanted and action not in wanted:
                    continue
                document = Ordered(
                    status=action, id=id, Type="container", Action=action, time=int(time.time()),
                    Actor=Ordered(ID=id, Attributes={"image": entry.image, "name": entry.name, **entry.labels}), scope="local",
                )  # fmt: skip
                document["from"] = entry.image
                if template is not None:
                    result(f"{template.render({**document, 'Time': document['time'], 'ID': id, 'Status': action})}\n")
                elif form == "json":
                    result(f"{as_json(document)}\n")
                else:
                    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000000Z", time.gmtime())
                    result(f"{stamp} container {action} {id} (image={entry.image}, name={entry.name})\n")
        known = now
        if until is None and not any(entry.runs for entry in now.values()):
            return 0
    return 0


def _changes(old: str, new: str) -> list[str]:
    """Docker's words for what lies between two states."""
    if old == new:
        return []
    found = ["create"] if not old else []
    if new in ("running", "paused") and old not in ("running", "paused"):
        found.append("start")
    if (old, new) in (("running", "paused"), ("paused", "running")):
        found.append("pause" if new == "paused" else "unpause")
    if new == "exited":
        found.append("die")
    if not new:
        found += ["die", "destroy"] if old in ("running", "paused") else ["destroy"]
    return found


def contexts(call: Call) -> int:
    """The one there is."""
    if call.parsed.flag("quiet"):
        result("default\n")
    else:
        row = ("default *", "sampan, without a daemon", "none")
        result(words.columns(call.program, (("NAME", "DESCRIPTION", "DOCKER ENDPOINT"), row)))
    return 0


def context_show(_call: Call) -> int:
    """Its name."""
    result("default\n")
    return 0


_FORMAT = Option("-f --format", VALUE, "`json` or a template", "FORMAT")
VERBS: Verbs = {
    "version": (Command("version", "show versions", (_FORMAT,)), version),
    "info": (Command("info", "show the store and the machine", (_FORMAT, Unserved("-D --debug", FLAG, SILENT, ""))), info),
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
    "events": (
        Command(
            "events",
            "tell of containers that begin and end",
            (
                Option("-f --filter", LIST, "only those: container= event=", "KEY=VALUE"), Option("--format", VALUE, "`json` or a template", "FORMAT"),
                Option("--until", VALUE, "end at this time", "TIME"), Unserved("--since", VALUE, SILENT, "what is past was not written down"),
                Unserved("--stream", FLAG, SILENT, ""), Unserved("--no-trunc", FLAG, SILENT, ""),
            ),
        ),
        events,
    ),
    "context ls": (Command("context ls", "list contexts: there is one", (Option("-q --quiet", FLAG, "its name"), Unserved("--format", VALUE, SILENT, ""))), contexts),
    "context show": (Command("context show", "the name of the context", ()), context_show),
}  # fmt: skip
