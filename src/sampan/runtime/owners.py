"""What the launcher needs to note and show owners for a payload that is root under one id (docs/design/launch-file.md, `owners`)."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import Record


def places(record: Record, of_image: str) -> tuple[str, str]:
    """The journal of a container (empty: nothing of it is kept), and the file of owners and modes that the image's own files have.

    That is to be `of_image`; empty if the image has none.
    """
    journal = ""
    if record.keep in ("overlay", "copy"):
        from sampan.runtime.files import JOURNAL

        journal = f"{record.directory}/{JOURNAL}"
    return journal, _made(record, of_image) if of_image else ""


def _made(record: Record, path: str) -> str:
    """The file, made once per boot and image; empty if it cannot be: then all of the image is shown as root's."""
    if os.path.exists(path):
        return path
    from sampan.layers.mtree import otherwise

    try:
        with open(os.path.join(os.path.dirname(record.image.tree), "index"), "rb") as stream:
            found = otherwise(stream)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "xb") as out:
            out.writelines(b"%b\0%d:%d:%o\0" % entry for entry in sorted(found))
        os.rename(temporary, path)
    except (OSError, ValueError):
        return ""
    return path
