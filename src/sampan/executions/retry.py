"""Trying again: new attempts of jobs take their places, the old attempts stay beside them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.executions import launch, states
from sampan.executions.follow import Follower
from sampan.executions.model import Entry
from sampan.jobs import directory

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from sampan.executions.contract import Executions
    from sampan.executions.model import Execution, Job
    from sampan.jobs.spec import Limits
    from sampan.runtime.session import Session


def chosen(jobs: Sequence[Job], numbers: Collection[int] = (), *, cancelled: bool = False) -> tuple[Job, ...]:
    """The jobs to try again: those named by number, else all that failed, and with `cancelled` those that were cancelled.

    Raises `UsageError` for a number that there is not, and for a job that has not ended or that finished.
    """
    if not numbers:
        wanted = {states.FAILED, states.CANCELLED} if cancelled else {states.FAILED}
        return tuple(job for job in jobs if job.state in wanted)
    by_number = {job.number: job for job in jobs}
    for number in numbers:
        job = by_number.get(number)
        if job is None:
            raise UsageError(f"there is no job {number}, there are jobs 1 to {len(jobs)}")
        if job.state not in (states.FAILED, states.CANCELLED):
            raise UsageError(
                f"job {number} is {job.state}, so it is not tried again", "only jobs that failed or were cancelled are"
            )
    return tuple(by_number[number] for number in sorted(set(numbers)))


def retry(executions: Executions, execution: Execution, jobs: Sequence[Job], limits: Limits | None, session: Session) -> int:
    """A new attempt for each of `jobs`, with other `limits` where these are given; and what was never handed over is.

    How many jobs were handed over. Raises as `launch.hand_over`; then those attempts wait for the next call.
    """
    executions.record(execution.id, [Entry(job.number, job.last.attempt + 1) for job in jobs])
    for job in jobs:
        before = executions.place(execution.id, job.number, job.last.attempt)
        if not os.path.exists(f"{before}/job.json"):
            continue  # it never got one: hand_over makes it
        new = executions.place(execution.id, job.number, job.last.attempt + 1)
        if limits is None:
            directory.again(before, new)
        else:
            old = directory.read(before)
            names = os.listdir(f"{before}/inputs") if os.path.isdir(f"{before}/inputs") else []
            changed = {name: value for name, value in vars(limits).items() if value and (name != "cpus" or value > 1)}
            directory.create(
                new, replace(old, limits=replace(old.limits, **changed)), {name: f"{before}/inputs/{name}" for name in names}
            )
    return launch.hand_over(executions, execution, session)


def look_and_retry(
    executions: Executions,
    execution: Execution,
    numbers: Collection[int],
    limits: Limits | None,
    session: Session,
    *,
    cancelled: bool,
) -> int:
    """Look what the jobs do, and try those again that are `chosen`; how many were handed over."""
    jobs = Follower(executions, execution, session).look()
    return retry(executions, execution, chosen(jobs, numbers, cancelled=cancelled), limits, session)
