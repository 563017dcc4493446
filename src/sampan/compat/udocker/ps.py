"""`udocker ps`: containers, those that udocker itself has left too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.compat.udocker import repository, shown_id
from sampan.compat.udocker.run import DEFAULT_MODE
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, Command, Option
from sampan.options.unserved import SILENT, Unserved
from sampan.runtime import ps
from sampan.store import du
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.image.udocker import Container
    from sampan.runtime.ps import Entry
    from sampan.runtime.session import Session

# How wide each column is: of the least, of the most.
_ID, _MODE, _SIZE, _PLATFORM, _NAMES, _IMAGE = (36, 36), (3, 3), (5, 5), (18, 18), (18, 100), (20, 100)


class Row:
    """A line before it is printed; `size` in bytes."""

    def __init__(self, id: str, protected: bool, state: str, names: tuple[str, ...], image: str, **rest: str) -> None:
        self.id = id
        self.protected = protected
        self.state = state
        self.names = names
        self.image = image
        self.mode = rest.get("mode") or DEFAULT_MODE
        self.platform = rest.get("platform") or "unknown/unknown"
        self.place = rest.get("place", "")


def main(call: Call) -> int:
    """The list, as wide as udocker's."""
    session = call.session()
    found = [_own(entry, session) for entry in ps.listed(session, everything=True, anonymous=False)]
    found += [_foreign(container) for container in repository.foreign_containers(call, session)]
    with_mode, with_size, with_platform = (call.parsed.flag(name) for name in "msp")
    heads = [("MOD", _MODE, with_mode), ("SIZE", _SIZE, with_size), ("PLATFORM", _PLATFORM, with_platform)]
    first = [f"{'CONTAINER ID':36} P M"] + [f"{word:{width[0]}}" for word, width, wanted in heads if wanted]
    lines = [" ".join([*first, f"{'NAMES':18}", f"{'IMAGE':20}"])]
    for row in found:
        cells = [_cell(row.id, _ID), "P" if row.protected else ".", row.state]
        cells += [_cell(row.mode, _MODE)] if with_mode else []
        cells += [_cell(str(_megabytes(row.place)), _SIZE)] if with_size else []
        cells += [_cell(row.platform, _PLATFORM)] if with_platform else []
        names = str(list(row.names)) if row.names else ""
        lines.append(" ".join([*cells, _cell(names, _NAMES), _cell(row.image, _IMAGE)]))
    result("".join(f"{line.rstrip()}\n" for line in lines))
    return 0


def _cell(text: str, width: tuple[int, int]) -> str:
    return f"{text[: width[1]]:{width[0]}}"


def _megabytes(place: str) -> int:
    return -(-du.size_of(place) // 1_000_000) if place else 0


def _own(entry: Entry, session: Session) -> Row:
    record = entry.record
    if record is None:
        return Row(shown_id(entry.id), False, "D", (), entry.state)
    is_there = bool(record.image.tree) or record.keep == "copy"
    return Row(
        shown_id(entry.id), bool(record.protected), "W" if is_there else "N", (record.name,) if record.name else (),
        _familiar(record.image.reference), mode=record.mode, platform=record.image.platform,
        place=session.store.join("containers", record.id),
    )  # fmt: skip


def _familiar(reference: str) -> str:
    return reference if reference.startswith("sha256:") else Reference.parse(reference).familiar


def _foreign(container: Container) -> Row:
    state = ("W" if os.access(container.root, os.W_OK) else "R") if os.path.isdir(container.root) else "N"
    return Row(
        container.id, container.protected, state, container.names, container.image, mode=container.mode, place=container.root
    )


VERBS: Verbs = {
    "ps": (
        Command(
            "ps", "list containers",
            (
                Option("-m", FLAG, "with the execution mode"), Option("-s", FLAG, "with the megabytes that each has changed"),
                Option("-p", FLAG, "with the platform"),
                Unserved("-a --all", FLAG, SILENT, "all are listed"),
            ),
        ),
        main,
    ),
}  # fmt: skip
