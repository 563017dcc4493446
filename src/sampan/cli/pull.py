"""`sampan pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime.pull import pull
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "pull",
    "fetch an image from its registry and unpack it",
    (Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]"),),
    (Argument("IMAGE", "1", "a reference such as debian:12 or quay.io/org/tool@sha256:..."),),
    description="Every byte is verified. Layers and trees that are in the store already are not fetched or unpacked again.",
    examples=(
        ("sampan pull debian:12", "from Docker Hub"),
        ("sampan pull localhost:5000/tools:1", "from a registry of your own"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print the reference with the digest of the manifest."""
    image = pull(str(parsed.values["image"]), session=context.session(), platform=parsed.text("platform"))
    result(f"{image.reference.partition('@')[0]}@{image.manifest}\n")
    return 0
