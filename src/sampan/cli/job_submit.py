"""`sampan job submit`, and how any launch of the command line becomes an execution."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from sampan.apps import form, load
from sampan.apps.render import command_line
from sampan.container.limits import parse_count, parse_memory, parse_seconds
from sampan.executions import launch
from sampan.executions.model import Settings
from sampan.options.parse import HelpRequested
from sampan.terminal import output
from sampan.terminal.help import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.apps.application import Application
    from sampan.cli.context import Context
    from sampan.executions.model import Execution
    from sampan.options.table import Parsed


def submit(parsed: Parsed, context: Context) -> int:
    """The id on standard output; with --wait, as `job wait`."""
    found = wanted(parsed, context, "job submit")
    return 0 if found is None else _launch(found, parsed, context)


def wanted(
    parsed: Parsed, context: Context, verb: str, back_end: tuple[str, tuple[str, ...]] | None = None
) -> launch.Wanted | None:
    """What a command line that names an application and its inputs wants; `None` if only help was wanted, which has been printed."""
    application = load.load(str(parsed.values["application"]), context.session())
    words = f"{verb} {parsed.values['application']}"
    try:
        values = form.values(application, list(parsed.texts("input")), words, parsed.text("values"))
    except HelpRequested:
        output.result(render(form.options(application, words)))
        return None
    found = _wanted(application, values, os.getcwd(), parsed)
    return (
        found if back_end is None else replace(found, settings=replace(found.settings, back_end=back_end[0], words=back_end[1]))
    )


def _wanted(application: Application, values: Mapping[str, object], where: str, parsed: Parsed) -> launch.Wanted:
    axes = launch.over(application, parsed.texts("over"), where)
    dot = tuple(name for word in parsed.texts("dot") for name in word.split(","))
    varied = {**values, **{axis.name: list(axis.values) for axis in axes}}
    return launch.Wanted(application, varied, where, dot, parsed.text("name") or "", settings(parsed))


def launch_jobs(application: Application, values: Mapping[str, object], where: str, parsed: Parsed, context: Context) -> int:
    """Count the jobs aloud and start them; wait for them unless the command has a --wait that is not given."""
    return _launch(_wanted(application, values, where, parsed), parsed, context)


def _launch(wanted: launch.Wanted, parsed: Parsed, context: Context) -> int:
    execution = start(wanted, context, dry_run=parsed.flag("dry_run"))
    if execution is None:
        return 0
    if not parsed.values.get("wait", True):
        output.result(f"{execution.id}\n")
        return 0
    from sampan.cli.job_follow import follow, retries

    return follow(execution, context, events=parsed.flag("json"), retries=retries(parsed))


def start(wanted: launch.Wanted, context: Context, *, dry_run: bool = False) -> Execution | None:
    """Count, say so, and start, unless that is all that is wanted."""
    session = context.session()
    execution = launch.plan(wanted, session)
    context.progress.stop()
    for warning in launch.prepare_job(wanted.application, execution, 1).warnings:
        context.notice.warn(warning)
    context.notice.say(execution.iteration.sentence())
    if dry_run:
        output.result(command_line(launch.bound(wanted.application, execution, 1)) + "\n")
        return None
    return launch.start(launch.kept(session), execution, wanted.application, session)


def settings(parsed: Parsed, before: Settings | None = None) -> Settings:
    """What the options of a command that has some of them say, else as it was before. Raises `UsageError`."""
    old = before or Settings()
    back_end = _text(parsed, "back_end") or old.back_end
    time, memory = _text(parsed, "time"), _text(parsed, "memory")
    words = parsed.texts("option") if "option" in parsed.values else ()
    return Settings(
        back_end,
        words or (old.words if back_end == old.back_end else ()),
        old.time if time is None else parse_seconds(time, "--time"),
        old.memory if memory is None else parse_memory(memory),
        _count(parsed, "cpus", old.cpus),
        _count(parsed, "gpus", old.gpus),
        _count(parsed, "at_once", old.at_once),
    )


def _text(parsed: Parsed, name: str) -> str | None:
    return parsed.text(name) if name in parsed.values else None


def _count(parsed: Parsed, name: str, old: int) -> int:
    text = _text(parsed, name)
    return old if text is None else parse_count(text, f"--{name.replace('_', '-')}")
