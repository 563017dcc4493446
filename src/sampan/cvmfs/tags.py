"""Names for states of a repository, and the way back to one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from sampan.cvmfs import build, history
from sampan.cvmfs.bodies import Bodies
from sampan.cvmfs.edit import Editor
from sampan.cvmfs.history import Tag
from sampan.cvmfs.release import Release, with_names
from sampan.cvmfs.scratch import scratch_directory
from sampan.errors import HostError, NotInRepository, printable
from sampan.events import SILENT_NOTICE

if TYPE_CHECKING:
    from sampan.cvmfs.hashing import Hash
    from sampan.cvmfs.keys import Signer
    from sampan.cvmfs.manifest import Manifest
    from sampan.cvmfs.objects import Store
    from sampan.events import Notice


def set_tag(
    store: Store, signer: Signer, name: str, *, of: str | None = None, description: str = "", notice: Notice = SILENT_NOTICE
) -> Manifest:
    """Name the current state, or the one with the tag `of`; a tag of this name moves. The revision stays.

    Raises `UsageError` for an impossible name, `NotInRepository` for an unknown tag, `RepositoryBusy`, `HostError`.
    """
    history.checked_name(name)
    with store.lock("sets a tag", notice), scratch_directory() as scratch:
        release = Release.load(store, signer, scratch)
        state = release.base.manifest
        found = Tag("", state.root, state.revision, state.timestamp, size=state.root_size) if of is None else _tag(release, of)
        return release.publish(tags=with_names({name: description}, found))


def remove_tag(store: Store, signer: Signer, name: str, *, notice: Notice = SILENT_NOTICE) -> Manifest:
    """Remove a name; the state stays until it is collected. Raises `NotInRepository`, `UsageError`, `RepositoryBusy`, `HostError`."""
    history.checked_name(name)
    with store.lock("removes a tag", notice), scratch_directory() as scratch:
        release = Release.load(store, signer, scratch)
        _tag(release, name)
        return release.publish(tags=lambda tags: tuple(tag for tag in tags if tag.name != name))


def rollback(store: Store, signer: Signer, tag: str = history.TRUNK_PREVIOUS, *, notice: Notice = SILENT_NOTICE) -> Manifest:
    """A new revision with the content that `tag` names; clients move on, never back. Tags stay as they are.

    Raises `NotInRepository`, `RepositoryBusy`, `HostError`.
    """
    with store.lock("rolls back", notice), scratch_directory() as scratch:
        release = Release.load(store, signer, scratch)
        found = _tag(release, tag)
        state = release.base.manifest
        bodies = Bodies(release.deposit, release.compressor(), 1)
        empty = bodies.add(io.BytesIO(b""))
        bodies.close()

        def previous(path: bytes) -> Hash | None:
            return None if path else state.root

        setting = build.Setting(release.deposit, scratch, state.revision + 1, release.now, state.ttl, empty, previous)
        editor = Editor(release.base.at(found.name), setting)
        built = editor.finish(always=True)
        if built is None:
            raise HostError("a root catalog was not written")
        return release.publish((built.hash, built.size))


def _tag(release: Release, name: str) -> Tag:
    found = next((tag for tag in release.base.history if tag.name == name), None)
    if found is None:
        raise NotInRepository(f"{release.base.name} has no tag {printable(name)!r}", "`sampan repo tag` lists them")
    return found
