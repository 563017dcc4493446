"""The last steps of everything that changes a repository: history, metainfo, reflog, and at the end the signed manifest.

Whatever ends before the manifest is renamed leaves the old state in place, and objects that nothing names, which the next publish uses
again or a collection removes. The reflog lies under one name, so a process that dies between it and the manifest leaves a reflog that is
ahead; it is taken then as it is, since all it is used for is which old states to keep.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sampan.cvmfs import compression, history, manifest, reflog
from sampan.cvmfs.deposit import Deposit
from sampan.cvmfs.hashing import CERTIFICATE, HISTORY, METAINFO, Hash
from sampan.cvmfs.history import TRUNK, TRUNK_PREVIOUS, Tag
from sampan.cvmfs.letter import hash_text, join
from sampan.cvmfs.reader import Repository
from sampan.cvmfs.reflog import Reference
from sampan.errors import DigestMismatch, HostError, NotInRepository, RepositoryBusy, RepositoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sampan.cvmfs.compression import Compressor
    from sampan.cvmfs.keys import Signer
    from sampan.cvmfs.manifest import Manifest
    from sampan.cvmfs.metainfo import Metainfo
    from sampan.cvmfs.objects import Store

_AHEAD = 3600
"""Seconds that this clock may be behind the one of the last publish."""


class Release:
    """The state of a repository whose lock is held, and what its next one is made with."""

    def __init__(self, store: Store, signer: Signer, base: Repository, scratch: str, now: float | None = None) -> None:
        """Raises `HostError` where this machine's clock is behind the last publish."""
        self.store = store
        self.signer = signer
        self.base = base
        self.scratch = scratch
        self.now = int(time.time() if now is None else now)
        state = base.manifest
        self.deposit = Deposit(store, state.root.algorithm)
        if self.now < state.timestamp - _AHEAD:
            raise HostError(
                f"{base.name} was published at {_shown(state.timestamp)}, but this machine's clock says {_shown(self.now)}",
                "set the clock: clients refuse a state that is older than the one they have seen",
            )

    @classmethod
    def load(cls, store: Store, signer: Signer, scratch: str, now: float | None = None) -> Release:
        """The current state, verified. Raises what `Repository.open` raises."""
        base = Repository.open(store, (signer.public,), fqrn=signer.fqrn, scratch=scratch)
        return cls(store, signer, base, scratch, now)

    def compressor(self) -> Compressor:
        """The recorded compressor, checked; the official tools' one where nothing is recorded. Raises `HostError`, `UsageError`."""
        info = self.base.metainfo
        return compression.compressor(info.compressor or compression.DEFAULT, info.sample)

    def is_reflog_right(self) -> bool:
        """Whether the reflog is the one that the manifest names."""
        try:
            _ = self.base.reflog
        except (DigestMismatch, NotInRepository, RepositoryError):
            return False
        return True

    def references(self) -> tuple[Reference, ...]:
        """The reflog, and what the manifest names, whether or not it is in there."""
        state = self.base.manifest
        try:
            found = reflog.read(self.store.get_root_file(reflog.NAME), self.scratch)
        except (NotInRepository, RepositoryError):
            found = ()
        known = {one.hash for one in found}
        return found + tuple(one for one in _named(state) if one.hash not in known)

    def publish(
        self,
        root: tuple[Hash, int] | None = None,
        *,
        tags: Callable[[tuple[Tag, ...]], tuple[Tag, ...]] | None = None,
        keep: Callable[[Reference], bool] | None = None,
        metainfo: Metainfo | None = None,
    ) -> Manifest:
        """Write and sign the next manifest; the revision goes up if there is a new `root`.

        `tags` changes the tags, `keep` says what stays in the reflog. Raises `RepositoryBusy` if somebody published meanwhile
        in spite of the lock, `HostError`, `Unreachable`.
        """
        old = self.base.manifest
        stamp = max(self.now, old.timestamp)
        new = old._replace(timestamp=stamp, certificate=self.deposit.add(self.signer.certificate.pem, CERTIFICATE))
        if root is not None:
            new = new._replace(root=root[0], root_size=root[1], revision=old.revision + 1)
        before = self.base.history
        after = before if tags is None else tags(before)
        if root is not None:
            after = _moved(after, old, new)
        if after != before:
            data = history.written(after, old.fqrn, old.history, self.scratch)
            new = new._replace(history=self.deposit.add(data, HISTORY))
        if metainfo is not None:
            new = new._replace(metainfo=self.deposit.add(metainfo.written(), METAINFO))
        return self._sign(new, keep)

    def _sign(self, new: Manifest, keep: Callable[[Reference], bool] | None) -> Manifest:
        kept = tuple(one for one in self.references() if keep is None or keep(one))
        known = {one.hash for one in kept}
        added = tuple(one for one in _named(new) if one.hash not in known)
        data = reflog.written(kept + added, new.fqrn, self.scratch)
        new = new._replace(reflog=Hash.of(data, new.root.algorithm))
        text = new.text()
        signed = hash_text(text, new.root.algorithm)
        published = join(text, signed, self.signer.key.sign(signed))
        self.store.flush()
        self._check_unchanged()
        self.store.put_root_files(((reflog.NAME, data), (manifest.NAME, published)))
        return new

    def _check_unchanged(self) -> None:
        """Where locks do not work, two publishers meet here: the later one gives up."""
        now = Repository.open(self.store, (self.signer.public,), fqrn=self.signer.fqrn, scratch=self.scratch)
        if now.manifest != self.base.manifest:
            raise RepositoryBusy(
                f"somebody else published revision {now.manifest.revision} of {now.name} meanwhile",
                "nothing was published; try again",
            )


def _named(state: Manifest) -> tuple[Reference, ...]:
    """What a manifest names, as the reflog has it."""
    hashes = (
        (state.root, reflog.ROOT),
        (state.certificate, reflog.CERTIFICATE),
        (state.history, reflog.HISTORY),
        (state.metainfo, reflog.METAINFO),
    )
    return tuple(Reference(hash, kind, state.timestamp) for hash, kind in hashes if hash is not None)


def _moved(tags: tuple[Tag, ...], old: Manifest, new: Manifest) -> tuple[Tag, ...]:
    """The two tags that every publish sets."""
    kept = tuple(tag for tag in tags if tag.name not in (TRUNK, TRUNK_PREVIOUS))
    trunk = Tag(TRUNK, new.root, new.revision, new.timestamp, "current HEAD", new.root_size)
    previous = Tag(TRUNK_PREVIOUS, old.root, old.revision, old.timestamp, "default undo target", old.root_size)
    return (trunk, previous, *kept)


def with_names(names: Mapping[str, str], root: Tag) -> Callable[[tuple[Tag, ...]], tuple[Tag, ...]]:
    """Sets the tags `names` (with descriptions) to the state that `root` says."""
    added = tuple(root._replace(name=history.checked_name(name), description=text) for name, text in names.items())
    return lambda tags: (*added, *(tag for tag in tags if tag.name not in names))


def _shown(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))
