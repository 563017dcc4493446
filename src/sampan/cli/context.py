"""What every command is handed: settings, and where talk and progress go. On the start-up path."""

from __future__ import annotations

import os

from sampan import settings
from sampan.events import Progress
from sampan.terminal.output import StderrNotice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.events import Task
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session
    from sampan.settings import Settings
    from sampan.terminal.progress import BarProgress, LineProgress


class LaterProgress(Progress):
    """Progress that is set up (and imported) when the first long work begins; most starts have none."""

    def __init__(self, level: int) -> None:
        self._level = level
        self._real: BarProgress | LineProgress | None = None

    def begin(self, label: str, total: int | None = None, unit: str = "bytes") -> Task:
        """Announce work."""
        if self._real is None:
            from sampan.terminal.progress import for_stderr

            self._real = for_stderr(quiet=self._level == 0)
        return self._real.begin(label, total, unit)

    def stop(self) -> None:
        """Take what is shown away, before a payload or an error gets the terminal."""
        if self._real is not None:
            self._real.stop()


class Context:
    """Settings are read when they are first needed, so that `--help` works with a broken configuration."""

    def __init__(self, level: int = 1, program: str = "sampan", settings: Settings | None = None) -> None:
        self.level = level
        self.program = program
        self.notice = StderrNotice(level, program)
        self.progress = LaterProgress(level)
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        if self._settings is None:
            self._settings = settings.load(os.environ)
        return self._settings

    def but(self, level: int | None = None, settings: Settings | None = None) -> Context:
        """The same with another level or other settings, for options of compatible programs."""
        return Context(self.level if level is None else level, self.program, settings or self._settings)

    def session(self, parsed: Parsed | None = None) -> Session:
        """What the flows are handed; options of the command line that are settings too win."""
        from sampan.runtime.session import Session

        values = self.settings
        if parsed is not None:
            for name in ("offline", "stage", "cvmfs"):
                if parsed.values.get(name):
                    values = values.override(name, parsed.values[name])
        return Session(values, self.notice, self.progress)
