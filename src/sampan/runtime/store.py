"""What is done with a store as a whole: make, collect, prune, check and repair, move."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.container import shelf
from sampan.container import state as states
from sampan.errors import ContainerRunning, NoSpace, SampanError, UsageError
from sampan.events import Task
from sampan.store import gc, layout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.runtime.session import Session
    from sampan.store.fsck import Damage
    from sampan.store.gc import Collected
    from sampan.store.layout import Store
    from sampan.store.prune import Pruned

DAY = 24 * 3600
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}


def init(session: Session, directory: str = "", *, shared: bool = False) -> Store:
    """Make a store in `directory` (the user's own, if it is empty), which everyone can read if it is to be shared.

    Raises `UsageError`, `StoreError`, `NoSpace`.
    """
    if directory and not directory.startswith("/"):
        directory = os.path.abspath(directory)
    store = layout.open_store(directory) if directory else session.store
    if shared:
        layout.create_shared(store)
    else:
        layout.create(store)
    return store


def collect(session: Session, grace: float | None = None) -> Collected:
    """Remove what nothing leads to and was not used for `grace` seconds (7 days); layers and files too.

    Raises `CorruptRecord`, `NewerStore`, `StoreError`.
    """
    return gc.collect(session.store, gc.GRACE if grace is None else grace, gc.GRACE if grace is None else grace)


def prune_to(session: Session, size: int) -> Pruned:
    """Make the store no larger than `size` bytes, as far as nothing is held. Raises as `collect`."""
    from sampan.store import prune

    return prune.prune(session.store, size)


def check_pruned(session: Session, done: Pruned, size: int) -> None:
    """Raises `NoSpace` that names what is in the way if the store is still larger than `size` bytes."""
    if done.after > size:
        held = f": {'; '.join(done.held[:5])}" if done.held else ": what is left is containers and what they need"
        raise NoSpace(
            f"the store {session.store.path} still takes {_amount(done.after)}, more than the {_amount(size)} wanted{held}",
            "see `sampan ps -a` and `sampan store pins`, or `sampan store move DIR` to take the store elsewhere",
        )


def check(session: Session, *, contents: bool, task: Task | None = None) -> Iterator[Damage]:
    """Every damage of the store."""
    from sampan.store import fsck

    return fsck.check(session.store, contents, task or Task(), session.sites)


def repair(session: Session, damages: list[Damage]) -> list[tuple[Damage, str]]:
    """Mend each as far as that loses nothing; with what was done, empty if nothing could be. Raises `StoreError`, `NoSpace`."""
    from sampan.store.repair import Repairs

    repairs = Repairs(session.store)
    return [(damage, repairs.repair(damage)) for damage in damages]


def move(session: Session, directory: str) -> str:
    """Take the store to another directory; its absolute path. Raises `UsageError`, `ContainerRunning`, `StoreError`, `NoSpace`."""
    from sampan.store import du
    from sampan.store.move import move as take

    target = os.path.abspath(directory)
    for id in shelf.ids(session.store):
        try:
            found = states.of(session.store.join("containers", id))
        except SampanError:
            continue  # a damaged one does not run
        if found.runs:
            raise ContainerRunning(f"the container {id[:12]} is {found.words}, so the store cannot be moved", "end it first")
    task = session.progress.begin("moving", du.total(session.store))
    try:
        take(session.store, target, task)
    finally:
        task.done()
    return target


def parse_amount(text: str) -> int:
    """Bytes from `20GB`, `500M`, `1.5 TB` (units of 1000) or `20GiB` (of 1024). Raises `UsageError`."""
    number = text.strip().lower()
    if len(number) > 1 and number.endswith("b"):
        number = number[:-1]
    for unit in sorted(_UNITS, key=len, reverse=True):
        if number.endswith(unit):
            digits = number[: len(number) - len(unit)].strip()
            whole, _, part = digits.partition(".")
            if whole.isdecimal() and whole.isascii() and (not part or (part.isdecimal() and part.isascii())) and len(digits) < 20:
                return int(float(digits) * _UNITS[unit])
            break
    raise UsageError(f"{text!r} is not a size", "write 20GB or 500MB")


def parse_grace(text: str) -> float:
    """Seconds from `7d`, `12h`, `30m`, `0`. Raises `UsageError`."""
    units = {"d": DAY, "h": 3600, "m": 60, "s": 1}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "s" if text == "0" else "")
    if not unit or not number.isdecimal() or not number.isascii() or len(number) > 9:
        raise UsageError(f"{text!r} is not a time", "write 7d, 12h or 0")
    return float(int(number) * units[unit])


def _amount(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
