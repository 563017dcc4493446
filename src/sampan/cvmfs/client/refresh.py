"""A new revision under a mount: what has changed is told to the kernel, and what is open stays as it was.

The kernel believes what it was told for a day, so it asks nothing while nothing changes. Directories that it knows are compared between both
revisions; where the same catalog says what they hold, with one look. Names that differ are taken from the kernel, which looks
them up again and meets other nodes; who has an old file open reads it to its end.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sampan.cvmfs.client.tree import Place
from sampan.errors import NotInRepository, SampanError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sampan.cvmfs.client.client import Client
    from sampan.cvmfs.client.tree import LazyTree
    from sampan.cvmfs.entry import Entry
    from sampan.cvmfs.fuse.nodes import Node
    from sampan.cvmfs.fuse.server import Server
    from sampan.cvmfs.reader import Repository

SHORTEST, LONGEST = 1.0, 86400.0


class Refresher:
    """A thread that looks for a new revision each time the manifest's time to live is over."""

    def __init__(self, client: Client, tree: LazyTree, server: Server, say: Callable[[str], None]) -> None:
        self._client = client
        self._tree = tree
        self._server = server
        self._say = say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampan-refresh", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(min(max(self._client.repository.manifest.ttl, SHORTEST), LONGEST)):
            try:
                self.look()
            except SampanError as error:
                self._say(f"no new revision can be had: {error.sentence}")

    def look(self) -> bool:
        """Go on with the newest revision; whether it is another one. Raises what `Repository.refresh` raises."""
        old = self._client.repository
        if not self._client.refresh():
            return False
        new = self._client.repository
        nodes = self._server.answers.nodes.directories()
        self._tree.change(new)
        self._server.answers.drop_listings()
        for node in nodes:
            try:
                self._compare(node, old, new)
            except SampanError as error:
                self._say(error.sentence)
        self._say(f"revision {new.manifest.revision} of {new.name}, {old.manifest.revision} before")
        return True

    def _compare(self, node: Node, old: Repository, new: Repository) -> None:
        place = node.item.place
        if not isinstance(place, Place):
            return
        path = place.path
        was, now = old.catalog_of(path), new.catalog_of(path)
        if was.hash == now.hash and was.mountpoint == now.mountpoint:
            return
        item = self._tree.item_at(path)
        if item is None or item.place.catalog is None:  # type: ignore[attr-defined]
            return  # its name has changed in the directory above
        before, after = _listing(old, path), _listing(new, path)
        self._server.answers.nodes.replace(node, item)
        self._server.node_changed(node.number)
        for name in before.keys() | after.keys():
            if before.get(name) != after.get(name):
                self._server.name_changed(node.number, name)


def _listing(repository: Repository, path: bytes) -> dict[bytes, Entry]:
    try:
        return {entry.name: entry for entry in repository.listdir(path)}
    except NotInRepository:
        return {}
