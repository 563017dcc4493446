"""`sampan inspect`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime.inspect import docker_form, field, inspect, raw
from sampan.terminal.output import json_result, result, result_bytes

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

COMMAND = Command(
    "inspect",
    "show what an image or a container is, as JSON",
    (
        Option("--type", VALUE, "look only among these", "image|container", ("image", "container")),
        Option("--raw", FLAG, "the manifest of an image, byte for byte"),
        Option("--config", FLAG, "the configuration of an image, byte for byte"),
        Option(
            "-f --format", VALUE, "`json` for a line each, one field such as .Config.Env, or a template as '{{.Id}}'", "FORMAT"
        ),
    ),
    (Argument("NAME", "+", "references or ids of images, names or ids of containers"),),
    description="Fields are those that the JSON shows, or Docker's: .Id, .RepoTags, .RepoDigests, .Config, .RootFS, .Architecture, ...",
    examples=(("sampan inspect --format .Config.Env debian:12", "one field; text plain, the rest as JSON"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """An array with one object a name, or what was asked for."""
    session = context.session()
    given = [word for word in ("raw", "config", "format") if parsed.values[word]]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} contradict each other")
    kind, form = parsed.text("type"), parsed.text("format")
    if given in (["raw"], ["config"]):
        for name in parsed.texts("name"):
            result_bytes(raw(name, session, "manifest" if given == ["raw"] else "config"))
        return 0
    found = [inspect(name, session=session, kind=kind) for name in parsed.texts("name")]
    if form is None:
        json_result(found)
        return 0
    lines = [_line(document, form, session) for document in found]
    result("".join(f"{line}\n" for line in lines))
    return 0


def _line(document: dict[str, object], form: str, session: Session) -> str:
    import json

    if form == "json":
        return json.dumps(document, ensure_ascii=False)
    both = {**docker_form(document, session), **document}
    if "{{" in form:
        from sampan.terminal.gotemplate.evaluate import Template

        return Template(form).render(both)
    if not form.startswith("."):
        raise UsageError(
            f"--format {form!r} is neither `json` nor a field nor a template", "write .Config.Env or '{{.Config.Env}}'"
        )
    value = field(both, form)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
