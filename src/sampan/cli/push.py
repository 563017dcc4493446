"""`sampan push`."""

from __future__ import annotations

from sampan.cli.authfile import AUTHFILE, session_for_registries
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.runtime.push import push
from sampan.terminal.output import result

TYPE_CHECKING = False  # `typing` costs 6 ms; type checkers know this name
if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "push",
    "send an image to a registry",
    (
        Option("--all-platforms", FLAG, "the whole index that the image was chosen from (see `sampan pull --all-platforms`)"),
        AUTHFILE,
    ),
    (
        Argument("IMAGE", "1", "an image of the store"),
        Argument("TO", "?", "where to, as HOST/NAME:TAG; without it to the registry of its own name"),
    ),
    description="Manifest and layers go as they were pulled, so the digest stays the same. What the registry has already is not sent.",
    examples=(
        ("sampan push debian:12 registry.lab.example/mirror/debian:12", "under another name"),
        ("sampan tag tools:1 registry.lab.example/tools:1 && sampan push registry.lab.example/tools:1", "as Docker does it"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print the reference with the digest of what was sent."""
    session = session_for_registries(context, parsed)
    pushed = push(str(parsed.values["image"]), parsed.text("to"), session=session, all_platforms=parsed.flag("all_platforms"))
    result(f"{pushed.reference}@{pushed.digest}\n")
    return 0
