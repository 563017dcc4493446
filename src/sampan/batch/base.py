"""The contract of a back-end: how job directories come to processors.

submit  hands jobs over, and writes down in each directory which back-end has it under which id
poll    says how jobs stand: one question to the batch system for all of them; where a directory has a status, that counts
cancel  asks for the end of jobs, and returns
bounds  what one job can get here

Nothing is run twice: the worker that makes the file `claim` in a directory runs the job, whoever else is told to does not. So
a submission whose answer got lost can be found again or repeated without harm.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.jobs import directory as directories

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sampan.jobs.spec import Job, Limits
    from sampan.jobs.status import State
    from sampan.runtime.session import Session


@dataclass(frozen=True)
class Submission:
    """How jobs are submitted: `name` for people, `after` (id -> directory) what has to be done before, `at_once` how many may run
    (0: as many as fit), `options` further words for the batch system, `marks` what the submitter calls each of the jobs (or nothing).
    """

    name: str = ""
    after: Mapping[str, str] = field(default_factory=dict)
    at_once: int = 0
    options: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bounds:
    """What one job can get at most; 0: not known, or no bound (GPUs: -1 for not known)."""

    cpus: int = 0
    memory: int = 0
    gpus: int = 0
    time: float = 0.0


class Backend:
    """Base of the back-ends."""

    name = ""

    def __init__(self, session: Session) -> None:
        self.session = session

    def submit(self, jobs: Sequence[str], submission: Submission = Submission()) -> list[str]:  # noqa: ARG002 - the contract
        """Hand over the jobs in these directories; their ids, in the same order.

        Raises `UsageError` for what is no job or was submitted already, or asks for more than there is (then none is
        submitted), `HostError` if the batch system refuses, and `Unreachable` if it does not answer: those that have an id in their
        directory are submitted then.
        """
        raise TypeError(f"the back-end {self.name} cannot submit")

    def poll(self, jobs: Mapping[str, str]) -> dict[str, State]:  # noqa: ARG002 - the contract
        """How the jobs (id -> directory) stand. Never raises for a batch system that does not answer: then they are `unknown`."""
        raise TypeError(f"the back-end {self.name} cannot be asked")

    def cancel(self, jobs: Mapping[str, str]) -> None:  # noqa: ARG002 - the contract
        """Ask for the end of the jobs (id -> directory); what has ended is left alone. Raises `HostError`, `Unreachable`."""
        raise TypeError(f"the back-end {self.name} cannot cancel")

    def bounds(self) -> Bounds:
        """What one job can get here."""
        return Bounds()


def read_all(jobs: Sequence[str], bounds: Bounds, name: str) -> list[Job]:
    """The specifications of jobs that are going to be submitted. Raises `UsageError`; then none is."""
    found = []
    for path in jobs:
        job = directories.read(path)
        before = directories.submitted(path)
        if before is not None or directories.claim_of(path) is not None:
            raise UsageError(
                f"the job {path} was submitted already{f', to {before[0]} as {before[1]}' if before else ''}",
                "a new attempt needs a directory of its own",
            )
        _check(job.limits, bounds, name)
        found.append(job)
    return found


def _check(limits: Limits, bounds: Bounds, name: str) -> None:
    for what, wanted, there, one in (
        ("processors", limits.cpus, bounds.cpus, 1),
        ("GB of memory", limits.memory, bounds.memory, 1_000_000_000),
        ("seconds", limits.time, bounds.time, 1),
    ):
        if there and wanted > there:
            raise UsageError(
                f"a job asks for {_number(wanted / one)} {what}, and the back-end {name} has {_number(there / one)} for one",
                "ask for less",
            )
    if limits.gpus > bounds.gpus >= 0:
        raise UsageError(f"a job asks for {limits.gpus} GPUs, and the back-end {name} has {bounds.gpus} for one", "ask for less")


def _number(value: float) -> str:
    """Whole where it is, else with two digits."""
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"
