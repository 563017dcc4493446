"""An archive of one thing, put where Docker's rules of `cp` want it (`landing.py`); or any archive, into a directory."""

from __future__ import annotations

import os

from sampan.errors import LayerError, UsageError, printable
from sampan.layers.entry import HARD_LINK, clean
from sampan.layers.landing import landing
from sampan.layers.limits import Allowance
from sampan.layers.merge import join
from sampan.layers.place import Placing
from sampan.layers.read import TarReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.layers.entry import Entry
    from sampan.layers.landing import Look, Spot
    from sampan.layers.place import Manner

_HUGE = 1 << 60


class Goal:
    """Where an archive goes: `text`, which `look` opens and messages call `shown`.

    `is_directory`: it must be one, and gets all that is in the archive under its own names.
    """

    __slots__ = ("is_directory", "look", "shown", "text")

    def __init__(self, look: Look, text: bytes, shown: str, *, is_directory: bool) -> None:
        self.look = look
        self.text = text
        self.shown = shown
        self.is_directory = is_directory


def receive(pieces: Iterable[bytes], goal: Goal, manner: Manner) -> dict[str, object]:
    """Put an archive where it belongs; counts of what was `left_out` (devices) and of what is `unowned`.

    Raises `UsageError` by Docker's rules, `LayerError` for what is no archive, OSError.
    """
    allowance = Allowance()
    allowance.add_layer(_HUGE)  # a person's own files: whatever they are, they are wanted
    reader = TarReader(pieces, allowance)
    placing: Placing | None = None
    top = new = b""
    try:
        for entry in reader:
            path = clean(entry.path)
            if placing is None:
                top = b"" if goal.is_directory else path
                directory, name = _begin(goal, entry, path)
                new = b"" if name == b"." else name
                placing = Placing(directory, manner)
                os.close(directory)
            where = join(new, _below(path, top))
            if where:  # else it is the directory that is there, which stays as it is
                source = join(new, _below(clean(entry.target), top)) if entry.kind == HARD_LINK else b""
                placing.add(where, entry, reader.body(), source)
        if placing is None:
            return {}
        placing.finish()
        return {"left_out": placing.left_out, "unowned": placing.unowned}
    finally:
        if placing is not None:
            placing.close()


def _begin(goal: Goal, entry: Entry, path: bytes) -> Spot:
    if not goal.is_directory:
        return landing(goal.look, goal.text, entry.kind, path or b".", goal.shown)
    try:
        return goal.look(goal.text or b".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), b"."
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{goal.shown} is no directory", "an archive is unpacked into a directory that is there") from None


def _below(path: bytes, top: bytes) -> bytes:
    """A path of the archive counted from its top."""
    if not top:
        return path
    if path != top and not path.startswith(top + b"/"):
        raise LayerError(f"the archive has {printable(path)} besides {printable(top)}")
    return path[len(top) + 1 :]
