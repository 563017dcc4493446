"""`sampan images`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import FLAG, LIST, TEMPLATE, VALUE, Argument, Command, Option
from sampan.runtime.listing import listed, shared_layers
from sampan.terminal import output
from sampan.terminal.gotemplate.rows import rendered

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed
    from sampan.runtime.listing import Listed, Shared

COMMAND = Command(
    "images",
    "list the images in the store, newest first",
    (
        Option("-f --filter", LIST, "only those: reference=PATTERN, dangling=BOOL, label=NAME[=VALUE], before=IMAGE, since=IMAGE", "FILTER"),
        Option("--digests", FLAG, "with the digest of the index or manifest"),
        Option("--tree", FLAG, "by the layers that they share"),
        Option("--format", VALUE, "`table`, `json`, or a template as '{{.ID}} {{.Name}}'", "FORMAT", ("table", "json", TEMPLATE), "table"),
        Option("-q --ids", FLAG, "ids alone"),
        Option("--no-trunc", FLAG, "ids in full"),
    ),
    (Argument("NAME", "?", "only the images of this name; those of a repository: cvmfs://NAME"),),
    description=(
        "Fields of a template: .ID .Name .Repository .Tag .Digest .Platform .Size .CreatedAt .CreatedSince .PulledSince .Reference; the language is "
        "that of Go's templates, and `table` in front makes columns."
    ),
    examples=(
        ("sampan images --filter 'reference=quay.io/*/*'", "what came from one registry"),
        ("sampan images cvmfs://sw.example.org", "what a repository has"),
        ("sampan rmi $(sampan images -q --filter dangling=true)", "remove what has no name"),
    ),
)  # fmt: skip

_FIELDS = (
    "ID", "Name", "Repository", "Tag", "Digest", "Platform", "Size", "CreatedAt", "CreatedSince", "PulledSince", "Reference",
)  # fmt: skip


def main(parsed: Parsed, context: Context) -> int:
    """The table or JSON on standard output."""
    if (parsed.text("name") or "").startswith("cvmfs://"):
        from sampan.cli import repo_images

        return repo_images.main(parsed, context)
    session = context.session()
    found = listed(session, parsed.text("name"), parsed.texts("filter"))
    form = parsed.text("format") or "table"
    as_json = form == "json"
    if parsed.flag("tree"):
        roots = shared_layers(session, found)
        if as_json:
            output.json_result([root.document() for root in roots])
        else:
            rows = [row for root in roots for row in _branch(root, "", "")]
            output.result(output.columns(("LAYERS", "COUNT", "SIZE", "IMAGES"), rows))
        return 0
    if as_json:
        output.json_result([entry.document() for entry in found])
        return 0
    full = parsed.flag("no_trunc")
    if parsed.flag("ids"):
        ids = dict.fromkeys(entry.config if full else output.short(entry.config) for entry in found)
        output.result("".join(f"{id}\n" for id in ids))
        return 0
    if form != "table":
        titles = {name: name.upper() for name in _FIELDS}
        output.result(rendered(form, titles, [_fields(entry, in_full=full) for entry in found], output.cells))
        return 0
    digests = parsed.flag("digests")
    header = ("NAME", "TAG", *(("DIGEST",) if digests else ()), "ID", "PULLED", "SIZE")
    output.result(output.columns(header, [_row(entry, full, digests) for entry in found]))
    return 0


def _fields(entry: Listed, *, in_full: bool) -> dict[str, object]:
    id = entry.config if in_full else output.short(entry.config)
    values = (
        id, entry.name or "<none>", entry.name or "<none>", entry.tag or "<none>", entry.digest, entry.platform, output.size(entry.unpacked),
        entry.created, output.age(entry.created), output.age(entry.pulled), entry.reference or id,
    )  # fmt: skip
    return dict(zip(_FIELDS, values))


def _row(entry: Listed, full: bool, digests: bool) -> tuple[str, ...]:
    return (
        entry.name or "-",
        entry.tag or "-",
        *((entry.digest,) if digests else ()),
        entry.config if full else output.short(entry.config),
        output.age(entry.pulled),
        output.size(entry.unpacked),
    )


def _branch(node: Shared, first: str, rest: str) -> list[tuple[str, ...]]:
    """The rows of a node and of all above it, with the lines of the tree in front."""
    names = ", ".join(_name(entry) for entry in node.images) or "-"
    rows: list[tuple[str, ...]] = [(f"{first}{output.short(node.chain)}", str(node.count), output.size(node.size), names)]
    for at, child in enumerate(node.children):
        is_last = at == len(node.children) - 1
        rows += _branch(child, rest + ("└─ " if is_last else "├─ "), rest + ("   " if is_last else "│  "))
    return rows


def _name(entry: Listed) -> str:
    return f"{entry.name}:{entry.tag}" if entry.name and entry.tag else entry.name or output.short(entry.config)
