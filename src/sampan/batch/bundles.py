"""The back-end `bundle`: nothing here runs the jobs. Each becomes a directory that somebody takes to a node and brings back.

A job waits until its bundle is taken in (`jobs.bundle.fetch`); from then on its directory has a status as any other. What the
submission says is said by its options: `directory=PATH` where bundles are made, `form=pyz|native`, `pyz=FILE`, `image=no`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.batch.base import Backend, Bounds, Submission, read_all
from sampan.errors import NoSpace, UsageError
from sampan.jobs import bundle, transfer, work
from sampan.jobs import directory as directories
from sampan.jobs.status import State

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AWAITED = "its bundle has not come back"


class Bundles(Backend):
    """Packs jobs."""

    name = "bundle"

    def submit(self, jobs: Sequence[str], submission: Submission = Submission()) -> list[str]:  # noqa: B008 - a frozen value
        """Pack them; the names of the bundles, which are made of the submitter's marks. One that was made before is left alone."""
        directory, form = meant(submission.options)
        paths = [os.path.abspath(path) for path in jobs]
        read_all(paths, self.bounds(), self.name)
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"cannot make the directory of bundles {directory}: {error.strerror}", "name another one with --output"
            ) from error
        marks = submission.marks or tuple(os.urandom(6).hex() for _ in paths)
        task = self.session.progress.begin("packing", len(paths), "jobs")
        names = []
        for path, mark in zip(paths, marks):
            name = name_of(mark)
            self._pack(path, f"{directory}/{name}", form, mark)
            directories.note_submission(path, self.name, name)
            names.append(name)
            task.advance(1)
        task.done()
        return names

    def _pack(self, path: str, target: str, form: bundle.Form, mark: str) -> None:
        """A bundle appears whole; what a kill has left half made goes."""
        if os.path.exists(target) and bundle.mark_of(target) == mark:
            return
        new = f"{os.path.dirname(target)}/.new-{os.path.basename(target)}"
        transfer.remove(new)
        try:
            bundle.pack(path, new, form, self.session, mark)
        except NoSpace as error:
            raise NoSpace(f"cannot make the bundle {target}: no space left", "make room") from error
        try:
            os.rename(new, target)
        except OSError as error:
            transfer.remove(new)
            raise directories.refused(f"cannot make the bundle {target}", error) from error

    def poll(self, jobs: Mapping[str, str]) -> dict[str, State]:
        """What the directories say."""
        found = {}
        for id, path in jobs.items():
            state = directories.state_of(path)
            found[id] = State("queued", AWAITED) if state.word in ("submitted", "created") else state
        return found

    def cancel(self, jobs: Mapping[str, str]) -> None:
        """Nobody takes their bundles in any more."""
        for path in jobs.values():
            if directories.status_of(path) is None:
                work.give_up(path, "it was cancelled, and its bundle is not awaited any more")

    def bounds(self) -> Bounds:
        """Nothing is known of the nodes."""
        return Bounds(gpus=-1)


def name_of(mark: str) -> str:
    """The directory of the bundle with this mark."""
    return mark.replace("/", "-")


def meant(options: Sequence[str]) -> tuple[str, bundle.Form]:
    """Where bundles are made, and how. Raises `UsageError`."""
    said = dict(one.partition("=")[::2] for one in options)
    unknown = said.keys() - {"directory", "form", "pyz", "image"}
    if unknown or not said.get("directory", "").startswith("/"):
        raise UsageError("the back-end bundle needs the directory where bundles are made", "use `sampan job bundle`")
    return said["directory"], bundle.Form(said.get("form", "native"), said.get("pyz", ""), said.get("image") != "no")
