"""`sampan job list` and `sampan job show`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sampan.cli.job_follow import explained, last_lines, numbers
from sampan.container.limits import parse_count
from sampan.executions import fetch, launch, states
from sampan.executions.follow import Follower
from sampan.jobs import directory
from sampan.terminal import jobs as views
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.executions.contract import Executions
    from sampan.executions.model import Entry, Execution, Job
    from sampan.options.table import Parsed


def listed(parsed: Parsed, context: Context) -> int:
    """A row an execution."""
    session = context.session()
    executions = launch.kept(session)
    ids = executions.ids()
    last = parsed.text("last")
    ids = ids if last is None else ids[: parse_count(last, "--last")]
    if parsed.flag("ids"):
        output.result("".join(f"{id}\n" for id in ids))
        return 0
    found = [executions.get(id) for id in ids]
    jobs = [Follower(executions, execution, session).look() for execution in found]
    if parsed.text("format") == "json":
        output.json_result([summary(execution, some) for execution, some in zip(found, jobs)])
        return 0
    rows = [
        (
            execution.id,
            execution.name,
            f"{execution.application.name}/{execution.application.version}",
            execution.settings.back_end,
            output.age(execution.created),
            states.sentence(states.count(job.state for job in some)),
        )
        for execution, some in zip(found, jobs)
    ]
    output.result(output.columns(("EXECUTION", "NAME", "APPLICATION", "BACK-END", "CREATED", "STATE"), rows))
    return 0


def summary(execution: Execution, jobs: tuple[Job, ...]) -> dict[str, object]:
    """An execution for programs."""
    counts = states.count(job.state for job in jobs)
    application = execution.application
    return {
        "id": execution.id,
        "name": execution.name,
        "created": execution.created,
        "state": states.overall(counts),
        "counts": counts,
        "sentence": states.sentence(counts),
        "jobs": execution.size,
        "iteration": execution.iteration.sentence(),
        "back_end": execution.settings.back_end,
        "application": {"name": application.name, "version": application.version, "digest": application.digest},
        "image": {"reference": application.image, "digest": application.image_digest},
        "origin": execution.origin or None,
    }


def show(parsed: Parsed, context: Context) -> int:
    """The execution with its jobs, or one job."""
    session = context.session()
    executions = launch.kept(session)
    execution = executions.find(str(parsed.values["execution"]))
    jobs = Follower(executions, execution, session).look()
    word = parsed.text("job")
    as_json = parsed.text("format") == "json"
    if word is not None:
        (number,) = numbers(execution, [word])[:1]
        document = job_document(executions, execution, jobs[number - 1])
        output.result(output.json_text(document) if as_json else _job_text(executions, execution, jobs[number - 1]))
        return 0
    shown = [job for job in jobs if not parsed.flag("failed") or job.state == states.FAILED]
    if as_json:
        rows = [views.entry_document(execution, job, job.last) for job in shown]
        output.json_result({**summary(execution, jobs), "job_list": rows})
        return 0
    output.result(_head(execution, jobs) + "\n" + _table(execution, shown))
    text = views.failures(execution, jobs, last_lines(executions, execution), explained(executions, execution))
    output.result(f"\n{text}" if text else "")
    return 0


def _head(execution: Execution, jobs: tuple[Job, ...]) -> str:
    application = execution.application
    rows = [
        ("execution", f"{execution.id} ({execution.name})"),
        ("application", f"{application.name} {application.version}"),
        ("image", f"{application.image} {application.image_digest}"),
        ("jobs", execution.iteration.sentence()),
        ("back-end", " ".join([execution.settings.back_end, *execution.settings.words])),
        ("created", f"{execution.created} by {execution.user} on {execution.host}"),
        ("repeats", execution.origin),
        ("state", states.sentence(states.count(job.state for job in jobs))),
    ]
    return "".join(f"{name + ':':<13}{value}\n" for name, value in rows if value.strip())


def _table(execution: Execution, jobs: list[Job]) -> str:
    rows = [
        (
            str(job.number),
            f"{states.MARKS[job.state]} {job.state}",
            str(job.last.attempt),
            job.last.phase or "-",
            "-" if job.last.exit is None else str(job.last.exit),
            job.last.node or "-",
            views.took(job.last) or "-",
            output.size(job.last.memory) if job.last.memory else "-",
            execution.label(job.number),
        )
        for job in jobs
    ]
    return output.columns(("JOB", "STATE", "ATTEMPT", "PHASE", "EXIT", "NODE", "TIME", "MEMORY", "WHAT"), rows)


def job_document(executions: Executions, execution: Execution, job: Job) -> dict[str, object]:
    """One job with its attempts, values and results, for programs."""
    results = [
        {"output": found.output.name, "place": source or found.place, "size": found.output.size, "digest": found.output.digest}
        for found, source in fetch.results(executions, execution, [job])
    ]
    attempts = [
        {**views.entry_document(execution, job, entry), "directory": executions.place(execution.id, job.number, entry.attempt)}
        for entry in job.attempts
    ]
    return {
        "execution": execution.id,
        "job": job.number,
        "state": job.state,
        "values": execution.invocation(job.number),
        "attempts": attempts,
        "results": results,
    }


def _job_text(executions: Executions, execution: Execution, job: Job) -> str:
    values = {name: json.dumps(value, ensure_ascii=False) for name, value in execution.invocation(job.number).items()}
    parts = [
        f"job {job.number} of {execution.size}, execution {execution.id} ({execution.name}): {job.state}\n",
        output.columns(("INPUT", "VALUE"), values.items()) if values else "",
        output.columns(
            ("ATTEMPT", "STATE", "PHASE", "EXIT", "NODE", "TIME", "MEMORY", "CAUSE"), [_attempt(one) for one in job.attempts]
        ),
    ]
    rows = [
        (found.output.name, source or found.place, output.size(max(found.output.size, 0)), found.output.digest)
        for found, source in fetch.results(executions, execution, [job])
    ]
    parts.append(output.columns(("RESULT", "PLACE", "SIZE", "DIGEST"), rows) if rows else "")
    place = executions.place(execution.id, job.number, job.last.attempt)
    for stream in ("stdout", "stderr"):
        lines = directory.last_lines(place, stream)
        parts.append("".join([f"last lines of {stream}\n", *(f"  | {line}\n" for line in lines)]) if lines else "")
    return "\n".join(part for part in parts if part)


def _attempt(entry: Entry) -> tuple[str, ...]:
    return (
        str(entry.attempt),
        entry.state,
        entry.phase or "-",
        "-" if entry.exit is None else str(entry.exit),
        entry.node or "-",
        views.took(entry) or "-",
        output.size(entry.memory) if entry.memory else "-",
        entry.cause,
    )
