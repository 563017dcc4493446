"""`sampan commit`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.image.commit import Words
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.runtime import run
from sampan.runtime.commit import commit
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "commit",
    "make an image of a container",
    (
        Option("-a --author", VALUE, "who made it", "TEXT"),
        Option("-m --message", VALUE, "a comment for the history", "TEXT"),
        Option("-c --change", LIST, "an instruction: ENV, ENTRYPOINT, CMD, WORKDIR, USER, LABEL, EXPOSE, VOLUME, STOPSIGNAL", "INSTRUCTION"),
        Option("-p --pause", FLAG, "pause a detached container meanwhile, as is done unless it is false", default=True),
    ),
    (
        Argument("CONTAINER", "1", "a name or an id"),
        Argument("NAME", "?", "the name of the image; without one it is reached by its id"),
    ),
    description=(
        "The image is that of the container with one layer more, which holds what `sampan diff` lists. What the container was asked to run, its "
        "variables (-e NAME=VALUE), user, labels and directory become the image's. What is mounted in it is not in the image."
    ),
    examples=(
        ("sampan commit work tools:2", "keep what was installed in it"),
        ("sampan commit -c 'CMD [\"tool\"]' -m 'with tool' work tools:2", "with a program to run"),
    ),
)  # fmt: skip


def main(parsed: Parsed, context: Context) -> int:
    """Print the id."""
    session = context.session()
    words = Words(parsed.text("author") or "", parsed.text("message") or "", parsed.texts("change"))
    record = run.named(str(parsed.values["container"]), session)
    result(f"{commit(record, parsed.text('name'), words, session, pause=parsed.flag('pause')).config}\n")
    return 0
