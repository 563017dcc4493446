"""What an execution, its jobs and their attempts are: values, and their documents. Pure.

An execution's record never changes after it is made. Jobs are not stored one by one: job k is the shared values with the k-th
point of the iteration. What happens to jobs are *entries* of a ledger: an attempt was begun, an attempt ended so. Entries about one
attempt merge into one by rank (see `states`), in any order and any number of times, so that writers need not agree on anything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING

from sampan.errors import CorruptRecord, NewerStore, printable
from sampan.executions import states
from sampan.executions.iterate import Axis, Iteration
from sampan.oci.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

FORMAT = 1


@dataclass(frozen=True)
class Application:
    """What is launched. `digest` is that of the descriptor's bytes, `image` a reference, `image_digest` its manifest (empty: none)."""

    name: str
    version: str
    digest: str
    image: str = ""
    image_digest: str = ""

    @property
    def pinned(self) -> str:
        """The image by its digest, whatever its tag leads to by now; empty if it is not known."""
        return f"{Reference.parse(self.image).name}@{self.image_digest}" if self.image and self.image_digest else ""


@dataclass(frozen=True)
class Settings:
    """How its jobs are brought to processors.

    `words` are options for the batch system itself; limits are seconds and bytes, 0 for none; `at_once`: how many jobs may run
    at the same time, 0 for as many as fit.
    """

    back_end: str = "local"
    words: tuple[str, ...] = ()
    time: float = 0.0
    memory: int = 0
    cpus: int = 0
    gpus: int = 0
    at_once: int = 0


