"""Options that an imitated program has and that do nothing here: accepted, accepted with a line of warning, or refused by name.

One is refused where going on without it would be a lie: the result would differ from what was asked. On the start-up path.
"""

from __future__ import annotations

from sampan.errors import UsageError
from sampan.options.table import FLAG, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.events import Notice
    from sampan.options.table import Parsed

SILENT, WARNED, REFUSED = "silent", "warned", "refused"


class Unserved(Option):
    """An option without effect. `fine`: values that ask for what happens anyway, so that nothing is said."""

    __slots__ = ("fine", "treatment")

    def __init__(self, spellings: str, kind: str, treatment: str, reason: str, fine: tuple[str, ...] = ()) -> None:
        super().__init__(spellings, kind, reason, "" if kind == FLAG else "VALUE")
        self.treatment = treatment
        self.fine = fine

    @property
    def explained(self) -> str:
        """For help: what becomes of it."""
        return {SILENT: "accepted", WARNED: "accepted, ignored", REFUSED: "refused"}[self.treatment] + (
            self.help and f": {self.help}"
        )


def judge(options: Iterable[Option], parsed: Parsed, notice: Notice) -> None:
    """Warn of those that have no effect among the options that were given. Raises `UsageError` for one that is refused."""
    for option in options:
        if not isinstance(option, Unserved) or option.treatment == SILENT:
            continue
        value = parsed.values[option.name]
        values = value if isinstance(value, tuple) else (value,)
        if value is False or all(one in option.fine for one in values):
            continue
        spelling = option.spellings[-1]
        if option.treatment == REFUSED:
            raise UsageError(f"{spelling} is not possible: {option.help}")
        notice.warn(f"{spelling} is ignored: {option.help}")
