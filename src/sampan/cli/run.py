"""`sampan run`. On the start-up path."""

from __future__ import annotations

from sampan.container.request import IMAGE_ARGUMENTS, RUN_OPTIONS, from_options
from sampan.container.stay import Way
from sampan.errors import UsageError
from sampan.options.table import Command
from sampan.runtime import run, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.container.record import Record
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

COMMAND = Command(
    "run",
    "run a program in an image",
    RUN_OPTIONS,
    IMAGE_ARGUMENTS,
    description=(
        "Your user, home, current directory, /tmp and network are there as outside; the rest is the image's, can be changed, and is thrown away "
        "at the end. With --name the changes are kept in a container. The exit status is the program's own; 125 means that sampan failed."
    ),
    examples=(
        ("sampan run debian:12 cat /etc/os-release", "fetch the image if it is missing, and run cat in it"),
        ("sampan run -v /data:/in:ro -e THREADS=4 tools:1 analyse /in", "with a read-only directory and a variable"),
        ("sampan run --root debian:12 sh -c 'apt-get update'", "as root inside"),
        ("sampan run --name work debian:12 bash", "keep what is changed, go on with `sampan start work`"),
    ),
    options_end=True,
)


def main(parsed: Parsed, context: Context) -> int:
    """Become the payload."""
    session = context.session(parsed)
    request = from_options(parsed)
    name, when, detach, remove = parsed.text("name"), parsed.text("pull") or "missing", parsed.flag("detach"), parsed.flag("rm")
    scratch = (request.scratch or request.subids) and not name
    if parsed.text("stage") and name and not remove:
        raise UsageError("--stage is for runs that keep nothing", "leave --name away, or add --rm")
    if parsed.flag("dry_run") or not (name or detach or scratch):
        record = run.anonymous(request, session, when)
    else:
        record = run.create(request, session, name or run.made_up_name(), when, throw_away=remove and not request.scratch)
    run.write_id(parsed.text("cidfile"), record.id)
    if detach and not parsed.flag("dry_run"):
        return in_background(record, session, context, remove=remove)
    return launch(record, session, context, dry=parsed.flag("dry_run"), remove=bool(record.directory) and (remove or scratch))


def in_background(record: Record, session: Session, context: Context, *, remove: bool = False) -> int:
    """Start it and print its id."""
    from sampan.terminal.output import result

    context.progress.stop()
    status = start.detach(record, session, remove=remove)
    if status == 0:
        result(f"{record.id}\n")
    return status


def launch(record: Record, session: Session, context: Context, *, dry: bool = False, remove: bool = False) -> int:
    """Print the plan of a record, or become its payload or, where somebody has to stay, its watcher."""
    plan, engine = start.decide(record, session, Way(remove=remove))
    if dry:
        from sampan.container.describe import describe
        from sampan.terminal.output import result

        result("\n".join([f"engine      {engine.name}", *describe(plan, namespaces=engine.namespaces)]) + "\n")
        return 0
    for warning in plan.warnings:
        context.notice.warn(warning)
    context.progress.stop()
    command = engine.command(plan)
    start.hold(record, session)
    return start.execute(command)
