"""`docker events`: containers that are made, begin, end and go, by looking twice a second, since there is no daemon that would tell.

What was before (--since) is told from the containers that are still there: when each was made, last began and last ended.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sampan.compat.docker import words
from sampan.compat.docker.ps import started
from sampan.container import state
from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, VALUE, Command, Option
from sampan.options.unserved import SILENT, Unserved
from sampan.runtime import logs, ps
from sampan.terminal.gotemplate.evaluate import Template
from sampan.terminal.gotemplate.functions import Ordered, as_json
from sampan.terminal.output import result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sampan.compat.program import Call, Program, Verbs
    from sampan.runtime.ps import Entry
    from sampan.runtime.session import Session

POLL = 0.5
SECOND = 0.999999  # a time is read to the second, which is included
_ALIVE = ("running", "paused")
_KEYS = ("container", "event", "image", "label", "type")


def events(call: Call) -> int:
    """Goes on until --until, or until it is interrupted."""
    parsed, session = call.parsed, call.session()
    since = words.moment(logs.since(text)) if (text := parsed.text("since")) else None
    until = words.moment(logs.since(text, "--until")) + SECOND if (text := parsed.text("until")) else None
    if not parsed.flag("stream") and until is None:
        until = time.time()
    wanted = _wanted(parsed.texts("filter"))
    say = _sayer(parsed.text("format"), call.program)
    known = _now(session)
    if since is not None:
        for when, action, past in sorted(_past(known), key=lambda one: one[0]):
            if since <= when <= (until if until is not None else when) and wanted(action, past):
                say(when, action, past)
    while until is None or time.time() < until:
        time.sleep(POLL)
        now = _now(session)
        for id in (*now, *(known.keys() - now.keys())):
            old, new = known.get(id), now.get(id)
            entry = new or old
            for action in changes(old.state if old else "", new.state if new else ""):
                if entry is not None and wanted(action, entry):
                    say(time.time(), action, entry)
        known = now
    return 0


def _now(session: Session) -> dict[str, Entry]:
    return {entry.id: entry for entry in ps.listed(session, everything=True, anonymous=False)}


def _past(known: dict[str, Entry]) -> Iterator[tuple[float, str, Entry]]:
    for entry in known.values():
        yield words.moment(entry.created), "create", entry
        if entry.record is None:
            continue
        ended = state.of(entry.record.directory).exit or {}
        begun = started(entry) if entry.runs else str(ended.get("started") or "")
        if begun:
            yield words.moment(begun), "start", entry
        if not entry.runs and entry.finished:
            yield words.moment(entry.finished), "die", entry


def changes(old: str, new: str) -> list[str]:
    """Docker's words for what lies between two states; an empty one is that of no container."""
    if old == new:
        return []
    found = ["create"] if not old else []
    if new in _ALIVE and old not in _ALIVE:
        found.append("start")
    if (old, new) in (_ALIVE, _ALIVE[::-1]):
        found.append("pause" if new == "paused" else "unpause")
    if new == "exited":
        found += ["start", "die"] if old not in _ALIVE else ["die"]
    if not new:
        found += ["die", "destroy"] if old in _ALIVE else ["destroy"]
    return found


def _wanted(filters: tuple[str, ...]) -> Callable[[str, Entry], bool]:
    """Whether an event is one that --filter asks for: values of one key widen, keys narrow. Raises `UsageError`."""
    asked: dict[str, list[str]] = {}
    for text in filters:
        key, equals, value = text.partition("=")
        if not equals or key not in _KEYS:
            raise UsageError(f"there is no filter {text!r}", f"filters are {', '.join(f'{one}=' for one in _KEYS)}")
        asked.setdefault(key, []).append(value)

    def fits(action: str, entry: Entry) -> bool:
        tests: dict[str, Callable[[str], bool]] = {
            "container": lambda value: value == entry.name or entry.id.startswith(value),
            "event": lambda value: value == action,
            "image": lambda value: value in (entry.image, entry.image.partition(":")[0]) or entry.image.endswith(f"/{value}"),
            "label": lambda value: _has_label(entry.labels, value),
            "type": lambda value: value == "container",
        }
        return all(any(tests[key](value) for value in values) for key, values in asked.items())

    return fits


def _has_label(labels: dict[str, str], text: str) -> bool:
    key, equals, value = text.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _sayer(form: str | None, program: Program) -> Callable[[float, str, Entry], None]:
    """What prints an event. Raises `UsageError` for a template with an error."""
    template = None if form in (None, "json") else Template(str(form))

    def say(when: float, action: str, entry: Entry) -> None:
        image = words.shown_name(entry.image, program)
        document = Ordered(
            status=action, id=entry.id, Type="container", Action=action, time=int(when), timeNano=int(when * 1e9),
            Actor=Ordered(ID=entry.id, Attributes={"image": image, "name": entry.name, **entry.labels}), scope="local",
        )  # fmt: skip
        document["from"] = image
        if template is not None:
            more = {"Time": int(when), "ID": entry.id, "Status": action, "Name": entry.name, "Image": image}
            result(f"{template.render({**document, **more})}\n")
        elif form == "json":
            result(f"{as_json(document)}\n")
        else:
            stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(when))}.{int(when % 1 * 1e6):06d}000Z"
            result(f"{stamp} container {action} {entry.id} (image={image}, name={entry.name})\n")

    return say


VERBS: Verbs = {
    "events": (
        Command(
            "events",
            "tell of containers that begin and end",
            (
                Option("-f --filter", LIST, "only those: container= event= image= label=", "KEY=VALUE"),
                Option("--format", VALUE, "`json` or a template", "FORMAT"),
                Option("--since", VALUE, "also what was since this time, of containers that are still there", "TIME"),
                Option("--until", VALUE, "end at this time", "TIME"),
                Option("--stream", FLAG, "go on (podman)", default=True),
                Unserved("--no-trunc", FLAG, SILENT, "ids are in full"),
            ),
        ),
        events,
    ),
}
