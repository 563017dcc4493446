"""`sampan job cancel`, `retry`, `fetch` and `clean`."""

from __future__ import annotations

import calendar
import os
import time
from typing import TYPE_CHECKING

from sampan.apps import load
from sampan.cli import job_submit
from sampan.cli.job_follow import PARTIAL, follow, numbers
from sampan.errors import HostError, UsageError
from sampan.executions import crate, launch, provenance, states
from sampan.executions import fetch as fetching
from sampan.executions import retry as retrying
from sampan.executions.follow import Follower
from sampan.jobs.spec import Limits
from sampan.runtime.store import parse_grace
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.executions.contract import Executions
    from sampan.executions.model import Execution, Job
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

_CANCEL_SECONDS = 20.0


def cancel(parsed: Parsed, context: Context) -> int:
    """The sentence after they have ended, or what is left when they take long."""
    session = context.session()
    executions = launch.kept(session)
    execution = executions.find(str(parsed.values["execution"]))
    wanted = set(numbers(execution, parsed.texts("job"))) or set(range(1, execution.size + 1))
    jobs = _cancelled(executions, execution, wanted, session)
    output.result(f"{execution.id}: {states.sentence(states.count(job.state for job in jobs))}\n")
    return 0


def _cancelled(executions: Executions, execution: Execution, wanted: set[int], session: Session) -> tuple[Job, ...]:
    follower = Follower(executions, execution, session)
    jobs = follower.look()
    follower.cancel([job for job in jobs if job.number in wanted])
    end = time.monotonic() + _CANCEL_SECONDS
    while True:
        jobs = follower.look()
        if all(job.state in states.ENDED for job in jobs if job.number in wanted) or time.monotonic() > end:
            return jobs
        time.sleep(0.2)


def retry(parsed: Parsed, context: Context) -> int:
    """How many were tried again, on standard error; the id on standard output."""
    session = context.session()
    executions = launch.kept(session)
    execution = executions.find(str(parsed.values["execution"]))
    set_ = job_submit.settings(parsed)
    limits = (
        Limits(set_.time, set_.memory, set_.cpus or 1, set_.gpus) if any((set_.time, set_.memory, set_.cpus, set_.gpus)) else None
    )
    chosen = numbers(execution, parsed.texts("job"))
    handed = retrying.look_and_retry(executions, execution, chosen, limits, session, cancelled=parsed.flag("cancelled"))
    if not handed:
        context.notice.say(f"no job of {execution.id} is to be tried again")
    else:
        context.notice.say("1 job is tried again" if handed == 1 else f"{handed} jobs are tried again")
    if parsed.flag("wait"):
        return follow(execution, context, events=parsed.flag("json"))
    output.result(f"{execution.id}\n")
    return 0


def fetch(parsed: Parsed, context: Context) -> int:
    """The path of each result; 1 if some jobs have none."""
    session = context.session()
    executions = launch.kept(session)
    execution = executions.find(str(parsed.values["execution"]))
    target = str(parsed.values["directory"])
    jobs = Follower(executions, execution, session).look()
    as_crate = parsed.flag("crate")
    if not as_crate and (parsed.flag("with_inputs") or parsed.text("license")):
        raise UsageError("--with-inputs and --license say how a crate is made", "add --crate")
    if as_crate and not states.is_over(states.count(job.state for job in jobs)):
        raise UsageError(f"execution {execution.id} has jobs under way, so there is no crate of it yet", "see `sampan job wait`")
    task = context.progress.begin("fetching", fetching.total(executions, execution, jobs))
    fetched = fetching.fetch(executions, execution, jobs, target, task, force=parsed.flag("force"))
    try:
        os.makedirs(target, exist_ok=True)
        if as_crate:
            _write_crate(executions, execution, (jobs, fetched), target, parsed)
        with open(os.path.join(target, fetching.TABLE), "w", encoding="utf-8") as stream:
            stream.write(fetching.table(execution, jobs, fetched))
    except OSError as error:
        raise fetching.failure(f"cannot write to {target}", error) from error
    task.done()
    for one in fetched:
        output.result(f"{one.place if ':' in one.place.split('/')[0] else os.path.join(target, one.place)}\n")
    count = states.count(job.state for job in jobs)
    context.notice.say(f"{len(fetched)} results in {target}; {states.sentence(count)}")
    return 0 if count.get(states.FINISHED) == execution.size else PARTIAL


def _write_crate(
    executions: Executions,
    execution: Execution,
    found: tuple[tuple[Job, ...], list[fetching.Fetched]],
    target: str,
    parsed: Parsed,
) -> None:
    descriptor = executions.descriptor(execution.id)
    application = load.read(descriptor, f"execution {execution.id}")
    license = parsed.text("license") or crate.NO_LICENSE
    whole = provenance.collect(executions, execution, (application, license), *found)
    if parsed.flag("with_inputs"):
        whole, inputs = provenance.carrying_inputs(whole)
        for path, place in inputs:
            fetching.copy(path, os.path.join(target, place), force=parsed.flag("force"))
    provenance.write(target, whole, execution, descriptor)


def clean(parsed: Parsed, context: Context) -> int:
    """The ids that were removed."""
    session = context.session()
    executions = launch.kept(session)
    found = [executions.find(word) for word in parsed.texts("execution")]
    older = parsed.text("older")
    if older is None and not found:
        raise UsageError("`sampan job clean` needs an execution or --older TIME", "see `sampan job list`")
    if older is not None:
        limit = time.time() - parse_grace(older)
        old = [one for one in executions.listing() if _made(one) < limit and one not in found]
        found += [one for one in old if parsed.flag("force") or _is_over(Follower(executions, one, session).look())]
    for execution in found:
        jobs = Follower(executions, execution, session).look()
        if not _is_over(jobs):
            if not parsed.flag("force"):
                raise UsageError(
                    f"execution {execution.id} has jobs under way", "end them with `sampan job cancel`, or add --force"
                )
            _end(Follower(executions, execution, session))
        executions.remove(execution.id)
        output.result(f"{execution.id}\n")
    return 0


def _end(follower: Follower) -> None:
    """End what goes on of an execution that is about to be removed. What no back-end has needs no end, and a full disk no place for it."""
    numbers = follower.end(follower.look())
    until = time.monotonic() + _CANCEL_SECONDS
    while not all(job.state in states.ENDED for job in follower.look() if job.number in numbers):
        if time.monotonic() > until:
            raise HostError(f"jobs of execution {follower.execution.id} do not end", "try again later")
        time.sleep(0.2)


def _is_over(jobs: tuple[Job, ...]) -> bool:
    return states.is_over(states.count(job.state for job in jobs))


def _made(execution: Execution) -> float:
    return calendar.timegm(time.strptime(execution.created, "%Y-%m-%dT%H:%M:%SZ"))
