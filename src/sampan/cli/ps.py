"""`sampan ps`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import BadReference, UsageError
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, LIST, TEMPLATE, VALUE, Command, Option
from sampan.runtime import ps
from sampan.terminal import output
from sampan.terminal.gotemplate.rows import rendered

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed
    from sampan.runtime.ps import Entry

COMMAND = Command(
    "ps",
    "list containers, newest first",
    (
        Option("-a --all", FLAG, "also those that do not run"),
        Option("-f --filter", LIST, "only those: id= name= label= status= exited= health= ancestor= before= since=", "KEY=VALUE"),
        Option("-n --last", VALUE, "the newest ones, whether they run or not", "NUMBER"),
        Option("-l --latest", FLAG, "the newest one"),
        Option("-q --quiet --ids", FLAG, "ids alone"),
        Option("--no-trunc", FLAG, "ids and commands in full"),
        Option("--format", VALUE, "`table`, `json`, or a template as '{{.ID}} {{.Names}}'", "FORMAT", ("table", "json", TEMPLATE), "table"),
    ),
    description=(
        "A status is `created`, `running`, `paused`, `exited` with the exit status where it was seen, or `damaged`. Fields of a template: "
        '.ID .Names .Image .Command .CreatedAt .RunningFor .State .Status .Labels .Label "NAME"; the language is that of Go\'s templates, and '
        "`table` in front makes columns."
    ),
    examples=(
        ("sampan ps -a", "all containers"),
        ("sampan ps -a --filter status=exited --filter label=job", "ended ones with a label"),
        ("sampan rm $(sampan ps -aq --filter status=exited)", "remove all that have ended"),
    ),
)  # fmt: skip
_COMMAND_WIDTH = 40


def main(parsed: Parsed, context: Context) -> int:
    """The table, JSON or lines on standard output."""
    last = "1" if parsed.flag("latest") else parsed.text("last")
    if last is not None and not last.isdigit():
        raise UsageError(f"--last takes a number, not {last!r}")
    found = ps.listed(context.session(), everything=parsed.flag("all") or last is not None, filters=parsed.texts("filter"))
    if last is not None:
        found = found[: int(last)]
    output.result(_text(found, parsed))
    return 0


def _text(found: list[Entry], parsed: Parsed) -> str:
    form, in_full = parsed.text("format") or "table", parsed.flag("no_trunc")
    ids = [entry.id if in_full else output.short(entry.id) for entry in found]
    if parsed.flag("ids"):
        return "".join(f"{id}\n" for id in ids)
    if form == "json":
        return output.json_text([entry.document() for entry in found])
    if form != "table":
        rows = [_fields(entry, id) for entry, id in zip(found, ids)]
        titles = {**{name: name.upper() for name in _fields(ps.Entry("", "", ""), "")}, "Label": str.upper}
        return rendered(form, titles, rows, output.cells)
    cells = [
        (id, _image(entry.image), _command(entry, in_full=in_full), output.age(entry.created), entry.status, entry.name or "-")
        for id, entry in zip(ids, found)
    ]
    return output.columns(("CONTAINER", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAME"), cells)


def _fields(entry: Entry, id: str) -> dict[str, object]:
    """As Docker calls them."""
    return {
        "ID": id, "Names": entry.name, "Image": _image(entry.image), "Command": " ".join(entry.command), "CreatedAt": entry.created,
        "RunningFor": output.age(entry.created) if entry.created else "", "State": entry.state, "Status": entry.status,
        "Labels": ",".join(f"{name}={value}" for name, value in entry.labels.items()), "Label": lambda name: entry.labels.get(name, ""),
    }  # fmt: skip


def _command(entry: Entry, *, in_full: bool) -> str:
    text = " ".join(entry.command).replace("\n", " ") or "-"
    return text if in_full or len(text) <= _COMMAND_WIDTH else f"{text[: _COMMAND_WIDTH - 1]}…"


def _image(reference: str) -> str:
    """As `sampan images` writes it; an image without a name is shown by its id."""
    if reference.startswith("sha256:"):
        return output.short(reference)
    try:
        return Reference.parse(reference).familiar
    except BadReference:
        return reference  # of an environment that anybody may have written
