"""`sampan wrap`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.container.request import IMAGE_ARGUMENTS, IMAGE_OPTIONS, KEEP_OPTIONS, from_options
from sampan.errors import UsageError
from sampan.options.table import FLAG, VALUE, Command, Option
from sampan.runtime.wrap import wrap

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "wrap",
    "make an executable file that runs a program in an image",
    (
        Option("-o --output", VALUE, "the file to write", "FILE"),
        Option("-f --force", FLAG, "replace a file that is there"),
        *(option for option in (*KEEP_OPTIONS, *IMAGE_OPTIONS) if option.name != "name"),
    ),
    IMAGE_ARGUMENTS,
    description=(
        "The file starts the program with no Python at all, as fast as the kernel can; its own arguments are appended. It is for you alone "
        "and for this machine's store: it holds the image's tree by a pin, which `sampan store pins` lists and ends."
    ),
    examples=(("sampan wrap -o samtools biocontainers/samtools:1.9 samtools", "then: ./samtools view x.bam"),),
    options_end=True,
)


def main(parsed: Parsed, context: Context) -> int:
    """Write the file."""
    path = parsed.text("output")
    if not path:
        raise UsageError("`sampan wrap` needs -o FILE", "sampan wrap -o FILE IMAGE PROGRAM")
    wrap(from_options(parsed), path, context.session(parsed), when=parsed.text("pull") or "missing", replace=parsed.flag("force"))
    return 0
