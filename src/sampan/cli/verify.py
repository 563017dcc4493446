"""`sampan verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import SampanError
from sampan.options.table import Argument, Command
from sampan.runtime.verify import verify
from sampan.terminal.output import result, say_error

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "verify",
    "read all of an image again and compare it with its digests",
    (),
    (Argument("IMAGE", "+", "references or ids"),),
    description="Every blob and every file of the unpacked tree is hashed. Exit status 125 if something is damaged; each damage is a line.",
    examples=(("sampan verify debian:12", "after trouble with a disk, say"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """A line for each damage; a notice for an image that is in order."""
    session = context.session()
    status = 0
    for name in parsed.texts("image"):
        try:
            found = verify(name, session)
        except SampanError as error:
            say_error(error)
            status = error.exit_code
            continue
        for sentence in found.damage:
            result(f"{name}: {sentence}\n")
        if found.damage:
            context.notice.say(f"{name} is damaged; remove it with `sampan rmi` and pull or load it again")
            status = 125
        else:
            absent = f", {found.absent} blobs are not kept" if found.absent else ""
            context.notice.say(f"{name} is in order: {found.blobs} blobs and the tree{absent}")
    return status
