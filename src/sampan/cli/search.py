"""`sampan search`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.authfile import AUTHFILE, session_for_registries
from sampan.errors import UsageError
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime.pull import tags_of
from sampan.runtime.search import LIMIT, MAX_LIMIT, search
from sampan.terminal import output
from sampan.values import as_dict

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "search",
    "look for images at a registry",
    (
        Option("--limit", VALUE, "at most so many", "NUMBER", default=str(LIMIT)),
        Option("--list-tags", FLAG, "TERM is the name of an image: list its tags"),
        Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table"),
        AUTHFILE,
    ),
    (Argument("TERM", "1", "a word of the name or description; HOST/TERM asks another registry than Docker Hub"),),
    description="The registry is asked now. Many registries let nobody search; some list their images to their users. Exit status 1 "
    "without a result.",
    examples=(
        ("sampan search samtools", "at Docker Hub"),
        ("sampan search quay.io/samtools", "at another registry"),
        ("sampan search localhost:5000/", "everything that a registry lists"),
        ("sampan search --list-tags quay.io/biocontainers/samtools", "the tags of an image"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Names with what the registry says of them, or tags."""
    limit = parsed.text("limit") or ""
    if not (limit.isascii() and limit.isdigit() and 0 < int(limit[:9]) <= MAX_LIMIT):
        raise UsageError(f"--limit is a number from 1 to {MAX_LIMIT}, not {limit!r}")
    session = session_for_registries(context, parsed)
    term = str(parsed.values["term"])
    if parsed.flag("list_tags"):
        return _tags(tags_of(term, session=session)[: int(limit) if "limit" in parsed.given else None], term, parsed, context)
    found = search(term, session=session, limit=int(limit))
    if parsed.text("format") == "json":
        output.json_result([as_dict(one) for one in found])
    elif found:
        rows = [
            (Reference.parse(one.name).familiar_name, str(one.stars), "yes" if one.is_official else "", one.description)
            for one in found
        ]
        output.result(output.columns(("NAME", "STARS", "OFFICIAL", "DESCRIPTION"), rows))
    if not found:
        context.notice.say(f"nothing found for {term!r}")
    return 0 if found else 1


def _tags(references: list[str], name: str, parsed: Parsed, context: Context) -> int:
    tags = [Reference.parse(text).tag or "" for text in references]
    if parsed.text("format") == "json":
        output.json_result(tags)
    else:
        output.result("".join(f"{tag}\n" for tag in tags))
    if not tags:
        context.notice.say(f"{name} has no tags")
    return 0 if tags else 1
