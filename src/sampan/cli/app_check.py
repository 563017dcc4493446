"""`sampan app validate`, `add`, `import` and `rm`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.apps import catalogue
from sampan.apps.collection import descriptors
from sampan.apps.fillable import check
from sampan.apps.load import STDIN, content, read
from sampan.errors import EXIT_FAILURE, BadDescriptor, Problem, SampanError, UsageError
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.apps.application import Application
    from sampan.cli.context import Context
    from sampan.options.table import Parsed


def checked(data: bytes, origin: str) -> tuple[Application, list[Problem]]:
    """The application of a descriptor that can be filled in, and what can never be used in it. Raises `BadDescriptor`, `UsageError`."""
    application = read(data, origin)
    impossible, dead = check(application)
    if impossible:
        raise BadDescriptor(f"{origin} can never be filled in", tuple(impossible))
    return application, dead


def validate(parsed: Parsed, context: Context) -> int:
    """A line for each file that is valid; the others' faults on standard error."""
    status = 0
    rows: list[dict[str, object]] = []
    for path in parsed.texts("file"):
        name = "standard input" if path == STDIN else path
        problems: list[Problem] = []
        warnings: list[Problem] = []
        try:
            _, warnings = checked(content(path), name)
        except SampanError as error:
            status = error.exit_code
            problems = list(error.problems) if isinstance(error, BadDescriptor) else [Problem("", error.sentence)]
            if not parsed.flag("json"):
                output.say_error(error)
        for one in warnings if not parsed.flag("json") else ():
            context.notice.warn(f"{name}: {one}")
        if not problems and not parsed.flag("json"):
            output.result(f"{name} is valid\n")
        rows.append({"file": path, "valid": not problems, "problems": _rows(problems), "warnings": _rows(warnings)})
    if parsed.flag("json"):
        output.json_result(rows)
    return status


def _rows(problems: list[Problem]) -> list[dict[str, str]]:
    return [{"place": one.place, "what": one.what} for one in problems]


def add(parsed: Parsed, context: Context) -> int:
    """The name and version of each."""
    session = context.session(parsed)
    for path in parsed.texts("file"):
        application, warnings = checked(content(path), "standard input" if path == STDIN else path)
        for one in warnings:
            context.notice.warn(f"{path}: {one}")
        output.result(f"{catalogue.add(session, application, replace=parsed.flag('force'))}\n")
    return 0


def import_(parsed: Parsed, context: Context) -> int:
    """The name and version of each that was kept; what is wrong with the others."""
    session = context.session(parsed)
    status = 0
    rows: list[dict[str, object]] = []
    for path, data in descriptors(parsed.texts("path")):
        problems: list[Problem] = []
        identifier = ""
        try:
            application, _ = checked(data, path)
            identifier = application.identifier
            if not parsed.flag("dry_run"):
                catalogue.add(session, application, replace=parsed.flag("force"))
        except UsageError as error:
            status = EXIT_FAILURE
            problems = list(error.problems) if isinstance(error, BadDescriptor) else [Problem("", error.sentence)]
            if not parsed.flag("json"):
                output.say_error(error)
        if identifier and not problems and not parsed.flag("json"):
            output.result(f"{identifier}\n")
        rows.append({"file": path, "application": identifier, "problems": _rows(problems)})
    if not rows:
        raise UsageError(
            f"there are no descriptors in {', '.join(parsed.texts('path'))}", "a descriptor is a .json file with inputs"
        )
    if parsed.flag("json"):
        output.json_result(rows)
    context.notice.say(
        f"{sum(not row['problems'] for row in rows)} of {len(rows)} descriptors {'are valid' if parsed.flag('dry_run') else 'are kept'}"
    )
    return status


def remove(parsed: Parsed, context: Context) -> int:
    """What was forgotten."""
    session = context.session(parsed)
    for word in parsed.texts("application"):
        output.result(f"{catalogue.remove(session, word)}\n")
    return 0
