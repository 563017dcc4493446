"""`sampan app launch` and `simulate`. On the path of `app launch`."""

from __future__ import annotations

import os

from sampan.apps import form
from sampan.apps.bind import bind
from sampan.apps.launch import explain, prepare, write
from sampan.apps.load import load
from sampan.apps.outputs import collect
from sampan.cli.job_options import names
from sampan.errors import HostError
from sampan.options.parse import HelpRequested
from sampan.terminal import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.apps.application import Application
    from sampan.apps.launch import Launch
    from sampan.apps.outputs import FoundOutput
    from sampan.cli.context import Context
    from sampan.container.request import Request
    from sampan.engine.base import Start
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session


def launch(parsed: Parsed, context: Context) -> int:
    """Run it; the program's own status."""
    session = context.session(parsed)
    application = load(str(parsed.values["application"]), session)
    values = _values(application, parsed, "app launch")
    if values is None:
        return 0
    directory = form.working_directory(parsed.text("directory"))
    if not parsed.given.isdisjoint(names()) or _vary(application, values):
        return _jobs(application, values, directory, parsed, context)
    prepared = prepare(
        bind(application, values), directory, mounts=session.settings.text("cvmfs_mounts"),
        container=not parsed.flag("no_container"), volumes=parsed.texts("volume"),
    )  # fmt: skip
    for warning in prepared.warnings:
        context.notice.warn(warning)
    if parsed.flag("dry_run"):
        return _dry_run(prepared, parsed, session, context)
    write(prepared)
    out = os.dup(2) if parsed.flag("json") else 1
    status = run(application, prepared, session, context, parsed, out=out)
    found = collect(prepared.outputs, directory)
    if parsed.flag("json"):
        output.json_result(report(application, prepared, status, found))
    return _judge(application, status, found, context)


def _vary(application: Application, values: dict[str, object]) -> bool:
    """Whether a list makes one job a value: one for an input that takes none, or a list of lists."""
    lists = {one.id for one in application.inputs if one.list}
    several = {name: value for name, value in values.items() if isinstance(value, list)}
    return any(name not in lists or (value and all(isinstance(one, list) for one in value)) for name, value in several.items())


def _jobs(application: Application, values: dict[str, object], directory: str, parsed: Parsed, context: Context) -> int:
    """As an execution: one job or many, on a back-end."""
    from sampan.cli.job_submit import launch_jobs
    from sampan.errors import UsageError

    for name in ("volume", "no_container", "engine", "pull"):
        if name in parsed.given:
            raise UsageError(
                f"--{name.replace('_', '-')} is for a launch on this machine in one process, not for jobs", "leave it out"
            )
    return launch_jobs(application, values, directory, parsed, context)


def _values(application: Application, parsed: Parsed, verb: str) -> dict[str, object] | None:
    """The values of the command line; `None` if only help was wanted, which has been printed."""
    words = f"{verb} {parsed.values['application']}"
    try:
        return form.values(application, list(parsed.texts("input")), words, parsed.text("values"))
    except HelpRequested:
        from sampan.terminal.help import render

        output.result(render(form.options(application, words)))
        return None


def run(application: Application, prepared: Launch, session: Session, context: Context, parsed: Parsed, *, out: int = 1) -> int:
    """Start what was prepared and wait for it; its exit status, 128 and the signal if one ended it."""
    from sampan.runtime import start

    streams = [one for one in prepared.outputs if one.stream == "stdout"]
    place = os.path.join(prepared.directory, streams[0].pattern) if streams else ""
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666) if place else out
    request = prepared.request
    command = _here(prepared) if request is None else _contained(application, request, session, context, parsed)
    if prepared.request is None and application.container is None:
        context.notice.say(f"{application.identifier} names no image: it runs on this machine itself")
    context.progress.stop()
    status = start.attend(command, descriptor)
    if place:
        with open(place, "rb") as stream:
            output.result_bytes(stream.read())
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _here(prepared: Launch) -> Start:
    """The words on this machine."""
    from sampan.engine.base import Start as Words

    os.environ.update(prepared.environment)
    os.chdir(prepared.directory)
    return Words(prepared.argv[0], prepared.argv, ())


def _contained(application: Application, request: Request, session: Session, context: Context, parsed: Parsed) -> Start:
    """The start of a container for it."""
    from sampan.runtime import run as flows
    from sampan.runtime import start

    if application.container is not None and application.container.kind == "rootfs":
        from sampan.apps.rootfs import ensure

        ensure(application.container.url, session)
    if parsed.text("engine"):
        request = request.but(engine=parsed.text("engine"))
    record = flows.anonymous(request, session, str(parsed.values.get("pull") or "missing"))
    plan, engine = start.decide(record, session)
    for warning in plan.warnings:
        context.notice.warn(warning)
    return engine.command(plan)


def _dry_run(prepared: Launch, parsed: Parsed, session: Session, context: Context) -> int:
    if prepared.request is None:
        output.result(f"{prepared.command_line}\n")
        return 0
    from sampan.cli.run import launch as show
    from sampan.runtime.run import anonymous

    return show(anonymous(prepared.request, session, str(parsed.values.get("pull") or "missing")), session, context, dry=True)


def _judge(application: Application, status: int, found: tuple[FoundOutput, ...], context: Context) -> int:
    """Say what went wrong; the status of the whole."""
    if status:
        words = explain(application, status)
        context.notice.warn(f"{application.identifier} ended with exit status {status}{f': {words}' if words else ''}")
    wrong = [one for one in found if one.problem]
    for one in wrong if not status else ():
        context.notice.warn(f"output {one.id}: {one.problem}")
    if not status and any(not one.paths and not one.optional for one in wrong):
        missing = ", ".join(one.id for one in wrong if not one.paths and not one.optional)
        raise HostError(f"{application.identifier} ended well, but not all of its outputs are there: {missing}")
    return status


def report(application: Application, prepared: Launch, status: int, found: tuple[FoundOutput, ...]) -> dict[str, object]:
    """What happened, for programs."""
    return {
        "application": application.identifier,
        "digest": application.digest,
        "image": prepared.image,
        "command-line": prepared.command_line,
        "exit-code": status,
        "error": explain(application, status),
        "outputs": [{"id": one.id, "paths": list(one.paths), "problem": one.problem} for one in found],
    }


def simulate(parsed: Parsed, context: Context) -> int:
    """The command line, or all of the launch as JSON."""
    from sampan.apps.render import command_line

    session = context.session(parsed)
    application = load(str(parsed.values["application"]), session)
    values = _values(application, parsed, "app simulate")
    if values is None:
        return 0
    if not values and not parsed.texts("input"):
        from sampan.apps.fillable import example

        values = example(application, complete=parsed.flag("complete"))
    invocation = bind(application, values)
    if not parsed.flag("json"):
        output.result(f"{command_line(invocation, parsed.text('directory') or '')}\n")
        return 0
    prepared = prepare(
        invocation, form.working_directory(parsed.text("directory")), mounts=session.settings.text("cvmfs_mounts"),
        container=not parsed.flag("no_container"),
    )  # fmt: skip
    output.json_result(
        {
            "application": application.identifier,
            "digest": application.digest,
            "command-line": prepared.command_line,
            "argv": list(prepared.argv),
            "environment": dict(prepared.environment),
            "image": prepared.image,
            "files": [{"path": one.path, "content": one.content} for one in prepared.files],
            "outputs": [
                {"id": one.id, "path": one.pattern, "optional": one.optional, "list": one.list} for one in prepared.outputs
            ],
            "values": invocation.document(),
            "warnings": list(prepared.warnings),
        }
    )
    return 0
