"""An image of a repository as an ordinary image of the store: `pull cvmfs://...`, and starts where nothing can be mounted.

The image's objects are fetched at the same time into the node's cache, then laid out as one layer whose bytes depend on the image alone,
and unpacked as every layer is: hashed, merged, deduplicated against the trees that are there. With recorded files only, the
rest of the image is missing; that is for those who ask for it.
"""

from __future__ import annotations

import os
import stat
import tempfile
from typing import TYPE_CHECKING

from sampan.cvmfs.client import recorded
from sampan.cvmfs.entry import EXTERNAL, pieces
from sampan.errors import BadReference, ImageNotFound, NotInRepository, RepositoryError, SampanError, printable
from sampan.image import rootfs
from sampan.image.load import Loader
from sampan.image.resolve import wanted_platform
from sampan.image.spool import Opened
from sampan.layers import entry as kinds
from sampan.layers.archive import ArchiveSink
from sampan.oci.document import read_document
from sampan.oci.reference import Reference
from sampan.runtime.images import container_image, find
from sampan.runtime.in_place import CONFIG
from sampan.runtime.repositories import open_repository, split_reference
from sampan.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sampan.container.record import ContainerImage
    from sampan.cvmfs.client.client import Client
    from sampan.cvmfs.entry import Entry, Piece
    from sampan.runtime.session import Session

_KINDS = {
    stat.S_IFDIR: kinds.DIRECTORY, stat.S_IFREG: kinds.FILE, stat.S_IFLNK: kinds.SYMLINK, stat.S_IFCHR: kinds.CHAR,
    stat.S_IFBLK: kinds.BLOCK, stat.S_IFIFO: kinds.FIFO, stat.S_IFSOCK: kinds.SOCKET,
}  # fmt: skip


def name_in_store(text: str) -> str:
    """The reference under which an image of a repository is kept: its path's where that is one, else one made of the path.

    Raises `UsageError`.
    """
    name, path = split_reference(text)
    try:
        return str(Reference.parse(path))
    except BadReference:
        words = "".join(letter if letter.isalnum() or letter in "-./" else "-" for letter in f"{name}/{path}".lower())
        return str(Reference.parse("/".join(word.strip("-.") for word in words.split("/") if word.strip("-."))))


def from_store_or_repository(text: str, session: Session) -> ContainerImage:
    """The image of `cvmfs://NAME/PATH` as the store has it, fetched if it has not. Raises as `pull_from_repository`."""
    found = find(name_in_store(text), session)
    return found if found is not None else pull_from_repository(text, session)


def pull_from_repository(text: str, session: Session, *, only_recorded: bool = False, also: Sequence[str] = ()) -> ContainerImage:
    """Fetch an image of a repository into the store. `only_recorded`: the files that starts read, and those below the paths `also`.

    Raises `UsageError`, `Unreachable`, `RepositoryError`, `ImageNotFound`, `NoSpace`, `StoreError`.
    """
    name, path = split_reference(text)
    with open_repository(name, session) as client:
        try:
            where, top = client.follow(path)
        except NotInRepository as error:
            raise ImageNotFound(error.sentence, f"sampan images cvmfs://{name}") from error
        if not top.is_directory:
            raise ImageNotFound(f"{printable(text)} is no directory, so it is no image", f"sampan images cvmfs://{name}")
        entries = list(_wanted(client, where, only_recorded, also))
        _fetch(client, text, entries, session)
        try:
            return _load(client, text, where, entries, session)
        except SampanError as error:
            raise error.about(f"cannot pull {text}") from error.__cause__


def _wanted(client: Client, where: bytes, only_recorded: bool, also: Sequence[str]) -> Iterator[tuple[bytes, Entry]]:
    """Paths relative to the image, and entries, parents first."""
    keep: frozenset[bytes] | None = None
    below: tuple[bytes, ...] = ()
    if only_recorded:
        names = recorded.read(client, where)
        if not names:
            raise ImageNotFound(
                f"no files of {printable(where)} are recorded in {client.repository.name}", "`sampan repo trace` records them"
            )
        keep = frozenset((*names, CONFIG))
        below = tuple(os.fsencode(path).strip(b"/") for path in also)
    for path, entry in client.repository.walk(where):
        shown = path[len(where) + 1 :]
        is_kept = keep is None or not entry.is_file or shown in keep
        if shown and (is_kept or any(shown == top or shown.startswith(top + b"/") for top in below)):
            yield shown, entry


def _fetch(client: Client, text: str, entries: Sequence[tuple[bytes, Entry]], session: Session) -> None:
    wanted: list[tuple[Piece, str]] = []
    for path, entry in entries:
        if entry.flags & EXTERNAL:
            raise RepositoryError(f"the content of {printable(path)} lies outside of {client.repository.name}")
        if entry.body is not None:
            wanted += [(piece, entry.body.compression) for piece in pieces(entry.body, 0, entry.body.size)]
    task = session.progress.begin(text, sum(piece.size for piece, _ in wanted))
    try:
        client.contents.prefetch(wanted, done=task.advance)
    finally:
        task.done()


def _load(client: Client, text: str, where: bytes, entries: Sequence[tuple[bytes, Entry]], session: Session) -> ContainerImage:
    layout.create(session.store)
    wanted = wanted_platform(None)
    with tempfile.TemporaryFile(dir=session.store.join("tmp")) as file:
        sink = ArchiveSink(file.write)
        firsts: dict[tuple[bytes, int], bytes] = {}
        for path, entry in entries:
            made = _member(path, entry, firsts)
            sink.add(made, _body(client, entry) if made.kind == kinds.FILE else ())
        sink.finish()
        file.flush()
        config = _configuration(client, where) or rootfs.configuration({}, wanted.platform)
        source = Opened(text, file.fileno(), is_directory=False)
        packed = rootfs.packed(source, config, (Reference.parse(name_in_store(text)),))
        loader = Loader(session.store, session.notice, session.progress, wanted, keep_blobs=session.settings.flag("keep_blobs"))
        (image,) = loader.load([packed])
    return container_image(session.store, image)


def _member(path: bytes, entry: Entry, firsts: dict[tuple[bytes, int], bytes]) -> kinds.Entry:
    """An entry of the layer; the second name of a file is a hard link."""
    kind = _KINDS[stat.S_IFMT(entry.mode)]
    target = entry.target
    if entry.group and kind == kinds.FILE:
        key = (path.rpartition(b"/")[0], entry.group)
        first = firsts.setdefault(key, path)
        if first != path:
            kind, target = kinds.HARD_LINK, first
    device = (os.major(entry.device), os.minor(entry.device))
    return kinds.Entry(
        path, kind, mode=stat.S_IMODE(entry.mode), uid=entry.uid, gid=entry.gid, size=entry.size if kind == kinds.FILE else 0,
        mtime=entry.mtime, target=target, device=device, xattrs=entry.xattrs,
    )  # fmt: skip


def _body(client: Client, entry: Entry) -> Iterator[bytes]:
    body = entry.body
    if body is not None:
        for piece in pieces(body, 0, body.size):
            stored = client.contents.stored(piece.hash, piece.suffix, body.compression, piece.size)
            yield stored.read(0, piece.size)


def _configuration(client: Client, where: bytes) -> dict[str, object] | None:
    """What the image wants to run, as its publisher put it there; `None` without that. Raises `ProtocolError`."""
    entry = client.repository.lookup(where + b"/" + CONFIG)
    if entry is None or not entry.is_file:
        return None
    found = read_document(client.read_entry(entry), f"the configuration in {printable(where)}")
    return {key: value for key, value in found.items() if key not in ("rootfs", "history")}
