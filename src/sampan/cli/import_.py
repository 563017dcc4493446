"""`sampan import`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.options.table import LIST, VALUE, Argument, Command, Option
from sampan.runtime.import_ import import_root
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "import",
    "make an image of a root file system in a tar archive",
    (
        Option("-c --change", LIST, "an instruction: ENV, ENTRYPOINT, CMD, WORKDIR, USER, LABEL, EXPOSE, VOLUME, STOPSIGNAL", "INSTRUCTION"),
        Option("-m --message", VALUE, "a comment for the history", "TEXT"),
        Option("--platform", VALUE, "the platform of the programs in it; else this machine's", "OS/ARCH[/VARIANT]"),
    ),
    (
        Argument("FILE", "1", "the archive, compressed or not; - is standard input"),
        Argument("NAME", "?", "the name of the image; without one it is reached by its id"),
    ),
    examples=(
        ("sampan import base.tar.xz base:1", "a distribution's root file system"),
        ("tar -C root -c . | sampan import -c 'CMD [\"bash\"]' - mine:1", "a directory, with a command to run"),
    ),
)  # fmt: skip


def main(parsed: Parsed, context: Context) -> int:
    """Print the id."""
    image = import_root(
        str(parsed.values["file"]), parsed.text("name"), changes=parsed.texts("change"), message=parsed.text("message") or "",
        platform=parsed.text("platform"), session=context.session(),
    )  # fmt: skip
    result(f"{image.config}\n")
    return 0
