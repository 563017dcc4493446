"""Where a status is kept and shown: three files beside the repository's objects, or in a directory of the operator's choice.

`status.html` is the page, `status.json` the document that the next run reads again, `metrics.txt` for Prometheus. A gateway takes objects
only, so with one the directory is needed to remember errors and to have a page.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.distribute import pages, status
from sampan.distribute.publish import read_state
from sampan.errors import HostError, NotInRepository, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sampan.cvmfs.objects import Objects, Store
    from sampan.cvmfs.reader import Repository
    from sampan.distribute.report import Report
    from sampan.distribute.status import Status
    from sampan.events import Notice

DOCUMENT = "status.json"
FILES = (("status.html", pages.html), ("metrics.txt", pages.prometheus), (DOCUMENT, status.Status.dump))
"""The document last: whoever finds a new one finds the others new too."""


def remembered(objects: Objects | None, directory: str | None, notice: Notice) -> Status | None:
    """The status of the last run, of the directory if there is one; `None` if nobody has written it. A damaged one is said and left."""
    try:
        if directory is not None:
            with open(f"{directory}/{DOCUMENT}", "rb") as stream:
                data = stream.read(status.MAX_BYTES + 1)
        elif objects is not None:
            data = objects.get_root_file(DOCUMENT)
        else:
            return None
        return status.load(data, f"{DOCUMENT} of {directory or getattr(objects, 'name', '')}")
    except (FileNotFoundError, NotADirectoryError, NotInRepository):
        return None
    except ProtocolError as error:
        notice.warn(f"{error.sentence}; the times at which errors began are lost")
        return None
    except OSError as error:
        raise HostError(f"cannot read {directory}/{DOCUMENT}: {error.strerror}") from error


def current(repository: Repository, base: bytes, before: Status | None) -> Status:
    """What a repository says now, with the errors of the last run."""
    now = status.of_repository(repository, read_state(repository, base))
    return now if before is None else status.with_errors(now, before)


def after(repository: Repository, base: bytes, run: Report, before: Status | None) -> Status:
    """What a repository says after a run, with its errors."""
    return status.after_run(status.of_repository(repository, read_state(repository, base)), run, before)


def write(found: Status, stores: Iterable[Store], directory: str | None) -> None:
    """Put the files where they belong. Raises `HostError`, `Unreachable`."""
    for name, render in FILES:
        data = render(found)
        for store in stores:
            store.put_root_file(name, data)
        if directory is not None:
            _replace(f"{directory}/{name}", data)


def _replace(path: str, data: bytes) -> None:
    temporary = f"{path}.{os.getpid()}.new"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(temporary, "wb") as stream:
            stream.write(data)
        os.replace(temporary, path)
    except OSError as error:
        raise HostError(f"cannot write {path}: {error.strerror}") from error
