"""`sampan images cvmfs://NAME`: the images that a repository has, as its publisher noted them, else by the links that lead to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.distribute import state
from sampan.distribute.layout import FLAT, STATE
from sampan.errors import NotInRepository, UsageError
from sampan.terminal import output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cvmfs.client.client import Client
    from sampan.options.table import Parsed

SCHEME = "cvmfs://"
DEPTH = 6
"""Directories above a link: a registry, and the parts of a name."""


def main(parsed: Parsed, context: Context) -> int:
    """The table or JSON on standard output."""
    from sampan.runtime.repositories import open_repository

    name, _, base = str(parsed.values["name"])[len(SCHEME) :].partition("/")
    if parsed.texts("filter") or parsed.flag("tree") or parsed.flag("digests"):
        raise UsageError("--filter, --tree and --digests are for the images of the store", f"sampan images {SCHEME}{name}")
    with open_repository(name, context.session()) as client:
        found = list(_noted(client, base)) or list(_linked(client, base))
    if parsed.text("format") == "json":
        output.json_result(found)
    elif parsed.flag("ids"):
        output.result("".join(f"{one['image']}\n" for one in found))
    else:
        rows = [
            (
                str(one["image"]),
                str(one["platform"] or "-"),
                output.age(str(one["published"])) if one["published"] else "-",
                output.size(int(str(one["size"]))) if one["size"] is not None else "-",
            )
            for one in found
        ]
        output.result(output.columns(("IMAGE", "PLATFORM", "PUBLISHED", "SIZE"), rows))
    return 0


def _noted(client: Client, base: str) -> Iterator[dict[str, object]]:
    """As `sampan repo publish` noted them, newest first. Raises `ProtocolError`."""
    prefix = f"{base.strip('/')}/" if base.strip("/") else ""
    try:
        data = client.read(f"/{prefix}{STATE}")
    except NotInRepository:
        return
    records = state.load(data, f"{STATE} of {client.repository.name}").records.values()
    for record in sorted(records, key=lambda one: one.published, reverse=True):
        yield {
            "image": f"{SCHEME}{client.repository.name}/{prefix}{record.link}", "platform": record.platform,
            "published": record.published, "size": record.size, "digest": record.manifest,
        }  # fmt: skip


def _linked(client: Client, base: str) -> Iterator[dict[str, object]]:
    """By the symbolic links that lead to image directories, as DUCC and OSG's publisher make them too."""
    todo = [client.follow(base)[0]]
    while todo:
        directory = todo.pop()
        for entry in client.repository.listdir(directory):
            path = directory + b"/" + entry.name
            if entry.is_directory and not entry.name.startswith(b".") and path.count(b"/") <= DEPTH:
                todo.append(path)
            elif entry.is_symlink and (FLAT.encode() in entry.target or b"/.images/" in entry.target):
                shown = path.decode("utf-8", "backslashreplace")
                yield {
                    "image": f"{SCHEME}{client.repository.name}{shown}",
                    "platform": "",
                    "published": "",
                    "size": None,
                    "digest": "",
                }
