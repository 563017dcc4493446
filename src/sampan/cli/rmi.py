"""`sampan rmi`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import ImageNotFound, SampanError
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.runtime.rmi import remove
from sampan.terminal.output import result, say_error

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "rmi",
    "remove images",
    (Option("-f --force", FLAG, "also an image by id that has several names; a missing one is no failure"),),
    (Argument("IMAGE", "+", "references, NAME@DIGEST, ids or beginnings of ids"),),
    description=(
        "By a name this name goes; with the last name the unpacked tree and the blobs go too unless another image, a container, a launch "
        "file or a running program needs them."
    ),
    examples=(("sampan rmi debian:12", "by a name"), ("sampan rmi -f 1b2c3d", "by the beginning of its id, with all its names")),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print what was removed; one that cannot be does not hold up the others."""
    session = context.session()
    force = parsed.flag("force")
    status = 0
    for name in parsed.texts("image"):
        try:
            result("".join(f"{removed}\n" for removed in remove(name, session, force=force)))
        except SampanError as error:
            if force and isinstance(error, ImageNotFound):
                continue
            say_error(error)
            status = error.exit_code
    return status
