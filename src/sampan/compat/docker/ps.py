"""`docker ps` (`container ls`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sampan.compat.docker import words
from sampan.errors import SampanError, UsageError
from sampan.host import processes
from sampan.options.table import FLAG, LIST, VALUE, Command, Option
from sampan.runtime import ps
from sampan.terminal.gotemplate.rows import rendered
from sampan.terminal.output import json_result, result, short

if TYPE_CHECKING:
    from sampan.compat.program import Call, Program, Verbs
    from sampan.container.record import Record
    from sampan.runtime.ps import Entry
    from sampan.runtime.session import Session

TITLES = {
    "ID": "CONTAINER ID", "Image": "IMAGE", "Command": "COMMAND", "CreatedAt": "CREATED AT", "RunningFor": "CREATED", "Ports": "PORTS",
    "State": "STATE", "Status": "STATUS", "Size": "SIZE", "Names": "NAMES", "Labels": "LABELS", "Mounts": "MOUNTS", "Networks": "NETWORKS",
    "LocalVolumes": "LOCAL VOLUMES", "ImageID": "IMAGE ID", "Pid": "PID", "ExitCode": "EXIT CODE",
}  # fmt: skip
_TABLE = "table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}"
OPTIONS = (
    Option("-a --all", FLAG, "also those that do not run"),
    Option(
        "-f --filter", LIST, "only those: id= name= label= status= exited= health= ancestor= before= since= volume=", "KEY=VALUE"
    ),
    Option("--format", VALUE, "`table`, `json` or a template", "FORMAT"),
    Option("-n --last", VALUE, "the newest ones, whether they run or not", "NUMBER"),
    Option("-l --latest", FLAG, "the newest one"),
    Option("--no-trunc", FLAG, "ids and commands in full"),
    Option("-q --quiet", FLAG, "ids alone"),
    Option("-s --size", FLAG, "with what each has changed"),
)
# Filters for what no container here has: ports that are other ones outside, pods, tasks of a swarm, somebody who restarts it.
_NEVER = ("publish", "expose", "pod")
_NEVER_SO = (
    ("is-task", "true"),
    ("restart-policy", "always"),
    ("restart-policy", "on-failure"),
    ("restart-policy", "unless-stopped"),
)
STATES = {"dead": "exited", "removing": "exited", "restarting": "exited", "stopped": "exited"}


def main(call: Call) -> int:
    """The list."""
    parsed, program, session = call.parsed, call.program, call.session()
    last = "1" if parsed.flag("latest") else parsed.text("last")
    if last is not None and not last.lstrip("-").isdigit():
        raise UsageError(f"--last takes a number, not {last!r}")
    limited = last is not None and not last.startswith("-")
    found = select(session, parsed.texts("filter"), everything=parsed.flag("all") or limited)
    found = found[: int(last)] if limited and last is not None else found
    in_full, form = parsed.flag("no_trunc"), parsed.text("format") or "table"
    if parsed.flag("quiet") and "format" not in parsed.given:
        result("".join(f"{entry.id if in_full else short(entry.id)}\n" for entry in found))
        return 0
    if program.name == "podman" and form == "json":
        json_result([_podman_document(entry, session) for entry in found])
        return 0
    now = time.time()
    known = Known(program)
    rows = [fields(entry, session, known, in_full=in_full, now=now) for entry in found]
    if parsed.flag("size") or ".Size" in form:
        for entry, row in zip(found, rows):
            row["Size"] = _size(entry, session)
    if form == "json":
        from sampan.terminal.gotemplate.functions import as_json

        result("".join(f"{as_json({key: value for key, value in row.items() if key in _JSON})}\n" for row in rows))
        return 0
    if form == "table":
        form = _TABLE + ("\t{{.Size}}" if parsed.flag("size") else "")
    titles = {**TITLES, "Label": lambda name: name.rpartition(".")[2]}
    result(rendered(form, titles, rows, lambda lines: words.columns(program, lines)))
    return 0


_JSON = (
    "ID", "Image", "Command", "CreatedAt", "RunningFor", "Ports", "State", "Status", "Size", "Names", "Labels", "Mounts", "Networks",
    "LocalVolumes",
)  # fmt: skip


def select(session: Session, filters: tuple[str, ...], *, everything: bool) -> list[Entry]:
    """Containers, newest first; of Docker's filters those that sampan does not have are done here. Raises `UsageError`."""
    own: list[str] = []
    volumes: list[str] = []
    networks: list[str] = []
    for text in filters:
        key, _, value = text.partition("=")
        if key == "status":
            own.append(f"status={STATES.get(value, value)}")
        elif key == "volume":
            volumes.append(value)
        elif key == "network":
            networks.append(value)
        elif key in _NEVER or (key, value) in _NEVER_SO:
            return []
        elif key not in ("is-task", "restart-policy"):
            own.append(text)
    found = ps.listed(session, everything=everything, filters=own, anonymous=False)
    if networks:
        found = [entry for entry in found if _network(entry) in networks]
    if volumes:
        found = [entry for entry in found if any(_uses(entry, volume, session) for volume in volumes)]
    return found


def _network(entry: Entry) -> str:
    return "none" if entry.record is not None and entry.record.request.network == "none" else "host"


