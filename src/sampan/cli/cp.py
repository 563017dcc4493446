"""`sampan cp`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.runtime import run
from sampan.runtime.cp import STREAM, Manners, copy_in, copy_out

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "cp",
    "copy files into or out of a container",
    (
        Option("-a --archive", FLAG, "keep owners: noted in the container, set on the host if you are root"),
        Option("-L --follow-link", FLAG, "copy what a link leads to, not the link"),
        Option("-q --quiet", FLAG, "accepted; nothing is said anyway"),
    ),
    (
        Argument("SOURCE", "1", "CONTAINER:PATH, a path here, or `-` for an archive on standard input"),
        Argument("GOAL", "1", "the same; `-` writes an archive to standard output"),
    ),
    description=(
        "As `docker cp`: into a directory that is there a thing goes under its own name, else it gets the name given; `DIR/.` means what is in "
        "a directory. Paths in the container begin at its root. Of a container that runs all is seen that it sees; of one that does not, its own files "
        "without what is mounted in it, and it cannot be started meanwhile. A path with a colon is written `./a:b`."
    ),
    examples=(
        ("sampan cp work:/results .", "a directory out of it"),
        ("sampan cp input.dat work:/data/", "a file into it"),
        ("sampan cp work:/etc - | tar t", "as an archive"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Nothing is printed."""
    session = context.session()
    source, goal = _divided(str(parsed.values["source"])), _divided(str(parsed.values["goal"]))
    manners = Manners(follow=parsed.flag("follow_link"), keep_owners=parsed.flag("archive"))
    if source[0] and goal[0]:
        raise UsageError(
            "files are not copied from container to container",
            f"sampan cp {source[0]}:{source[1]} - | sampan cp - {goal[0]}:{goal[1]}",
        )
    if source[0]:
        copy_out(run.named(source[0], session), source[1], goal[1], session, manners)
    elif goal[0]:
        copy_in(run.named(goal[0], session), source[1], goal[1], session, manners)
    else:
        raise UsageError("neither of the two is in a container", "write CONTAINER:PATH for one of them")
    return 0


def _divided(text: str) -> tuple[str, str]:
    """(container or empty, path). Docker's rule: what begins with `/` or `.` is a path here. Raises `UsageError`."""
    name, colon, path = text.partition(":")
    if text == STREAM or not colon or text.startswith(("/", ".")):
        if not text:
            raise UsageError("an empty path names nothing")
        return "", text
    if not name or not path:
        raise UsageError(f"{text!r} is not CONTAINER:PATH", "the root of a container is CONTAINER:/")
    return name, path if path.startswith("/") else f"/{path}"
