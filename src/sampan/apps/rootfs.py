"""Root file systems as images: the archive that a descriptor of the kind rootfs names, fetched and imported once."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from sampan.apps.images import rootfs_name
from sampan.errors import Unreachable, printable
from sampan.runtime import images
from sampan.runtime.import_ import import_root
from sampan.store import layout

if TYPE_CHECKING:
    from sampan.runtime.session import Session

_SECONDS = 60
_CHUNK = 1 << 20


def ensure(url: str, session: Session) -> str:
    """The reference of the imported archive, which is fetched if it is not in a store. Raises `Unreachable`, and what an import raises."""
    name = rootfs_name(url)
    if images.find(name, session) is not None:
        return name
    if url.startswith(("/", "file://")):
        import_root(url.removeprefix("file://"), name, session=session)
        return name
    layout.create(session.store)
    path = session.store.temporary("rootfs")
    try:
        _fetch(url, path, session)
        import_root(path, name, message=f"Imported from {url}", session=session)
    finally:
        if os.path.exists(path):
            os.unlink(path)
    return name


def _fetch(url: str, path: str, session: Session) -> None:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer, open(path, "xb") as stream:  # noqa: S310 - `rootfs_name` allows http(s) alone
            length = answer.headers.get("Content-Length")
            task = session.progress.begin(url.rsplit("/", 1)[-1], int(length) if length and length.isdigit() else None)
            done = 0
            while chunk := answer.read(_CHUNK):
                stream.write(chunk)
                done += len(chunk)
                task.advance(len(chunk))
            task.done()
    except (OSError, urllib.error.URLError) as error:
        raise Unreachable(f"cannot fetch {printable(url)}: {error}") from error
    if length and length.isdigit() and done != int(length):
        raise Unreachable(f"cannot fetch {printable(url)}: it ended after {done} of {length} bytes", "try again")
