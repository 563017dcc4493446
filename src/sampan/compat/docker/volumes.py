"""`docker volume create|ls|inspect|rm|prune`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.compat.docker import words
from sampan.compat.docker.several import each
from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.options.unserved import REFUSED, SILENT, WARNED, Unserved
from sampan.runtime import volumes
from sampan.store import du
from sampan.terminal.gotemplate.functions import Ordered, as_json
from sampan.terminal.gotemplate.rows import rendered
from sampan.terminal.output import json_result, result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.runtime.session import Session
    from sampan.runtime.volumes import Volume

_TITLES = {
    "Driver": "DRIVER", "Name": "VOLUME NAME", "Labels": "LABELS", "Mountpoint": "MOUNTPOINT", "Scope": "SCOPE", "Links": "LINKS", "Size": "SIZE",
    "Status": "STATUS", "Availability": "AVAILABILITY", "Group": "GROUP",
}  # fmt: skip


def document(volume: Volume) -> Ordered:
    """As `docker volume inspect` shows it."""
    return Ordered(
        CreatedAt=volume.created, Driver="local", Labels=volume.labels or None, Mountpoint=volume.directory, Name=volume.name, Options=None,
        Scope="local",
    )  # fmt: skip


def create(call: Call) -> int:
    """The name."""
    parsed = call.parsed
    name = parsed.text("volume") or str(parsed.values.get("name") or "") or os.urandom(32).hex()
    pairs = (text.partition("=") for text in parsed.texts("label"))
    made = volumes.create(name, call.session(), {key: value for key, _, value in pairs})
    result(f"{made.name}\n")
    return 0


def listed(call: Call) -> int:
    """The list."""
    parsed, session = call.parsed, call.session()
    found = select(session, parsed.texts("filter"))
    form = parsed.text("format") or "table"
    if parsed.flag("quiet"):
        result("".join(f"{volume.name}\n" for volume in found))
        return 0
    if form == "json" and call.program.name == "podman":
        json_result([document(volume) for volume in found])
        return 0
    rows = [_row(volume) for volume in found]
    if form == "json":
        result("".join(f"{as_json(row)}\n" for row in rows))
        return 0
    form = "table {{.Driver}}\t{{.Name}}" if form == "table" else form
    titles = {**_TITLES, "Label": str}
    result(rendered(form, titles, rows, lambda cells: words.columns(call.program, cells)))
    return 0


def _row(volume: Volume) -> dict[str, object]:
    return {
        "Driver": "local", "Name": volume.name, "Labels": ",".join(f"{key}={value}" for key, value in volume.labels.items()),
        "Mountpoint": volume.directory, "Scope": "local", "Links": "N/A", "Size": "N/A", "Status": "N/A", "Availability": "N/A", "Group": "N/A",
        "Label": lambda name: volume.labels.get(name, ""),
    }  # fmt: skip


def select(session: Session, filters: tuple[str, ...]) -> list[Volume]:
    """Volumes by Docker's filters: `name`, `label`, `dangling`, `driver`, `all`. Raises `UsageError`."""
    found = volumes.listed(session)
    used = volumes.users(session) if any(text.startswith("dangling") for text in filters) else {}
    for text in filters:
        key, _, value = text.partition("=")
        name, has_value, wanted = value.partition("=")
        if key == "name":
            found = [volume for volume in found if value in volume.name]
        elif key == "label":
            found = [volume for volume in found if name in volume.labels and (not has_value or volume.labels[name] == wanted)]
        elif key == "label!":
            found = [
                volume for volume in found if name not in volume.labels or (bool(has_value) and volume.labels[name] != wanted)
            ]
        elif key == "dangling":
            found = [volume for volume in found if (volume.name not in used) == (value in ("true", "1"))]
        elif key == "driver":
            found = found if value == "local" else []
        elif key not in ("all", "scope", "opt", "until"):
            raise UsageError(f"there is no filter {text!r}", "filters are name=, label=, dangling= and driver=")
    return found