@dataclass(frozen=True)
class Execution:
    """One launch. `created` is ISO 8601 in UTC; `origin` what it repeats; `directory` where relative paths count from.

    `digests`: input file, as given -> the digest that it must have; empty unless this repeats something.
    """

    id: str
    name: str
    created: str
    application: Application
    values: Mapping[str, object]
    iteration: Iteration = field(default_factory=Iteration)
    settings: Settings = field(default_factory=Settings)
    directory: str = "/"
    user: str = ""
    host: str = ""
    origin: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of jobs."""
        return self.iteration.size

    def invocation(self, number: int) -> dict[str, object]:
        """The values of job `number`, counted from 1."""
        return {**self.values, **self.iteration.at(number - 1)}

    def with_image(self, image: str, digest: str) -> Execution:
        """The same execution with the image that its jobs will run in."""
        return replace(self, application=replace(self.application, image=image, image_digest=digest))

    def label(self, number: int) -> str:
        """What tells a job from the others: `t1=sub-01.nii, level=2`, empty for a single job."""
        return ", ".join(f"{name}={_shown(value)}" for name, value in self.iteration.at(number - 1).items())


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "+".join(map(_shown, value))
    return str(value)


@dataclass(frozen=True)
class Entry:
    """One line of a ledger: what is known about an attempt of a job. Times are ISO 8601 in UTC, empty if not known.

    `handle`: the id that the back-end has given it, in the entry that says it is queued.
    """

    job: int
    attempt: int
    state: str = states.WAITING
    phase: str = ""
    code: int | None = None
    exit: int | None = None
    cause: str = ""
    hint: str = ""
    node: str = ""
    started: str = ""
    ended: str = ""
    seconds: float = 0.0
    memory: int = 0
    lost: bool = False
    handle: str = ""

    def key(self) -> tuple[int, int, str]:
        """Of two entries about one attempt that of the higher key holds: what it said itself beats that it was lost, and that the rest."""
        certainty = 0 if self.state not in states.ENDED else 1 if self.lost else 2
        return (certainty, states.RANKS[self.state], repr(self))


def merge(entries: Iterable[Entry]) -> dict[int, dict[int, Entry]]:
    """Job -> attempt -> what holds. The order of entries, and how often one is there, makes no difference."""
    merged: dict[int, dict[int, Entry]] = {}
    for entry in entries:
        attempts = merged.setdefault(entry.job, {})
        before = attempts.get(entry.attempt)
        if before is None or entry.key() > before.key():
            attempts[entry.attempt] = entry
    return merged


@dataclass(frozen=True)
class Job:
    """A job with all its attempts, the first one first; its state is that of the last one."""

    number: int
    attempts: tuple[Entry, ...]

    @property
    def last(self) -> Entry:
        """The attempt that counts."""
        return self.attempts[-1]

    @property
    def state(self) -> str:
        """Its state now."""
        return self.last.state


def jobs_of(size: int, entries: Iterable[Entry]) -> tuple[Job, ...]:
    """All jobs; one that no entry names waits for its first attempt. Entries about jobs that there are not are left out."""
    merged = merge(entries)
    return tuple(
        Job(number, tuple(entry for _, entry in sorted(merged.get(number, {1: Entry(number, 1)}).items())))
        for number in range(1, size + 1)
    )


def document(execution: Execution) -> dict[str, object]:
    """The record as it is written down."""
    plain = {one.name: getattr(execution, one.name) for one in fields(execution)}
    return {
        "format": FORMAT,
        **plain,
        "application": asdict(execution.application),
        "values": dict(execution.values),
        "digests": dict(execution.digests),
        "iteration": [
            [{"name": axis.name, "values": list(axis.values)} for axis in group] for group in execution.iteration.groups
        ],
        "settings": {**asdict(execution.settings), "words": list(execution.settings.words)},
    }


def from_document(found: object, place: str) -> Execution:
    """The execution of a record. Raises `NewerStore`, and `CorruptRecord` that names `place`."""
    if isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT:
        raise NewerStore(
            f"{place} was written by a newer sampan (format {found['format']}, this one knows {FORMAT})", "upgrade sampan"
        )
    try:
        if not isinstance(found, dict) or found["format"] != FORMAT:
            raise TypeError("it is no execution")
        settings = dict(found["settings"])
        return Execution(
            application=Application(**_typed(found["application"], dict.fromkeys(_texts(Application), str))),
            values=_named(found["values"]),
            iteration=Iteration(tuple(_group(group) for group in found["iteration"])),
            settings=Settings(**{**_typed(settings, _SETTINGS), "words": tuple(map(str, settings["words"]))}),
            digests={name: str(digest) for name, digest in _named(found["digests"]).items()},
            **_typed(found, dict.fromkeys(_texts(Execution), str)),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CorruptRecord(f"the record {place} is damaged: {printable(str(error))}", "remove its directory") from error


_SETTINGS: dict[str, type | tuple[type, ...]] = {
    "back_end": str, "time": (int, float), "memory": int, "cpus": int, "gpus": int, "at_once": int,
}  # fmt: skip


def _texts(cls: type) -> list[str]:
    return [one.name for one in fields(cls) if one.type == "str"]


def _typed(found: Mapping[str, object], types: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    """These parts of an object, each of its type. Raises KeyError, TypeError."""
    parts = {name: found[name] for name in types}
    for name, value in parts.items():
        if not isinstance(value, types[name]) or isinstance(value, bool):
            raise TypeError(f"{name} is of another type")
    return parts


def _named(found: object) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError("its values are no object")
    return found


def _group(found: Iterable[Mapping[str, Any]]) -> tuple[Axis, ...]:
    """Paired axes, which have the same length. Raises KeyError, TypeError, ValueError."""
    axes = tuple(Axis(_typed(axis, {"name": str})["name"], tuple(_typed(axis, {"values": list})["values"])) for axis in found)
    if len({len(axis.values) for axis in axes}) != 1 or not axes[0].values:
        raise ValueError("inputs that are paired differ in length, or have no value")
    return axes


def entry_from(found: object) -> Entry | None:
    """The entry in a line of a ledger; `None` for what is none (a line that was cut off) or is of a newer kind."""
    if not isinstance(found, dict):
        return None
    try:
        entry = Entry(**{name: value for name, value in found.items() if name in _BLANK})
    except TypeError:
        return None
    sound = (
        type(entry.job) is int and type(entry.attempt) is int and entry.job > 0 < entry.attempt and entry.state in states.RANKS
    )
    return entry if sound else None


def entry_line(entry: Entry) -> dict[str, object]:
    """What a line of a ledger holds: the fields that say something."""
    said = {name: value for name, blank in _BLANK.items() if (value := getattr(entry, name)) != blank}
    return {"job": entry.job, "attempt": entry.attempt, "state": entry.state, **said}


_BLANK: dict[str, object] = {**vars(Entry(0, 0)), "state": None}
