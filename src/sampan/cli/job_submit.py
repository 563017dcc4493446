"""`sampan job submit`, and the options by which any launch becomes an execution."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from sampan.apps import bind, load
from sampan.apps.render import command_line
from sampan.container.limits import parse_count, parse_memory, parse_seconds
from sampan.errors import UsageError, printable
from sampan.executions import launch
from sampan.executions.model import Settings
from sampan.options.table import FLAG, LIST, VALUE, Option
from sampan.terminal import output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sampan.apps.application import Application
    from sampan.cli.context import Context
    from sampan.executions.model import Execution
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

VALUES = (
    Option("-i --invocation", VALUE, "values of inputs, a JSON object", "FILE"),
    Option("--set", LIST, "the value of an input; again for each value of a list", "NAME=VALUE"),
)
OVER = (
    Option(
        "--over",
        LIST,
        "one job for each value: a pattern of files, values between commas, a range 1..10, or @FILE",
        "NAME=VALUES",
    ),
    Option("--dot", LIST, "pair these inputs of --over instead of crossing them", "NAME,NAME"),
)
LIMITS = (
    Option("--time", VALUE, "end a job after so long, as 90s, 30m or 2h", "DURATION"),
    Option("--memory", VALUE, "memory of a job, as 512m or 4g", "SIZE"),
    Option("--cpus", VALUE, "processors of a job", "NUMBER"),
    Option("--gpus", VALUE, "GPUs of a job", "NUMBER"),
)
RETRIES = Option("--retries", VALUE, "try jobs again so often whose failure may pass: a node, a transfer, a lost job", "NUMBER")
OPTIONS = (
    *OVER,
    Option("--back-end", VALUE, "what runs the jobs (default: local)", "local|slurm", ("local", "slurm")),
    Option("--option", LIST, "an option for the batch system itself, as --option=--partition=long", "WORD"),
    *LIMITS,
    Option("--at-once", VALUE, "run at most so many jobs at a time", "NUMBER"),
    Option("--name", VALUE, "a name for the execution", "NAME"),
    Option("--dry-run", FLAG, "say how many jobs there would be and show the first command, start nothing"),
)


def submit(parsed: Parsed, context: Context) -> int:
    """The id on standard output; with --wait, as `job wait`."""
    session = context.session()
    application = load.load(str(parsed.values["application"]), session)
    execution = launched(application, given(application, parsed), parsed, context)
    if execution is None:
        return 0
    if not parsed.flag("wait"):
        output.result(f"{execution.id}\n")
        return 0
    from sampan.cli.job_follow import follow

    return follow(execution, context, events=parsed.flag("json"))


def given(application: Application, parsed: Parsed) -> dict[str, object]:
    """The values of -i and --set; a later one wins. Raises `UsageError`."""
    found: dict[str, object] = {}
    path = parsed.text("invocation")
    if path is not None:
        found.update(_invocation(path))
    texts: dict[str, list[str]] = {}
    for word in parsed.texts("set"):
        name, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"--set {printable(word)!r} sets nothing", "write NAME=VALUE")
        texts.setdefault(name, []).append(text)
    known = {one.id: one for one in application.inputs}
    for name, several in texts.items():
        if name not in known:
            raise UsageError(f"{application.name} has no input {printable(name)}", f"it has {', '.join(known)}")
        found[name] = bind.from_texts(known[name], several)
    return found


def _invocation(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            found = json.load(stream)
    except OSError as error:
        raise UsageError(f"cannot read the invocation {printable(path)}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"the invocation {printable(path)} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise UsageError(f"the invocation {printable(path)} is no JSON object", 'write {"INPUT": VALUE, ...}')
    return found


def launched(application: Application, values: Mapping[str, object], parsed: Parsed, context: Context) -> Execution | None:
    """The execution that was started, after its jobs were counted aloud; `None` for --dry-run."""
    session = context.session()
    where = os.getcwd()
    axes = launch.over(application, parsed.texts("over"), where)
    dot = tuple(name for word in parsed.texts("dot") for name in word.split(","))
    varied = {**values, **{axis.name: list(axis.values) for axis in axes}}
    wanted = launch.Wanted(application, varied, where, dot, parsed.text("name") or "", settings(parsed))
    return start(wanted, session, context, dry_run=parsed.flag("dry_run"))


def start(wanted: launch.Wanted, session: Session, context: Context, *, dry_run: bool = False) -> Execution | None:
    """Count, say so, and start, unless that is all that is wanted."""
    execution = launch.plan(wanted, session)
    context.notice.say(execution.iteration.sentence())
    if dry_run:
        output.result(command_line(launch.bound(wanted.application, execution, 1)) + "\n")
        return None
    launch.start(execution, wanted.application, session)
    return execution


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
