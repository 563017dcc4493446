"""`sampan save`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.image.save import DIRECTORY_FORM, DOCKER, FORMATS
from sampan.options.table import VALUE, Argument, Command, Option
from sampan.runtime.save import save

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "save",
    "write images to an archive",
    (
        Option("-o --output", VALUE, "the file, which is complete or not there; else standard output", "FILE"),
        Option("--format", VALUE, f"`{DOCKER}` (default), `oci-archive` or `{DIRECTORY_FORM}`", "FORMAT", FORMATS, DOCKER),
    ),
    (Argument("IMAGE", "+", "names, without a tag all of them, or ids"),),
    description=(
        "A docker-archive is read by `docker load` since 1.10, podman, skopeo and containerd; it holds an OCI layout too. The blobs are those of the "
        "registry or archive that the image came from, so digests stay. The same images give the same bytes."
    ),
    examples=(
        ("sampan save -o tools.tar tools:1 tools:2", "two images in one archive"),
        ("sampan save tools:1 | ssh host docker load", "to another machine"),
        (f"sampan save --format {DIRECTORY_FORM} -o layout tools:1", "an OCI layout"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """The archive is the result; nothing else is printed."""
    save(parsed.texts("image"), parsed.text("output") or "-", str(parsed.values["format"]), context.session())
    return 0
