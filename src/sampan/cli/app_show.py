"""`sampan app show`, `example` and `list`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.apps import catalogue, form
from sampan.apps.fillable import example as filled
from sampan.apps.images import reference_of
from sampan.apps.load import load, read
from sampan.errors import SampanError, printable
from sampan.terminal import output
from sampan.terminal.help import render

if TYPE_CHECKING:
    from sampan.apps.application import Application
    from sampan.cli.context import Context
    from sampan.options.table import Parsed


def show(parsed: Parsed, context: Context) -> int:
    """The facts, the inputs as options, and the outputs."""
    application = load(str(parsed.values["application"]), context.session(parsed))
    if parsed.flag("json"):
        output.json_result(document(application))
        return 0
    facts = [("name", application.name), ("version", application.version), ("digest", application.digest), *_facts(application)]
    lines = [f"{name.ljust(12)}{printable(' '.join(value.split()))}" for name, value in facts if value]
    lines += ["", "command line:", *(f"  {line}" for line in application.command_line.split("\n")), ""]
    output.result("\n".join(lines) + "\n")
    output.result(render(form.options(application, f"app launch {parsed.values['application']}")))
    output.result(_outputs(application))
    return 0


def _facts(application: Application) -> list[tuple[str, str]]:
    resources, container = application.resources, application.container
    wanted = [
        f"{resources.cpu_cores} cores" if resources.cpu_cores else "",
        f"{resources.ram} GB of memory" if resources.ram else "",
        f"{resources.disk_space} GB of disk" if resources.disk_space else "",
        f"{resources.nodes} nodes" if resources.nodes else "",
        output.duration(resources.walltime) if resources.walltime else "",
    ]
    return [
        ("author", application.author),
        ("url", application.url),
        ("image", "" if container is None else f"{container.url or container.image} ({container.kind})"),
        ("resources", ", ".join(one for one in wanted if one)),
        ("shell", application.shell if application.shell != "/bin/sh" else ""),
        ("tests", ", ".join(one.name for one in application.tests)),
    ]


def _outputs(application: Application) -> str:
    rows = [
        (
            one.id,
            one.path or "; ".join(f"{path} if {condition}" for condition, path in one.conditions),
            "" if one.optional else "always",
            one.name,
        )
        for one in application.outputs
    ]
    rows += [
        (one.id, f"standard {'output' if one.stream == 'stdout' else 'error'}", "always", one.name) for one in application.streams
    ]
    return f"\noutputs:\n{output.columns(('ID', 'PATH', 'MADE', 'NAME'), rows)}" if rows else ""


def document(application: Application) -> dict[str, object]:
    """An application for programs: the descriptor itself, and what sampan makes of it."""
    from sampan.apps import document as reader

    container = application.container
    try:
        image = reference_of(container) if container is not None else ""
    except SampanError:
        image = ""
    return {
        "identifier": application.identifier,
        "digest": application.digest,
        "origin": application.origin,
        "image": image,
        "descriptor": reader.read(application.data, application.origin),
    }


def example(parsed: Parsed, context: Context) -> int:
    """An invocation as JSON."""
    application = load(str(parsed.values["application"]), context.session(parsed))
    output.json_result(filled(application, complete=parsed.flag("complete")))
    return 0


def listing(parsed: Parsed, context: Context) -> int:
    """A row for each version."""
    found = []
    for kept in catalogue.listing(context.session(parsed)):
        try:
            found.append((kept, read(kept.data, f"{kept.name}/{kept.version}", checked=True)))
        except SampanError as error:
            context.notice.warn(error.sentence, error.hint)
    if parsed.flag("json"):
        rows = [
            {
                "name": a.name,
                "version": a.version,
                "description": a.description,
                "digest": a.digest,
                "added": kept.added,
                "inputs": len(a.inputs),
            }
            for kept, a in found
        ]
        output.json_result(rows)
        return 0
    output.result(
        output.columns(
            ("NAME", "VERSION", "INPUTS", "ADDED", "DESCRIPTION"),
            [
                (printable(a.name), printable(a.version), str(len(a.inputs)), output.age(kept.added), _first_line(a))
                for kept, a in found
            ],
        )
    )
    return 0


def _first_line(application: Application) -> str:
    text = printable(" ".join(application.description.split()))
    return text if len(text) <= 60 else text[:59] + "…"
