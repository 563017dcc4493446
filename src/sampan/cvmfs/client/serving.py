"""A repository mounted: client, tree, server and refresher together, from the mount to its end."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from sampan.cvmfs.client.refresh import Refresher
from sampan.cvmfs.client.tree import LazyTree
from sampan.cvmfs.fuse import mounting
from sampan.cvmfs.fuse.server import Server
from sampan.errors import HostError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from sampan.cvmfs.client.client import Client
    from sampan.cvmfs.entry import Piece

    Touched = Callable[[bytes, Piece, str], None]

ABSENT_SECONDS = 240
"""How long the kernel believes that a name is not there, at most: nobody tells it when one appears in a directory it does not know."""
REPEAT = 30.0
"""Seconds in which the same complaint is made once."""


class Serving:
    """One mount. `say` gets a sentence for the log."""

    def __init__(
        self, client: Client, directory: str, say: Callable[[str], None], *, xattrs: bool = True, touched: Touched | None = None
    ) -> None:
        """Mounts and begins to answer. Raises `HostError`, and what reading the root directory raises."""
        self.client = client
        self.directory = directory
        self._said: dict[str, float] = {}
        self._say = say
        self.tree = LazyTree(client.repository, client.contents, complain=self.complain, claim=client.site.claim, xattrs=xattrs)
        self.tree.touched = touched
        self.tree.root()
        mounting.clear_dead(directory)
        self._mounted = mounting.mount(directory, client.repository.name, kind="sampan-cvmfs")
        try:
            absent = ABSENT_SECONDS if not client.is_pinned else 86400
            self.server = Server(self._mounted.descriptor, self.tree, self.complain, absent=min(absent, _ttl(client)))
            if not self.server.start():
                raise HostError(f"the kernel does not answer for the mount on {directory}")
        except BaseException:
            self._mounted.unmount(lazily=True)
            self._mounted.release()
            raise
        self._refresher = Refresher(client, self.tree, self.server, say)
        if not client.is_pinned:
            self._refresher.start()

    def complain(self, sentence: str) -> None:
        """Say what is wrong, but not a thousand times."""
        now = time.monotonic()
        if now - self._said.get(sentence, -REPEAT) >= REPEAT:
            if len(self._said) > 1000:
                self._said.clear()
            self._said[sentence] = now
            self._say(sentence)

    def look(self) -> bool:
        """Look for a new revision now."""
        return self._refresher.look()

    def unmount(self, *, lazily: bool) -> bool:
        """Take the mount away; not `lazily`: only if nobody in this mount namespace uses it."""
        return self._mounted.unmount(lazily=lazily)

    def wait(self, seconds: float | None = None) -> bool:
        """Whether it is unmounted everywhere, waiting so long for it."""
        return self.server.wait(seconds)

    def close(self) -> None:
        """After the end: give everything back."""
        self._refresher.stop()
        self.server.close()
        self._mounted.release()
        self.client.close()

    def until_signal(self) -> None:
        """Serve until it is unmounted. SIGTERM and SIGINT unmount: who uses it goes on; a second one ends everything at once."""
        asked = 0

        def ask(_number: int, _frame: FrameType | None) -> None:
            nonlocal asked
            asked += 1
            if asked > 1:
                os._exit(0)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, ask)
        told = False
        while not self.wait(0.5):
            if asked and not told:
                told = True
                self.unmount(lazily=True)


def _ttl(client: Client) -> int:
    return max(client.repository.manifest.ttl, 1) if not client.is_pinned else 86400