def _uses(entry: Entry, volume: str, session: Session) -> bool:
    if entry.record is None:
        return False
    source = volume if volume.startswith("/") else session.store.join("volumes", volume, "data")
    return any(source in text.split(":")[:2] for text in entry.record.request.volumes)


class Known:
    """What was looked up for a list, once for all containers of an image."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.commands: dict[str, tuple[str, ...]] = {}
        self._names: dict[str, str] = {}

    def name(self, image: str) -> str:
        """A reference as the program shows it."""
        found = self._names.get(image)
        if found is None:
            found = self._names[image] = words.shown_name(image, self.program)
        return found


def fields(entry: Entry, session: Session, known: Known, *, in_full: bool, now: float) -> dict[str, object]:
    """A row by Docker's names."""
    labels = entry.labels
    return {
        "ID": entry.id if in_full else short(entry.id),
        "Image": known.name(entry.image),
        "ImageID": entry.image_id.rpartition(":")[2],
        "Command": words.short_command(command_of(entry, session, known.commands), in_full=in_full),
        "CreatedAt": words.local(entry.created),
        "RunningFor": words.ago(entry.created, now),
        "Ports": "",
        "State": state(entry),
        "Status": status(entry, now),
        "Size": "0B",
        "Names": entry.name,
        "Labels": ",".join(f"{name}={value}" for name, value in labels.items()),
        "Label": lambda name: labels.get(name, ""),
        "Mounts": ",".join(text.split(":")[0] for text in (entry.record.request.volumes if entry.record else ())),
        "Networks": _network(entry),
        "LocalVolumes": "0",
        "Pid": entry.pid or 0,
        "ExitCode": entry.exit or 0,
    }


def state(entry: Entry) -> str:
    """Docker's one word."""
    return "dead" if entry.state == "damaged" else entry.state


def started(entry: Entry) -> str:
    """When the process that runs now was started; empty if none does here."""
    return processes.started_at(entry.pid) if entry.pid is not None else ""


def status(entry: Entry, now: float) -> str:
    """`Up 5 seconds (healthy)`, `Exited (0) 2 minutes ago`, `Created`."""
    if entry.runs:
        # The kernel tells starts by whole seconds: none was before the container was made.
        begun = max(words.moment(started(entry)), words.moment(entry.created))
        up = f"Up {words.span(max(now - begun, 0))}"
        note = "Paused" if entry.state == "paused" else entry.health and f"health: {entry.health}"
        return f"{up} ({note.replace('health: healthy', 'healthy').replace('health: unhealthy', 'unhealthy')})" if note else up
    if entry.state == "exited":
        when = words.ago(entry.finished or entry.created, now)
        return f"Exited ({entry.exit if entry.exit is not None else 0}) {when}"
    return {"created": "Created", "damaged": "Dead"}.get(entry.state, entry.state)


def command_of(entry: Entry, session: Session, known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What a container runs: its entry point and command, by its image's configuration where the image is still there."""
    if entry.record is None:
        return entry.command
    request = entry.record.request
    if request.command and request.entrypoint == "":
        return request.command
    key = repr((entry.image_id, request.entrypoint, request.command))
    if key not in known:
        known[key] = _looked_up(entry.record, session)
    return known[key]


def _looked_up(record: Record, session: Session) -> tuple[str, ...]:
    from sampan.container.plan import command_line
    from sampan.runtime.images import config_of

    request = record.request
    try:
        fixed, default = command_line(request, config_of(record.image, session))
    except SampanError:
        return ((request.entrypoint,) if request.entrypoint else ()) + request.command
    return (*fixed, *default)


def _size(entry: Entry, session: Session) -> str:
    from sampan.store import du

    return words.size(du.size_of(session.store.join("containers", entry.id)) if entry.record is not None else 0)


def _podman_document(entry: Entry, session: Session) -> dict[str, object]:
    """An element of `podman ps --format json`."""
    begun = words.moment(started(entry))
    ended = words.moment(entry.finished)
    request = entry.record.request if entry.record is not None else None
    return {
        "AutoRemove": entry.record is not None and entry.record.keep == "memory",
        "Command": list(command_of(entry, session, {})),
        "Created": int(words.moment(entry.created)),
        "CreatedAt": words.ago(entry.created),
        "Exited": entry.state == "exited",
        "ExitedAt": int(ended),
        "ExitCode": entry.exit or 0,
        "Id": entry.id,
        "Image": entry.image,
        "ImageID": entry.image_id.rpartition(":")[2],
        "IsInfra": False,
        "Labels": entry.labels or None,
        "Mounts": [text.split(":")[-1 if text.count(":") == 1 else 1] for text in (request.volumes if request else ())],
        "Names": [entry.name],
        "Namespaces": {},
        "Networks": [],
        "Pid": entry.pid or 0,
        "Pod": "",
        "PodName": "",
        "Ports": None,
        "Restarts": 0,
        "Size": None,
        "StartedAt": int(begun),
        "State": state(entry),
        "Status": status(entry, time.time()),
    }


VERBS: Verbs = {"ps": (Command("ps", "list containers, newest first", OPTIONS), main)}
