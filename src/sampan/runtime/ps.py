"""`ps` and `prune`: containers as a list, filtered as Docker's users expect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.container import shelf
from sampan.container import state as states
from sampan.errors import SampanError, UsageError
from sampan.host import processes
from sampan.oci.reference import Reference
from sampan.runtime import containers, logs, lookup
from sampan.values import field, frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sampan.container.record import Record
    from sampan.runtime.session import Session

    Keep = Callable[["Entry"], bool]

STATES = ("created", "running", "paused", "exited", "damaged")
_SHOWN = ("id", "name", "image", "command", "created", "status", "pid", "labels")


@frozen
class Entry:
    """A row of `sampan ps`. `state` is one word of `STATES`, `status` what a person reads; `pid` is `None` if nothing runs here."""

    id: str
    state: str
    status: str
    image: str = "-"
    image_id: str = ""
    command: tuple[str, ...] = ()
    created: str = ""
    name: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    pid: int | None = None
    exit: int | None = None
    health: str = ""
    finished: str = ""
    record: Record | None = None

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {name: getattr(self, name) for name in _SHOWN}

    @property
    def runs(self) -> bool:
        """Here or elsewhere."""
        return self.state in ("running", "paused")


def listed(session: Session, *, everything: bool = False, filters: Sequence[str] = (), anonymous: bool = True) -> list[Entry]:
    """Containers, newest first: those that run, anonymous ones among them unless they are not wanted; with `everything` all that are kept.

    `filters` are texts KEY=VALUE: `id`, `name`, `label`, `status`, `exited`, `health`, `ancestor` (an image), `before` and `since` (a
    container). Several values of one key widen, but for labels, which all must be there; several keys narrow. One for `status` or
    `exited` looks at everything. Raises `UsageError`, `ContainerNotFound`.
    """
    kept = [entry for id in shelf.ids(session.store) if not _swept(entry := _entry(id, session), session)]
    known = {entry.id[:12] for entry in kept}
    found = sorted([*kept, *(_anonymous(known) if anonymous else ())], key=lambda entry: entry.created, reverse=True)
    wanted = _filters(filters, found, session)
    if not everything and not any(text.startswith(("status=", "exited=")) for text in filters):
        found = [entry for entry in found if entry.runs]
    return [entry for entry in found if all(keep(entry) for keep in wanted)]


def _swept(entry: Entry, session: Session) -> bool:
    """Whether it was to be thrown away and has ended: then it goes now."""
    if entry.record is None or entry.record.keep != "memory" or entry.state != "exited":
        return False
    try:
        containers.remove(entry.id, session)
    except (SampanError, OSError):
        return False
    return True


def prunable(session: Session, filters: Sequence[str] = ()) -> list[Entry]:
    """Kept containers that do not run; `filters` are `until` (a time, or an age), `label` and `label!`. Raises `UsageError`."""
    found = [entry for entry in listed(session, everything=True) if entry.state in ("created", "exited")]
    for text in filters:
        key, _, value = text.partition("=")
        if key == "until" and value:
            latest = logs.since(value, "--filter until")
            found = [entry for entry in found if entry.created < latest]
        elif key in ("label", "label!") and value:
            found = [entry for entry in found if _has_label(entry, value) == (key == "label")]
        else:
            raise UsageError(f"there is no filter {text!r}", "filters are until=, label= and label!= with a value")
    return found


def _entry(id: str, session: Session) -> Entry:
    directory = session.store.join("containers", id)
    try:
        record = shelf.load(session.store, session.sites, id)
        found = states.of(directory)
    except SampanError as error:
        return Entry(id, "damaged", f"damaged: {error.sentence}")
    process = found.process
    return Entry(
        id, found.word.partition(" ")[0], found.words, image=record.image.reference, image_id=record.image.config,
        command=record.request.command, created=record.created, name=record.name, labels=labels_of(record),
        pid=process.pid if process is not None and not process.is_elsewhere() else None, exit=found.status, health=found.health,
        finished=str((found.exit or {}).get("finished") or ""), record=record,
    )  # fmt: skip


def labels_of(record: Record) -> dict[str, str]:
    """The labels that a container was given."""
    pairs = (text.partition("=") for text in record.request.labels)
    return {name: value for name, _, value in pairs}


def _anonymous(known: set[str]) -> list[Entry]:
    """Runs that no record tells of: the first process of each has its container in its environment."""
    members: dict[str, list[int]] = {}
    for pid in processes.own_pids():
        id = processes.environment(pid).get("SAMPAN_CONTAINER", "")
        if id and id not in known:
            members.setdefault(id, []).append(pid)
    found = []
    for id, pids in members.items():
        first = next((pid for pid in pids if processes.parent(pid) not in pids), pids[0])
        variables = processes.environment(first)
        if variables.get("SAMPAN_CONTAINER") == id:
            found.append(
                Entry(
                    id, "running", "running", image=variables.get("SAMPAN_IMAGE", "-"), command=processes.command(first),
                    created=processes.started_at(first), pid=first,
                )
            )  # fmt: skip
    return found


# Filters


def _filters(texts: Iterable[str], found: list[Entry], session: Session) -> list[Keep]:
    values: dict[str, list[str]] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or key not in _MAKERS:
            raise UsageError(f"there is no filter {text!r}", f"filters are {', '.join(_MAKERS)}, each as KEY=VALUE")
        values.setdefault(key, []).append(value)
    keep: list[Keep] = []
    for key, wanted in values.items():
        tests = [_MAKERS[key](value, found, session) for value in wanted]
        keep.append(_all(tests) if key == "label" else _any(tests))
    return keep


def _any(tests: list[Keep]) -> Keep:
    return lambda entry: any(test(entry) for test in tests)


def _all(tests: list[Keep]) -> Keep:
    return lambda entry: all(test(entry) for test in tests)


def _id(value: str, _found: list[Entry], _session: Session) -> Keep:
    return lambda entry: entry.id.startswith(value)


def _name(value: str, _found: list[Entry], _session: Session) -> Keep:
    return lambda entry: (
        value.strip("^$/") == entry.name if value.startswith("^") and value.endswith("$") else value in entry.name
    )


def _label(value: str, _found: list[Entry], _session: Session) -> Keep:
    return lambda entry: _has_label(entry, value)


def _has_label(entry: Entry, text: str) -> bool:
    name, equals, value = text.partition("=")
    return name in entry.labels and (not equals or entry.labels[name] == value)


def _status(value: str, _found: list[Entry], _session: Session) -> Keep:
    if value not in STATES:
        raise UsageError(f"a container is never {value!r}", f"a status is one of {', '.join(STATES)}")
    return lambda entry: entry.state == value


def _exited(value: str, _found: list[Entry], _session: Session) -> Keep:
    if not value.isdigit():
        raise UsageError(f"the filter exited is an exit status, not {value!r}")
    return lambda entry: entry.exit == int(value)


def _health(value: str, _found: list[Entry], _session: Session) -> Keep:
    if value not in ("starting", "healthy", "unhealthy", "none"):
        raise UsageError(f"the filter health is starting, healthy, unhealthy or none, not {value!r}")
    return lambda entry: (entry.health or "none") == value


def _ancestor(value: str, _found: list[Entry], session: Session) -> Keep:
    """An image that is here, else a reference: the image of a container may be gone."""
    try:
        config = lookup.one(value, session)[1].config
    except SampanError:
        reference = str(Reference.parse(value))
        return lambda entry: entry.image == reference
    return lambda entry: entry.image_id == config


def _before(value: str, found: list[Entry], _session: Session) -> Keep:
    other = _one(value, found)
    return lambda entry: entry.created < other.created


def _since(value: str, found: list[Entry], _session: Session) -> Keep:
    other = _one(value, found)
    return lambda entry: entry.created > other.created


def _one(text: str, found: list[Entry]) -> Entry:
    matching = [entry for entry in found if entry.name == text] or [
        entry for entry in found if text and entry.id.startswith(text)
    ]
    if len(matching) != 1:
        raise UsageError(f"{len(matching)} containers are called {text!r}", "write a name or more of an id")
    return matching[0]


_MAKERS = {
    "id": _id, "name": _name, "label": _label, "status": _status, "exited": _exited, "health": _health, "ancestor": _ancestor,
    "before": _before, "since": _since,
}  # fmt: skip
