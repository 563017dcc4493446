"""`publish`: what lists want, brought into a repository as one revision.

Theory of operation. First the registries are asked what each wish is now (changes.py), against what the repository says is published;
if nothing differs, nothing is locked and nothing written. Else one publication is begun, what the repository says is read once more
under its lock, and the images that differ are brought in, several at once. An image that fails leaves objects that nothing leads to,
never an entry. Then links, manifests and the state are put, what may go is taken out, and all of it becomes one revision. Last, a
fresh reader verifies what was published. A run that ends before the commit has changed nothing that a client sees.
"""

from __future__ import annotations

import fnmatch
import io
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sampan.cvmfs.entry import regular, symlink
from sampan.distribute import layout, report, retention, state
from sampan.distribute.changes import FETCH, NOTE, SAME, Change, changes, told
from sampan.distribute.crowd import each
from sampan.distribute.expand import Failure, Naming, expand
from sampan.distribute.report import Report, Row
from sampan.errors import NoSpace, SampanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from typing import Protocol

    from sampan.cvmfs.objects import Objects
    from sampan.cvmfs.publish import Publication
    from sampan.cvmfs.reader import Repository
    from sampan.distribute.expand import Item
    from sampan.distribute.image import Done
    from sampan.distribute.state import State
    from sampan.distribute.wish import Wish
    from sampan.distribute.wishlist import Wishlist
    from sampan.events import Notice, Progress
    from sampan.registry.client import Client

    class Place(Protocol):
        """A repository that is published into (`address.py`)."""

        @property
        def objects(self) -> Objects: ...

        def open(self) -> Repository: ...

        def begin(self, path: bytes, notice: Notice, *, wait: bool) -> AbstractContextManager[Publication]: ...


CONNECTIONS = 8


@dataclass(frozen=True)
class Job:
    """What is wanted of a run. `base` is a path of the repository, `grace` in seconds, `quota` in bytes of layers.

    `label` is the name under which the lists are known in the repository: `prune` takes out only what lists of this label wanted.
    `only`: patterns of links or references; other images are left as they are. `may_miss`: it is no error if nothing matches them.
    """

    wishlist: Wishlist
    label: str
    naming: Naming
    base: bytes = b""
    only: tuple[str, ...] = ()
    prune: bool = False
    grace: float = 7 * retention.DAY
    quota: int | None = None
    bind_points: tuple[str, ...] = ()
    parallel: int = 2
    wait: bool = False
    verify: bool = True
    dry_run: bool = False
    may_miss: bool = False


def publish(place: Place, client: Client, job: Job, notice: Notice, progress: Progress) -> Report:
    """Do it; the report names each image, also those that failed.

    Raises what concerns the whole run: `UsageError` for a list that is not for this repository, `RepositoryBusy`, `NoSpace`,
    `Unreachable` of the repository, `IntegrityError` of what was verified.
    """
    run = _Run(place, client, job, notice, progress)
    return run.dry() if job.dry_run else run.go()


def read_state(repository: Repository, base: bytes) -> State:
    """What is published below a base path. Raises `ProtocolError`, and what reading raises."""
    path = layout.below(base, layout.STATE)
    entry = repository.lookup(path)
    if entry is None:
        return state.State()
    return state.load(repository.read(entry), f"{layout.STATE} of {repository.manifest.fqrn}")


