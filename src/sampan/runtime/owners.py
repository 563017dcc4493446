"""What the launcher needs to note and show owners for a payload that is root under one id (docs/design/launch-file.md, `owners`)."""

from __future__ import annotations

import os

from sampan.host.runtime_directory import runtime_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.record import Record
    from sampan.runtime.session import Session


def places(record: Record, session: Session) -> tuple[str, str]:
    """The journal of a container (empty: nothing of it is kept), and the file of owners and modes that the image's own files have."""
    journal = ""
    if record.keep in ("overlay", "copy"):
        from sampan.runtime.files import JOURNAL  # not needed by what keeps nothing, and on its start-up path

        journal = f"{record.directory}/{JOURNAL}"
    return journal, _image_owners(record, session)


def _image_owners(record: Record, session: Session) -> str:
    """Made once per boot and image; empty if it cannot be: then all of the image is shown as root's."""
    if not record.image.tree or record.image.is_in_place:
        return ""
    chain = record.image.chain.rpartition(":")[2]
    path = os.path.join(runtime_directory(session.settings.text("runtime_dir")), f"owners.{chain}")
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
