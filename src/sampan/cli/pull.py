"""`sampan pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.authfile import AUTHFILE, session_for_registries
from sampan.errors import SampanError, UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.runtime.in_place import SCHEME
from sampan.runtime.pull import pull, tags_of
from sampan.terminal.output import result, say_error

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.container.record import ContainerImage
    from sampan.options.table import Parsed
    from sampan.runtime.session import Session

COMMAND = Command(
    "pull",
    "fetch images from their registries and unpack them",
    (
        Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]"),
        Option("--all-platforms", FLAG, "fetch what the index has for other platforms too, without unpacking it"),
        Option("-a --all-tags", FLAG, "all tags of the names"),
        Option("--offline", FLAG, "ask no registry: the images have to be in the store"),
        Option("--recorded", FLAG, "of cvmfs://NAME/PATH only the files that starts are known to read; the rest is missing then"),
        Option("--also", LIST, "with --recorded: what is below this path of the image, too", "PATH"),
        AUTHFILE,
    ),
    (Argument("IMAGE", "+", "references such as debian:12 or quay.io/org/tool@sha256:..."),),
    description="Every byte is verified. Layers and trees that are in the store already are not fetched or unpacked again. "
    "Of several images one that fails does not hold up the others.",
    examples=(
        ("sampan pull debian:12", "from Docker Hub"),
        ("sampan pull localhost:5000/tools:1 quay.io/biocontainers/samtools:1.9", "several, from wherever they are"),
        ("sampan pull --all-tags localhost:5000/tools", "every tag of a name"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Print each reference with the digest of its manifest."""
    if parsed.flag("offline") and parsed.flag("all_tags"):
        raise UsageError("--all-tags asks the registry, and --offline forbids it", "name the tags, or leave one of them away")
    session = session_for_registries(context, parsed)
    images = parsed.texts("image")
    if not all(name.startswith(SCHEME) for name in images) and (parsed.flag("recorded") or parsed.texts("also")):
        raise UsageError("--recorded and --also are for images cvmfs://NAME/PATH alone")
    names = [name for image in images for name in tags_of(image, session=session)] if parsed.flag("all_tags") else list(images)
    status = 0
    for name in names:
        try:
            image = (
                _from_repository(name, parsed, session)
                if name.startswith(SCHEME)
                else pull(
                    name,
                    session=session,
                    platform=parsed.text("platform"),
                    all_platforms=parsed.flag("all_platforms"),
                    offline=parsed.flag("offline"),
                )
            )
            result(f"{image.reference.partition('@')[0]}@{image.manifest}\n")
        except SampanError as error:
            if len(names) == 1:
                raise
            context.progress.stop()
            say_error(error)
            status = error.exit_code
    return status


def _from_repository(name: str, parsed: Parsed, session: Session) -> ContainerImage:
    from sampan.runtime.bundle import pull_from_repository

    if parsed.flag("all_tags") or parsed.flag("all_platforms") or parsed.text("platform"):
        raise UsageError(
            "--all-tags and platforms are for images at registries", "`sampan images cvmfs://NAME` lists a repository's"
        )
    return pull_from_repository(name, session, only_recorded=parsed.flag("recorded"), also=parsed.texts("also"))
