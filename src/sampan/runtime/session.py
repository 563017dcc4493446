"""What every flow is handed: settings, the stores, and where notices and progress go. On the start-up path."""

from __future__ import annotations

from sampan.events import SILENT_NOTICE, SILENT_PROGRESS
from sampan.store.layout import open_store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.events import Notice, Progress
    from sampan.settings import Settings
    from sampan.store.layout import Store


class Session:
    """Settings with the user's store and the site's read-only ones, which are looked at first."""

    __slots__ = ("notice", "progress", "settings", "sites", "store")

    def __init__(self, settings: Settings, notice: Notice = SILENT_NOTICE, progress: Progress = SILENT_PROGRESS) -> None:
        self.settings = settings
        self.notice = notice
        self.progress = progress
        self.store = open_store(settings.text("home"))
        self.sites = tuple(open_store(path, writable=False) for path in settings.texts("stores"))

    def telling(self, notice: Notice) -> Session:
        """The same, with notices for somebody else."""
        found = object.__new__(Session)
        for name in Session.__slots__:
            setattr(found, name, getattr(self, name))
        found.notice = notice
        return found

    def stores(self) -> tuple[Store, ...]:
        """All stores in the order in which images are looked for."""
        return (*self.sites, self.store)


def default_session() -> Session:
    """The session of a program that says nothing else: settings of files and environment, silent."""
    import os

    from sampan import settings

    return Session(settings.load(os.environ))
