"""The status of a repository: each wish, the digest that is published, since when, its size, the last error. Values and their JSON.

What is published stands in the repository (`state.py`). What failed is no reason for a new revision, so it is kept beside it: the status
document of the last run, which the next run reads again, so that an error keeps the time at which it began.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from sampan.distribute import report
from sampan.distribute.state import number_of
from sampan.errors import ProtocolError
from sampan.oci.document import maps_of, read_document, text_of

if TYPE_CHECKING:
    from sampan.cvmfs.reader import Repository
    from sampan.distribute.report import Report
    from sampan.distribute.state import State

FORMAT = 1
MAX_BYTES = 256 << 20
OK, FAILING, MISSING = "published", "failing", "missing"


@dataclass(frozen=True)
class Line:
    """One image: `failing` is published as it was, `missing` never was; times in ISO 8601, sizes in bytes."""

    link: str
    platform: str
    condition: str
    reference: str = ""
    digest: str = ""
    directory: str = ""
    published: str = ""
    size: int = 0
    files: int = 0
    lists: str = ""
    error: str = ""
    failing_since: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """Link and platform."""
        return self.link, self.platform


@dataclass(frozen=True)
class Status:
    """A repository with its images by name. `checked` is when a run last asked the registries, empty if it is not known."""

    repository: str
    revision: int
    revision_time: str
    whitelist_until: str
    checked: str
    lines: tuple[Line, ...]

    @property
    def failing(self) -> int:
        """How many images could not be published the last time."""
        return sum(bool(line.error) for line in self.lines)

    @property
    def size(self) -> int:
        """Bytes of all files, images under several names counted once."""
        return sum({line.directory: line.size for line in self.lines}.values())

    def document(self) -> dict[str, object]:
        """For JSON."""
        return {
            "format": FORMAT,
            "repository": self.repository,
            "revision": self.revision,
            "revision_time": self.revision_time,
            "whitelist_until": self.whitelist_until,
            "checked": self.checked,
            "failing": self.failing,
            "size": self.size,
            "images": [{one.name: getattr(line, one.name) for one in fields(line)} for line in self.lines],
        }

    def dump(self) -> bytes:
        """The document."""
        return json.dumps(self.document(), indent=1, ensure_ascii=False).encode() + b"\n"


def of_repository(repository: Repository, state: State) -> Status:
    """What a repository itself says."""
    lines = [
        Line(
            record.link, record.platform, OK, record.reference, record.manifest, record.directory, record.published, record.size,
            record.files, " ".join(record.lists),
        )
        for _, record in sorted(state.records.items())
    ]  # fmt: skip
    manifest = repository.manifest
    return Status(manifest.fqrn, manifest.revision, iso(manifest.timestamp), iso(repository.whitelist.expires), "", tuple(lines))


def after_run(now: Status, run: Report, before: Status | None) -> Status:
    """With the errors of a run; one that was there before keeps the time of its beginning.

    What the run did not look at keeps its error.
    """
    old = {line.key: line for line in before.lines if line.error} if before is not None else {}
    seen = {(row.link, row.platform) for row in run.rows}
    lines = {line.key: line for line in now.lines}
    for key, line in old.items():
        if key not in seen and (run.partial or run.label not in line.lists.split()):
            lines[key] = replace(
                lines.get(key, line), condition=line.condition, error=line.error, failing_since=line.failing_since
            )
    for row in run.failed:
        key = (row.link, row.platform)
        since = old[key].failing_since if key in old else run.started
        line = lines.get(key, Line(row.link, row.platform, MISSING, lists=run.label))
        condition = FAILING if line.published else MISSING
        lines[key] = replace(line, condition=condition, error=row.error, failing_since=since)
    return replace(now, checked=run.ended, lines=tuple(lines[key] for key in sorted(lines)))


def with_errors(now: Status, before: Status) -> Status:
    """What a repository says with the errors of an older status."""
    none = report.Report(now.repository, "", before.checked, before.checked, None, (), partial=True)
    return after_run(now, none, before)


def load(data: bytes, what: str) -> Status:
    """The status in a document. Raises `ProtocolError` that begins with `what`."""
    document = read_document(data, what, MAX_BYTES)
    if document.get("format") != FORMAT:
        raise ProtocolError(f"{what} is not a status of this version of sampan")
    lines = []
    for one in maps_of(document, "images", what):
        texts = {field.name: text_of(one, field.name, what) for field in fields(Line) if field.name not in ("size", "files")}
        lines.append(Line(**texts, size=number_of(one, "size", what), files=number_of(one, "files", what)))
    texts = {name: text_of(document, name, what) for name in ("repository", "revision_time", "whitelist_until", "checked")}
    return Status(revision=number_of(document, "revision", what), lines=tuple(lines), **texts)


def iso(seconds: float) -> str:
    """Seconds since 1970 in ISO 8601, UTC."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
