"""What a run of `publish` has done: a row an image. Values; the table, JSON and the status page are made of them."""

from __future__ import annotations

from dataclasses import dataclass, fields

PUBLISHED, LINKED, UNCHANGED, REMOVED, FAILED = "published", "linked", "unchanged", "removed", "failed"
WOULD_PUBLISH, WOULD_LINK, WOULD_REMOVE = "would publish", "would link", "would remove"


@dataclass(frozen=True)
class Row:
    """One image in a run; sizes in bytes. `error` and `hint` are empty unless it failed."""

    link: str
    platform: str
    outcome: str
    digest: str = ""
    size: int = 0
    files: int = 0
    error: str = ""
    hint: str = ""

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {one.name: getattr(self, one.name) for one in fields(self)}


@dataclass(frozen=True)
class Report:
    """A whole run. `revision` is the new one, or `None` if nothing was published; times in ISO 8601.

    `partial`: it looked at some images of its list only.
    """

    repository: str
    label: str
    started: str
    ended: str
    revision: int | None
    rows: tuple[Row, ...]
    dry_run: bool = False
    partial: bool = False

    @property
    def failed(self) -> tuple[Row, ...]:
        """The rows of what failed."""
        return tuple(row for row in self.rows if row.outcome == FAILED)

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {
            "repository": self.repository,
            "list": self.label,
            "started": self.started,
            "ended": self.ended,
            "revision": self.revision,
            "dry_run": self.dry_run,
            "images": [row.document() for row in self.rows],
        }