class _Run:
    def __init__(self, place: Place, client: Client, job: Job, notice: Notice, progress: Progress) -> None:
        self._place = place
        self._client = client
        self._job = job
        self._notice = notice
        self._progress = progress
        self._started = self._now = now()
        repository = place.open()
        self._fqrn = repository.manifest.fqrn
        self._before = read_state(repository, job.base)
        self._check()
        self._items, self._failures = self._wanted()
        self._digests, unknown = told(client, self._items, CONNECTIONS)
        self._failures += unknown

    def _check(self) -> None:
        job = self._job
        if job.wishlist.repository and job.wishlist.repository != self._fqrn:
            raise UsageError(
                f"the list is for the repository {job.wishlist.repository}, and this is {self._fqrn}",
                "see `cvmfs_repo` in the list",
            )
        if job.only and job.prune:
            raise UsageError("--only leaves other images as they are, and --prune takes them out", "leave one of them away")
        for remark in job.wishlist.remarks:
            self._notice.warn(remark)

    def _wanted(self) -> tuple[list[Item], list[Failure]]:
        """The images of the lists; with `only`, those whose link or reference matches. Patterns of other names are not looked up."""
        job = self._job
        wishes = [wish for wish in job.wishlist.wishes if not job.only or wish.is_pattern or _is_chosen(job.only, _words(wish))]
        items, failures = expand(wishes, job.naming, self._client.tags, CONNECTIONS)
        if job.only:
            items = [item for item in items if _is_chosen(job.only, (item.link, str(item.reference), item.reference.familiar))]
            if not items and not failures and not job.may_miss:
                raise UsageError(f"no image of the list matches --only {' '.join(job.only)}")
        return items, failures

    def _kept_keys(self) -> set[tuple[str, str]]:
        """What is not to be taken out: all that is wished, also what could not be found out today."""
        keys = {item.key for item in self._items}
        failed = [
            wish for wish in self._job.wishlist.wishes if wish.is_pattern and wish.text in {one.link for one in self._failures}
        ]
        unsure = tuple(f"{wish.shown}/{wish.name.path}:" for wish in failed)
        return keys | {key for key in self._before.records if unsure and key[0].startswith(unsure)}

    def dry(self) -> Report:
        """What would be done."""
        words = {SAME: report.UNCHANGED, NOTE: report.WOULD_LINK, FETCH: report.WOULD_PUBLISH}
        rows = [
            Row(one.item.link, str(one.item.platform), words[one.what], one.told)
            for one in changes(self._digests, self._before, self._job.label)
        ]
        retired = self._retired(self._before)
        removed = [*retired.links, *retired.directories]
        return self._report(None, [*rows, *(Row(path, "", report.WOULD_REMOVE) for path in removed)], dry_run=True)

    def go(self) -> Report:
        """Publish what has changed."""
        planned = changes(self._digests, self._before, self._job.label)
        if all(one.what == SAME for one in planned) and self._retired(self._before).state == self._before:
            return self._report(None, [self._unchanged(one) for one in planned])
        with self._place.begin(self._job.base, self._notice, wait=self._job.wait) as publication:
            self._before = read_state(publication.base, self._job.base)
            planned = changes(self._digests, self._before, self._job.label)
            done, rows = self._images(publication, [one for one in planned if one.what == FETCH])
            noted = self._noted([one for one in planned if one.what == NOTE])
            rows += [Row(r.link, r.platform, report.LINKED, r.manifest, r.size, r.files) for r in noted]
            rows += [self._unchanged(one) for one in planned if one.what == SAME]
            rows += self._write(publication, done, noted)
            manifest = publication.commit() if publication.changed else None
        if manifest is not None and self._job.verify:
            self._verify([one for one in done if one.made.seal])
        return self._report(manifest.revision if manifest is not None else None, rows)

    def _images(self, publication: Publication, wanted: Sequence[Change]) -> tuple[list[Done], list[Row]]:
        from sampan.distribute.image import Images, Quota  # a third of the imports of a run that finds nothing changed

        job = self._job
        images = Images(self._client, publication, job.base, self._notice, self._progress)
        images.bind_points = job.bind_points
        quota = Quota(job.quota, job.label, tuple(self._before.records.values()))

        def work(change: Change) -> Done:
            return images.publish(change.item, quota, job.label, self._now)

        done: list[Done] = []
        rows: list[Row] = []
        for change, result in zip(wanted, each(work, wanted, job.parallel, (NoSpace,))):
            if isinstance(result, SampanError):
                self._failures.append(Failure(change.item.link, str(change.item.platform), result))
                continue
            record = self._merged(result.record)
            done.append(replace(result, record=record))
            rows.append(Row(record.link, record.platform, report.PUBLISHED, record.manifest, record.size, record.files))
        return done, rows

    def _merged(self, record: state.Record) -> state.Record:
        """With the lists and links that an older record has besides: another list may want the same image."""
        older = self._before.records.get(record.key)
        if older is None:
            return record
        lists, links = (tuple(dict.fromkeys((*a, *b))) for a, b in ((older.lists, record.lists), (record.links, older.links)))
        return replace(record, lists=lists, links=links)

    def _noted(self, wanted: Sequence[Change]) -> list[state.Record]:
        """What is there already, under more names or for one more list."""
        found = []
        for change in wanted:
            record = self._before.records[change.item.key]
            found.append(self._merged(replace(record, lists=(self._job.label,), links=change.item.links)))
        return found

    def _write(self, publication: Publication, done: Sequence[Done], noted: Sequence[state.Record]) -> list[Row]:
        """Links, manifests, what goes, and the state; rows of what goes."""
        base, mtime = self._job.base, retention.seconds(self._now) * 1_000_000_000
        for record in (*(one.record for one in done), *noted):
            for link in record.links:
                publication.put(layout.below(base, link), symlink(layout.target(link, record.directory), mtime=mtime))
        for one in done:
            body = publication.bodies.add(io.BytesIO(one.manifest))
            publication.put(layout.below(base, layout.manifest_of(one.record.link)), regular(body, mtime=mtime))
        after = self._before.with_records((*(one.record for one in done), *noted))
        retired = self._retired(retention.unlinked(self._before, after, self._now))
        for path in retired.links:
            publication.remove(layout.below(base, path))
            publication.remove(layout.below(base, f"{layout.METADATA}/{path}"))
        for path in retired.directories:
            publication.remove(layout.below(base, path))
        if retired.state != self._before:
            body = publication.bodies.add(io.BytesIO(retired.state.dump()))
            publication.put(layout.below(base, layout.STATE), regular(body, mtime=mtime))
        return [Row(path, "", report.REMOVED) for path in (*retired.links, *retired.directories)]

    def _retired(self, before: State) -> retention.Retired:
        if not self._job.prune:
            return retention.Retired(before)
        return retention.retire(before, self._job.label, self._kept_keys(), self._now, self._job.grace)

    def _verify(self, done: Sequence[Done]) -> None:
        from sampan.distribute.verify import Verifier

        verifier = Verifier(self._place.open(), self._place.objects, data=True)
        try:
            for one in {one.made.directory: one for one in done}.values():
                verifier.check(layout.below(self._job.base, one.made.directory), one.made.seal)
        except SampanError as error:
            error.hint = "go back with `sampan repo rollback`, look for what damages the storage, then publish again"
            raise error.about(f"{self._fqrn} was published, but is not what it should be") from None

    def _unchanged(self, change: Change) -> Row:
        record = self._before.records[change.item.key]
        return Row(record.link, record.platform, report.UNCHANGED, record.manifest, record.size, record.files)

    def _report(self, revision: int | None, rows: Sequence[Row], *, dry_run: bool = False) -> Report:
        failed = [
            Row(one.link, one.platform, report.FAILED, error=one.error.sentence, hint=one.error.hint or "")
            for one in self._failures
        ]
        return Report(
            self._fqrn, self._job.label, self._started, now(), revision, (*rows, *failed), dry_run, bool(self._job.only)
        )


def _words(wish: Wish) -> tuple[str, ...]:
    reference = wish.reference()
    return layout.link_of(wish.shown, wish.name.path, wish.tag, str(wish.digest or "")), str(reference), reference.familiar


def _is_chosen(patterns: Sequence[str], words: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(word, pattern) for pattern in patterns for word in words)


def now() -> str:
    """The time in ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
