"""Many jobs on processors: back-ends behind one contract (docs/design/jobs.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.batch.base import Backend, Bounds, Submission
from sampan.errors import UsageError

if TYPE_CHECKING:
    from sampan.runtime.session import Session

__all__ = ["Backend", "Bounds", "Submission", "open_backend"]
# name -> (module, class)
BACKENDS = {
    "local": ("sampan.batch.local", "Local"),
    "slurm": ("sampan.batch.slurm", "Slurm"),
    "bundle": ("sampan.batch.bundles", "Bundles"),
}


def open_backend(name: str, session: Session, **options: object) -> Backend:
    """The back-end of this name. Raises `UsageError` for one that there is not, or an option that it has not."""
    if name not in BACKENDS:
        raise UsageError(f"there is no back-end {name!r}", f"there are {', '.join(BACKENDS)}")
    module, cls = BACKENDS[name]
    try:
        found: Backend = getattr(__import__(module, fromlist=[cls]), cls)(session, **options)
    except TypeError as error:
        raise UsageError(f"the back-end {name} cannot be opened so: {error}") from error
    return found
