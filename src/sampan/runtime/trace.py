"""`repo trace`: which files a start of an image reads, seen by a mount of its own that the kernel knows nothing of yet."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from sampan.cvmfs.client import recorded
from sampan.cvmfs.client.serving import Serving
from sampan.errors import ImageNotFound, NotInRepository
from sampan.runtime.repositories import open_repository, split_reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.cvmfs.entry import Piece
    from sampan.runtime.session import Session


class Traced:
    """What was read: `image` is the directory in the repository, `paths` relative to it, `size` the bytes of their objects, once each."""

    def __init__(self, repository: str, image: bytes, paths: tuple[bytes, ...], size: int, status: int) -> None:
        self.repository = repository
        self.image = image
        self.paths = paths
        self.size = size
        self.status = status

    @property
    def list_path(self) -> bytes:
        """Where in the repository the list belongs."""
        return recorded.list_path(self.image)

    def document(self) -> bytes:
        """The list."""
        return recorded.dump(self.paths)


def trace(text: str, words: Sequence[str], session: Session) -> Traced:
    """Run `words` in an image of a repository and record what is read.

    Raises `ImageNotFound`, `HostError` where nothing can be mounted, and what opening the repository raises.
    """
    name, path = split_reference(text)
    touched: dict[bytes, dict[bytes, int]] = {}

    def touch(file: bytes, piece: Piece, _compression: str) -> None:
        touched.setdefault(file, {})[piece.hash.digest] = piece.size

    client = open_repository(name, session)
    try:
        image, _ = client.follow(path)
    except NotInRepository as error:
        raise ImageNotFound(error.sentence, f"sampan images cvmfs://{name}") from error
    with tempfile.TemporaryDirectory(prefix="sampan-trace-") as place:
        serving = Serving(client, place, session.notice.say, xattrs=False, touched=touch)
        try:
            where = os.path.join(place, os.fsdecode(image.lstrip(b"/")))
            sys.stdout.flush()
            done = subprocess.run([*_own_command(), "run", where, *words], check=False)
        finally:
            serving.unmount(lazily=True)
            serving.wait(10)
            serving.close()
    inside = image + b"/"
    paths = tuple(sorted(file[len(inside) :] for file in touched if file.startswith(inside)))
    sizes = {digest: size for file, pieces in touched.items() if file.startswith(inside) for digest, size in pieces.items()}
    return Traced(name, image, paths, sum(sizes.values()), done.returncode)


def _own_command() -> list[str]:
    """How this sampan is called: the file that runs, be it the script or a zip, or the package."""
    script = os.path.abspath(sys.argv[0])
    if os.path.isfile(script) and not script.endswith("__main__.py"):
        return [sys.executable, script]
    return [sys.executable, "-m", "sampan"]
