"""`sampan store`: look after the store as a whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime import store as flows
from sampan.store import du, pins
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

FORMAT = Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table")
DU = Command(
    "store du",
    "how much disk the store takes",
    (FORMAT,),
    description="Files that several images share are counted once.",
    examples=(("sampan store du", "by part"),),
)
FSCK = Command(
    "store fsck",
    "check the store, and name every damage",
    (
        Option("--contents", FLAG, "also hash every blob and every file"),
        Option("--repair", FLAG, "mend what can be made or fetched again"),
    ),
    description=(
        "Without --repair nothing is changed. A damaged image is unpacked again from its layers; where they are gone, it is removed, unless "
        "a container or a launch file needs it. Exit status 0 if nothing is damaged, or all was repaired; 125 otherwise."
    ),
    examples=(
        ("sampan store fsck", "a quick look"),
        ("sampan store fsck --contents --repair", "read everything, mend what can be"),
    ),
)
GC = Command(
    "store gc",
    "remove what nothing leads to any more",
    (Option("--grace", VALUE, "spare what was used or stored within this time, as 7d, 12h or 0 (default: 7d)", "TIME"),),
    description=(
        "Images without a name, layers without an image, leftovers of what was killed. Nothing that a name, a container, a launch file, a "
        "running program or a running pull needs. It may run at any time, beside anything."
    ),
    examples=(("sampan store gc --grace 0", "at once, even what was used a moment ago"),),
)
PRUNE = Command(
    "store prune",
    "make the store smaller: what was used longest ago goes first",
    (Option("--to", VALUE, "the size it may have", "SIZE"),),
    description=(
        "First goes what nothing leads to, then compressed layers of unpacked images, then whole images with their names. What a container, a "
        "launch file, a running program or a running pull needs stays. Exit status 125 if that is more than SIZE."
    ),
    examples=(("sampan store prune --to 20GB", "remove images until the store takes 20 GB"),),
)
MOVE = Command(
    "store move",
    "take the store to another directory or file system",
    (),
    (Argument("DIR", "1", "the new directory, which does not exist or is empty"),),
    description=(
        "Where it was a symbolic link stays, so settings and launch files still work. Interrupted, the same command goes on where it was. "
        "Nothing may run from the store meanwhile."
    ),
    examples=(("sampan store move /scratch/ana/sampan", "out of a home with a small quota"),),
)
INIT = Command(
    "store init",
    "make a store; for a site, one that everyone can read",
    (Option("--shared", FLAG, "everyone can read it, nobody else can write it"),),
    (Argument("DIR", "?", "its directory (default: SAMPAN_HOME)"),),
    description="A store is made by itself when it is first needed; this is for one that others name in SAMPAN_STORES.",
    examples=(
        ("sampan store init --shared /sw/sampan", "then `SAMPAN_HOME=/sw/sampan sampan pull debian:12` fills it"),
        ("SAMPAN_STORES=/sw/sampan sampan run debian:12 true", "as others use it"),
    ),
)
PINS = Command(
    "store pins",
    "list the pins by which launch files hold their images, or end some",
    (FORMAT,),
    (Argument("rm", "?", "the word `rm`"), Argument("ID", "*", "pins to end")),
    examples=(("sampan store pins", "list them"), ("sampan store pins rm 3f2a", "end one; its launch file may stop working")),
)

ADOPT = Command(
    "store adopt",
    "take over what udocker has, without a download",
    (Option("--containers", FLAG, "its containers too, as private copies"),),
    (Argument("DIR", "?", "its directory (default: UDOCKER_DIR, else ~/.udocker)"),),
    description=(
        "Every image is verified, which udocker does not do, and unpacked once. Nothing is changed there; remove it when all works. Containers "
        "of its F and R modes cannot be taken over, because these modes change files. Exit status 125 if something could not be."
    ),
    examples=(("sampan store adopt", "the images of ~/.udocker"),),
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
    """A line a damage, with what was done about it."""
    session = context.session()
    task = context.progress.begin("checking", None)
    found = []
    for damage in flows.check(session, contents=parsed.flag("contents"), task=task):
        found.append(damage)
        if not parsed.flag("repair"):
            output.result(f"{damage.sentence}\n")
    task.done()
    left = len(found)
    if parsed.flag("repair"):
        for damage, done in flows.repair(session, found):
            output.result(f"{damage.sentence}: {done or 'left as it is'}\n")
            left -= bool(done)
    if left:
        context.notice.say(f"{left} damaged; pull again what is named, or remove it with `sampan rmi` or `sampan rm -f`")
        return 125
    context.notice.say(f"the store {session.store.path} is in order{' again' if found else ''}")
    return 0


def collect(parsed: Parsed, context: Context) -> int:
    """A line for each tree and blob removed."""
    grace = parsed.text("grace")
    done = flows.collect(context.session(), None if grace is None else flows.parse_grace(grace))
    for kind, digests in (("tree", done.trees), ("blob", done.blobs)):
        for digest in digests:
            output.result(f"{kind} {digest}\n")
    context.notice.say(f"removed {len(done.trees)} trees and {len(done.blobs)} blobs, {output.size(done.size)}")
    return 0


def prune(parsed: Parsed, context: Context) -> int:
    """A line for each image removed."""
    text = parsed.text("to")
    if text is None:
        raise UsageError("`sampan store prune` needs --to SIZE", "as in `sampan store prune --to 20GB`")
    session = context.session()
    goal = flows.parse_amount(text)
    done = flows.prune_to(session, goal)
    for reference in done.references:
        output.result(f"{reference}\n")
    context.notice.say(
        f"removed {len(done.references)} images and {len(done.blobs)} blobs; the store takes {output.size(done.after)} now, "
        f"{output.size(done.before)} before"
    )
    flows.check_pruned(session, done, goal)
    return 0


def move(parsed: Parsed, context: Context) -> int:
    """The new path."""
    output.result(f"{flows.move(context.session(), str(parsed.values['dir']))}\n")
    return 0


def adopt(parsed: Parsed, context: Context) -> int:
    """A line for each image and container; what cannot be taken over is said."""
    from sampan.runtime.adopt import adopt as take
    from sampan.runtime.adopt import default_directory

    status = 0
    for name, error in take(
        context.session(), parsed.text("dir") or default_directory(), with_containers=parsed.flag("containers")
    ):
        if error is None:
            output.result(f"{name}\n")
        else:
            output.say_error(error)
            status = error.exit_code
    return status


def init(parsed: Parsed, context: Context) -> int:
    """The path."""
    output.result(f"{flows.init(context.session(), parsed.text('dir') or '', shared=parsed.flag('shared')).path}\n")
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


VERBS = {
    "du": (DU, usage),
    "fsck": (FSCK, check),
    "gc": (GC, collect),
    "prune": (PRUNE, prune),
    "pins": (PINS, pinned),
    "move": (MOVE, move),
    "init": (INIT, init),
    "adopt": (ADOPT, adopt),
}