def inspect(call: Call) -> int:
    """An array."""
    from sampan.compat.docker.inspect import show

    session = call.session()
    names = call.parsed.texts("name")
    if call.parsed.values.get("all"):
        names = tuple(volume.name for volume in volumes.listed(session))
    return show(call, names, "volume")


def remove(call: Call) -> int:
    """The names."""
    session, force = call.session(), call.parsed.flag("force")
    names = call.parsed.texts("volume")
    if call.parsed.values.get("all"):
        names = tuple(volume.name for volume in volumes.listed(session))

    def do(name: str) -> None:
        if force and volumes.find(name, session) is None:
            return
        volumes.remove(name, session)

    return each(names, call, do)


def prune(call: Call) -> int:
    """What was removed; Docker's rule: without --all only volumes without a name of their own."""
    parsed, session = call.parsed, call.session()
    filters = tuple(text for text in parsed.texts("filter") if not text.startswith("all"))
    everything = parsed.flag("all") or "all=true" in parsed.texts("filter") or "all=1" in parsed.texts("filter")
    used = volumes.users(session)
    found = [volume for volume in select(session, filters) if volume.name not in used]
    if not everything and call.program.name == "docker":
        found = [volume for volume in found if len(volume.name) == volumes.ANONYMOUS]
    freed = sum(du.size_of(volume.directory) for volume in found)
    for volume in found:
        volumes.remove(volume.name, session)
    names = "".join(f"{volume.name}\n" for volume in found)
    if call.program.name == "podman":
        result(names)
    else:
        result((f"Deleted Volumes:\n{names}\n" if found else "") + f"Total reclaimed space: {words.size(freed)}\n")
    return 0


_CLUSTER = (
    "availability", "group", "limit-bytes", "required-bytes", "scope", "secret", "sharing", "topology-preferred", "topology-required", "type",
)  # fmt: skip
_FILTER = Option("-f --filter", LIST, "only those: name= label= dangling= driver=", "KEY=VALUE")
_ALL = Option("-a --all", FLAG, "all of them")
VERBS: Verbs = {
    "volume create": (
        Command(
            "volume create",
            "make a volume, a directory in the store",
            (
                Option("-l --label", LIST, "a label", "NAME=VALUE"),
                Option("--name", VALUE, "its name", "NAME"),
                Unserved("-d --driver", VALUE, REFUSED, "volumes are directories in the store", ("local", "")),
                Unserved("-o --opt", LIST, WARNED, "volumes are directories in the store"),
                Unserved("--ignore", FLAG, SILENT, ""),
                *(Unserved(f"--{word}", LIST, WARNED, "it is for clusters of daemons") for word in _CLUSTER),
            ),
            (Argument("VOLUME", "?", "its name; one is made up"),),
        ),
        create,
    ),
    "volume ls": (
        Command(
            "volume ls", "list volumes", (_FILTER, Option("--format", VALUE, "`table`, `json` or a template", "FORMAT"), Option("-q --quiet", FLAG, "names alone"), Unserved("--cluster", FLAG, SILENT, "there is no cluster")),
        ),
        listed,
    ),
    "volume inspect": (
        Command("volume inspect", "show what volumes are", (Option("-f --format", VALUE, "`json` or a template", "FORMAT"), _ALL), (Argument("NAME", "*", "names"),)),
        inspect,
    ),
    "volume rm": (
        Command(
            "volume rm",
            "remove volumes with their content",
            (Option("-f --force", FLAG, "a missing one is no failure"), _ALL, Unserved("-t --time", VALUE, SILENT, "")),
            (Argument("VOLUME", "*", "names"),),
        ),
        remove,
    ),
    "volume prune": (
        Command(
            "volume prune",
            "remove volumes that no container uses",
            (_ALL, Option("--filter", LIST, "only those: label=, all=true", "KEY=VALUE"), Option("-f --force", FLAG, "accepted: nobody is asked")),
        ),
        prune,
    ),
}  # fmt: skip
