"""`sampan store`: du, fsck, pins."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.store import du, fsck, pins
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

FORMAT = Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table")
DU = Command("store du", "how much disk the store takes", (FORMAT,))
FSCK = Command(
    "store fsck",
    "check the store, and name every damage",
    (Option("--contents", FLAG, "also hash every blob and every file"),),
    description="Nothing is changed. Exit status 0 if nothing is damaged, 125 otherwise.",
)
PINS = Command(
    "store pins",
    "list the pins by which launch files hold their images, or end some",
    (FORMAT,),
    (Argument("rm", "?", "the word `rm`"), Argument("ID", "*", "pins to end")),
    examples=(("sampan store pins", "list them"), ("sampan store pins rm 3f2a", "end one; its launch file may stop working")),
)


def usage(parsed: Parsed, context: Context) -> int:
    """A row a part."""
    parts = du.usage(context.session().store)
    if parsed.text("format") == "json":
        output.json_result([{"part": part.name, "count": part.count, "files": part.files, "size": part.size} for part in parts])
        return 0
    rows = [(part.name, str(part.count), str(part.files), output.size(part.size)) for part in parts]
    rows.append(("all", "", str(sum(part.files for part in parts)), output.size(sum(part.size for part in parts))))
    output.result(output.columns(("PART", "COUNT", "FILES", "SIZE"), rows))
    return 0


def check(parsed: Parsed, context: Context) -> int:
    """A line a damage."""
    store = context.session().store
    task = context.progress.begin("checking", None)
    count = 0
    for damage in fsck.check(store, parsed.flag("contents"), task):
        count += 1
        output.result(f"{damage.sentence}\n")
    task.done()
    if count:
        context.notice.say(f"{count} damaged; pull again what is named, or remove it with `sampan rmi` or `sampan rm -f`")
        return 125
    context.notice.say(f"the store {store.path} is in order")
    return 0


def pinned(parsed: Parsed, context: Context) -> int:
    """The list, or the pins ended."""
    store = context.session().store
    word, ids = parsed.text("rm"), parsed.texts("id")
    if word is not None:
        if word != "rm" or not ids:
            raise UsageError("`sampan store pins` lists pins, `sampan store pins rm ID...` ends them")
        for id in ids:
            output.result(f"{pins.remove(store, id).id}\n")
        return 0
    found = pins.listing(store)
    if parsed.text("format") == "json":
        output.json_result([{name: getattr(pin, name) for name in ("id", "chain", "file", "image", "created")} for pin in found])
        return 0
    rows = [
        (pin.id, pin.image, output.age(pin.created), pin.file + ("" if os.path.exists(pin.file) else " (gone)")) for pin in found
    ]
    output.result(output.columns(("PIN", "IMAGE", "CREATED", "FILE"), rows))
    return 0


VERBS = {"du": (DU, usage), "fsck": (FSCK, check), "pins": (PINS, pinned)}
