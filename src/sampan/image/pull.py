"""Pull: an image from its registry into the store, every byte verified, unpacked while it downloads.

Theory of operation. After manifest and configuration are there, `parallel` threads fetch the layers' blobs, lowest
first, because applying is serial. The calling thread builds the tree above the longest prefix that is there, reading
each blob as it grows. The first failure on either side ends the other: the client is stopped and every follower failed.
What was fetched stays for the next try. The name is given last, so a killed pull leaves blobs and perhaps a tree,
never a name that leads nowhere.

Where there are mirrors, one may send wrong bytes that were unpacked before the digest told. They are fetched from elsewhere,
but cannot be taken out of the tree: so everything is unpacked once more, from blobs that are whole.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING

from sampan.errors import CorruptRecord, DigestMismatch, LayerError, NoSpace, SampanError, StoreError
from sampan.image.platforms import fetch_all
from sampan.image.resolve import Stored, layer_pairs, resolve
from sampan.layers.follow import GrowingFile
from sampan.layers.unpack import Layer
from sampan.store import blobs, gc, names, room, trees
from sampan.store.build import base_for, build, chain_of
from sampan.store.leases import Lease
from sampan.store.names import Image
from sampan.values import frozen

if TYPE_CHECKING:
    from sampan.events import Notice, Progress
    from sampan.image.resolve import Resolved
    from sampan.oci.descriptor import Descriptor
    from sampan.oci.digest import Digest
    from sampan.oci.platform import Wanted
    from sampan.oci.reference import Reference
    from sampan.registry.client import Client
    from sampan.store.layout import Store


@frozen
class Puller:
    """Where images come from and go to."""

    client: Client
    store: Store
    notice: Notice
    progress: Progress
    parallel: int = 4
    keep_blobs: bool = True
    sites: tuple[Store, ...] = ()
    """Stores that are only read: what they have unpacked is used there, and blobs are taken from them."""

    def pull(self, reference: Reference, wanted: Wanted, *, all_platforms: bool = False) -> Image:
        """Bring an image into the store and let its reference stand for it.

        `all_platforms`: bring the blobs of all others in its index too, not unpacked. Raises what `resolve`,
        `Client.fetch_blob` and `store.build.build` raise.
        """
        known = names.find(self.store, str(reference)) is not None
        found = resolve(self.client, reference, wanted, Stored(self.stored, is_known=known))
        try:
            with Lease(self.store) as lease:
                self._documents(lease, found)
                unpacked = self._unpacked(lease, found)
                if all_platforms:
                    fetch_all(self, lease, found)
                image = _named(found, unpacked)
                names.put(self.store, image)
        except NoSpace:
            self._make_room(found)
            raise
        if not self.keep_blobs:
            gc.drop(self.store, [str(layer.digest) for layer in found.manifest.layers])
        return image

    def stored(self, digest: Digest) -> bytes | None:
        """A small blob that is in the store already and whole."""
        try:
            return blobs.read(self.store, digest)
        except (FileNotFoundError, NotADirectoryError, CorruptRecord):
            return None

    def _unpacked(self, lease: Lease, found: Resolved) -> int:
        """Fetch and unpack the layers; once more, from whole blobs, after a mirror that may have sent wrong bytes."""
        try:
            return self._layers(lease, found)
        except (DigestMismatch, LayerError, StoreError) as error:
            if not self.client.has_mirrors(found.reference):
                raise
            self.notice.warn(f"{error}; unpacking again what is verified")
            self.client.go_on()
            return self._layers(lease, found, verified=True)

    def _make_room(self, found: Resolved) -> None:
        """A full disk or quota is left as it was: what came for an image that has no room would only be in the way."""
        digests = [layer.digest for layer in found.manifest.layers]
        for digest in digests:
            blobs.discard_partial(self.store, digest)
        fetched = [*(one.digest for one in (found.index, found.fetched) if one is not None), found.manifest.config.digest]
        with suppress(SampanError):
            gc.collect(self.store, 0, 0, frozenset(str(digest) for digest in (*digests, *fetched)))

    @staticmethod
    def _documents(lease: Lease, found: Resolved) -> None:
        """Index, manifest and configuration, byte for byte."""
        for fetched in (found.index, found.fetched):
            if fetched is not None:
                blobs.add(lease, [fetched.content], fetched.digest, f"the manifest of {found.reference.familiar}")
        digest = found.manifest.config.digest
        blobs.add(lease, [found.config_bytes], digest, f"the configuration of {found.reference.familiar}")

    def _layers(self, lease: Lease, found: Resolved, *, verified: bool = False) -> int:
        """Fetch what is missing and unpack; bytes of the files in the tree. `verified`: unpack nothing that is not whole."""
        pairs = layer_pairs(found)
        diff_ids = found.config.diff_ids
        there = trees.find_in(self.sites, str(chain_of(diff_ids)))
        if there is not None:
            self.notice.say(f"{found.reference.familiar} is used where it is unpacked: {there.directory}")
            return trees.facts(there).size
        base = base_for(lease, diff_ids, self.sites)
        room.check(self.store, self._need(found, base.depth), found.reference.familiar, self.notice)
        followers = {at: GrowingFile() for at in range(base.depth, len(pairs))}
        layers = [
            Layer(followers[at], diff_id, descriptor.size) for at, (descriptor, diff_id) in enumerate(pairs) if at in followers
        ]
        fetches = _Fetches(self, lease, found, verified=verified)
        try:
            fetches.start([(descriptor, followers.get(at)) for at, (descriptor, _) in enumerate(pairs)])
            tree = build(lease, diff_ids, base, layers, self.notice)
            fetches.finish()
        except BaseException as error:
            for follower in followers.values():
                follower.fail(error)
            fetches.abandon(wait=isinstance(error, Exception))
            raise
        return trees.facts(tree).size

    def _need(self, found: Resolved, depth: int) -> room.Need:
        """What has to be fetched and unpacked above the first `depth` layers."""
        fetched = {
            layer.digest: layer.size
            for at, layer in enumerate(found.manifest.layers)
            if (at >= depth or self.keep_blobs) and blobs.size_of(self.store, layer.digest) is None
        }
        packed, plain = 0, 0
        for descriptor, diff_id in layer_pairs(found)[depth:]:
            if descriptor.digest == diff_id:
                plain += descriptor.size
            else:
                packed += descriptor.size
        return room.Need(sum(fetched.values()), packed, plain, may_share=bool(trees.names(self.store)))


class _Fetches:
    """The downloads of one pull, in threads of their own. Not concurrent.futures: see `parallel.py`."""

    def __init__(self, puller: Puller, lease: Lease, found: Resolved, *, verified: bool) -> None:
        self._puller = puller
        self._verified = verified
        self._lease = lease
        self._reference = found.reference
        self._waiting: deque[tuple[Descriptor, list[GrowingFile]]] = deque()
        self._failures: list[BaseException] = []
        self._threads: list[Thread] = []

    def start(self, wanted: list[tuple[Descriptor, GrowingFile | None]]) -> None:
        """Fetch each blob once, lowest first; a blob that several layers share serves all of them."""
        by_digest: dict[str, tuple[Descriptor, list[GrowingFile]]] = {}
        for descriptor, follower in wanted:
            _, followers = by_digest.setdefault(str(descriptor.digest), (descriptor, []))
            followers += [follower] if follower is not None else []
        self._waiting.extend(one for one in by_digest.values() if one[1] or self._puller.keep_blobs)
        for _ in range(min(self._puller.parallel, len(self._waiting))):
            thread = Thread(target=self._work, name="sampan-fetch", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while True:
            try:
                descriptor, followers = self._waiting.popleft()
            except IndexError:
                return
            try:
                self._fetch(descriptor, followers)
            except BaseException as error:  # noqa: BLE001 - raised by `finish`, and by whoever reads what was fetched
                self._failures.append(error)

    def _fetch(self, descriptor: Descriptor, followers: list[GrowingFile]) -> None:
        first = followers[0] if followers and not self._verified else None
        try:
            with blobs.fetching(self._lease, descriptor.digest, first, self._puller.notice) as file:
                if file is not None and not blobs.copy_from(self._puller.sites, descriptor.digest, file):
                    task = self._puller.progress.begin(descriptor.digest.short, descriptor.size)
                    try:
                        self._puller.client.fetch_blob(self._reference, descriptor, file, task)
                    finally:
                        task.done()
            for follower in followers[0 if first is None else 1 :]:
                with blobs.fetching(self._lease, descriptor.digest, follower, self._puller.notice):
                    pass
        except BaseException as error:
            for follower in followers:
                follower.fail(error)
            raise

    def finish(self) -> None:
        """Wait for blobs that nothing had to unpack. Raises the first failure."""
        for thread in self._threads:
            thread.join()
        if self._failures:
            raise self._failures[0]

    def abandon(self, *, wait: bool) -> None:
        """End all downloads, after the first failure of any kind; without `wait` (Ctrl-C) some may end a little later."""
        self._waiting.clear()
        self._puller.client.stop()
        for thread in self._threads if wait else ():
            if thread.ident is not None:
                thread.join()


def _named(found: Resolved, unpacked: int) -> Image:
    return Image(
        reference=str(found.reference),
        manifest=str(found.fetched.digest),
        config=str(found.manifest.config.digest),
        chain=str(chain_of(found.config.diff_ids)),
        platform=str(found.platform),
        media_type=found.manifest.media_type,
        index=str(found.index.digest) if found.index else "",
        size=sum(layer.size for layer in found.manifest.layers),
        unpacked=unpacked,
        created=found.config.created,
        pulled=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )
