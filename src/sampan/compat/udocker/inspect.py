"""`udocker inspect`: the configuration of a container or an image as JSON, or where a container's files lie."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sampan.compat.udocker import repository
from sampan.errors import CannotHonour, ContainerNotFound
from sampan.options.table import FLAG, Argument, Command, Option
from sampan.runtime.images import config_document
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs


def main(call: Call) -> int:
    """The container of this name or id, else the image."""
    session, text = call.session(), str(call.parsed.values["thing"])
    try:
        record = repository.container(text, call, session)
    except ContainerNotFound:
        image = repository.named_image(text, call, session)
        where = image.tree
    else:
        image, where = record.image, f"{record.directory}/rootfs" if record.keep == "copy" else ""
    if not call.parsed.flag("p"):
        result(f"{json.dumps(config_document(image, session), sort_keys=True, indent=4)}\n")
        return 0
    if not where:
        raise CannotHonour(
            f"the files of the container {text} have no one place: it is a layer over its image, not a copy",
            "`sampan cp` copies files in and out, and `udocker setup --execmode=P1` makes it a copy",
        )
    result(f"{where}\n")
    return 0


VERBS: Verbs = {
    "inspect": (
        Command(
            "inspect", "print the configuration of a container or an image", (Option("-p", FLAG, "print where its files lie"),),
            (Argument("THING", "1", "a container, or an image"),),
        ),
        main,
    ),
}  # fmt: skip
