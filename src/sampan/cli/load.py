"""`sampan load`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime.load import load
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "load",
    "load images from an archive or a layout",
    (
        Option("-i --input", VALUE, "the archive, or the directory of a layout; else standard input", "FILE"),
        Option("--name", VALUE, "give the image this name; the archive has one image, or one is chosen", "NAME"),
        Option("--platform", VALUE, "of an image for several platforms the one for this", "OS/ARCH[/VARIANT]"),
    ),
    (Argument("IMAGE", "*", "only the images of these names"),),
    description=(
        "Takes what `docker save` of any age, `podman save`, `skopeo` and `buildah` write, OCI archives and layouts, and the root file system that "
        "`docker export` writes, compressed by gzip, zstd, xz or bzip2 or not. The content decides, not the name of the file. Every byte is "
        "verified. Names are those of the archive; an image without one is reached by its id, which is printed."
    ),
    examples=(
        ("sampan load -i tools.tar.gz", "all images of an archive"),
        ("ssh host docker save tools:1 | sampan load", "from another machine"),
        ("sampan load -i layout/ --name tools:1", "an OCI layout whose image has only a tag"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """A line for each name: the reference with the digest of the manifest; the id for an image without a name."""
    images = load(
        parsed.text("input") or "-", parsed.texts("image"), name=parsed.text("name"), platform=parsed.text("platform"),
        session=context.session(),
    )  # fmt: skip
    for image in images:
        is_named = image.reference != image.config
        result(f"{image.reference.partition('@')[0]}@{image.manifest}\n" if is_named else f"{image.config}\n")
    return 0
