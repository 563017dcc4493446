"""Collect what nothing leads to any more. Safe beside running pulls and containers, and takes no lock.

Theory of operation. *Roots* are everything that is held: names (manifest, config, index, and the layers that the manifest
lists), container records and pins (their trees), leases of running pulls (`leases.py`), and the mounts of this node's own
processes, whose label or root names a tree. A tree stays for a grace time after its last use, because a start on another
node leaves no trace but the mark. What is in no root is condemned (`leases.py`), and what is leased by then is spared: so a pull
never loses what it relies on. The rest is *renamed* below `tmp/`; then all roots and marks are read again, and only then it is
renamed once more and removed, or moved back: so whoever begins to hold a thing without a lease either finds it gone, or keeps
it. What a killed collection had moved but not sentenced is moved back by the next sweep (`sweep.py`).

A record that cannot be read may hold anything: collection then stops with an error that names it, and removes nothing.

Others who run from a shared store leave no trace at all. There a tree is marked when it is first found to be held by nothing,
and goes when a later collection finds it so after the grace time.
"""

from __future__ import annotations

import errno
import os
import time

from sampan.errors import CorruptRecord, SampanError
from sampan.host.processes import intercepted, own_pids
from sampan.layers.removal import remove
from sampan.oci.digest import Digest
from sampan.oci.scan import scan
from sampan.store import blobs, layout, names, pins, records, sweep, trees
from sampan.store.leases import Condemnation, leased, names_below
from sampan.store.records import remove_if_there

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sampan.store.layout import Store
    from sampan.store.trees import Tree

GRACE = 7 * 24 * 3600
"""Seconds that a tree stays after its last use, and a blob after it was stored, though nothing leads to it."""
_LABEL = "sampan:"
_MAX_MANIFEST = 4 << 20


class Held:
    """What must stay: trees by the hex of their chain id, with who holds each, and digests of blobs."""

    def __init__(self) -> None:
        self.trees: dict[str, set[str]] = {}
        self.blobs: set[str] = set()

    def hold_tree(self, chain: str, by: str) -> None:
        """`by` is in words, as `container web`."""
        self.trees.setdefault(chain.rpartition(":")[2], set()).add(by)


class Collected:
    """What a collection removed: chain ids of trees, digests of blobs, and the bytes of the blobs and tree files."""

    __slots__ = ("blobs", "size", "trees")

    def __init__(self) -> None:
        self.trees: list[str] = []
        self.blobs: list[str] = []
        self.size = 0


class _Candidate:
    """A tree or blob that nothing leads to; `place` is where it was moved."""

    __slots__ = ("digest", "is_tree", "path", "place", "size")

    def __init__(self, path: str, digest: str, size: int, *, is_tree: bool) -> None:
        self.path = path
        self.digest = digest
        self.size = size
        self.is_tree = is_tree
        self.place = ""

    def is_held(self, held: Held, used_since: float) -> bool:
        """Whether a root leads to it, or it is a tree that was used; looked up where it lies now."""
        if self.is_tree:
            return self.path.rpartition("/")[2] in held.trees or _was_used(self.place or self.path, used_since)
        return self.digest in held.blobs


def collect(store: Store, grace: float = GRACE, blob_grace: float = GRACE, only: frozenset[str] | None = None) -> Collected:
    """Remove the trees and blobs that nothing leads to, or those of them that are in `only` (chain ids and digests).

    `rmi` frees what its image had at once by `blob_grace=0` and `only`; a tree that was used within `grace` stays even then.
    Raises `CorruptRecord`, `NewerStore`, `StoreError`.
    """
    collected = Collected()
    now = time.time()
    held = roots(store)
    found = [
        *(_Candidate(tree.directory, tree.chain, _size_of(tree), is_tree=True) for tree in trees.listing(store)),
        *(
            _Candidate(blobs.path_of(store, digest), str(digest), size, is_tree=False)
            for digest, size, stored in blobs.listing(store)
            if stored <= now - blob_grace
        ),
    ]
    if store.is_shared():
        found = [one for one in found if not one.is_tree or _is_long_unheld(one, held, now)]
    unheld = [one for one in found if (only is None or one.digest in only) and not one.is_held(held, now - grace)]
    _take(store, unheld, collected, lambda moved: _still_unheld(store, moved, now - grace))
    sweep.leftovers(store)
    return collected


def drop(store: Store, digests: Iterable[str]) -> Collected:
    """Remove blobs although names lead to them, which is right for the layers of images that are unpacked.

    What a running pull relies on stays. Raises `StoreError`.
    """
    collected = Collected()
    found = []
    for text in set(digests):
        digest = Digest.parse(text)
        size = blobs.size_of(store, digest)
        if size is not None:
            found.append(_Candidate(blobs.path_of(store, digest), text, size, is_tree=False))
    _take(store, found, collected, lambda moved: moved)
    return collected


def _take(
    store: Store, unheld: list[_Candidate], collected: Collected, to_remove: Callable[[list[_Candidate]], list[_Candidate]]
) -> None:
    """Remove what is not leased, and of that what is `to_remove` when all was moved away."""
    if not unheld:
        return
    moved: list[_Candidate] = []
    doomed: list[_Candidate] = []
    try:
        with Condemnation(store, [one.digest for one in unheld]):
            spared = leased(store)
            try:
                for one in unheld:
                    if one.digest not in spared and _move(store, one):
                        moved.append(one)  # noqa: PERF401 - what was moved must be known when the next move fails
                doomed = to_remove(moved)
            finally:
                for one in moved:
                    if one in doomed:
                        _sentence(store, one)
                    else:
                        _move_back(one)
        for one in doomed:
            _remove(one)
            (collected.trees if one.is_tree else collected.blobs).append(one.digest)
            collected.size += one.size
    except OSError as error:
        raise layout.failure(store, f"cannot collect what is unused in {store.path}", error) from error


def _still_unheld(store: Store, moved: list[_Candidate], used_since: float) -> list[_Candidate]:
    if not moved:
        return []
    held = roots(store)
    return [one for one in moved if not one.is_held(held, used_since)]


def _is_long_unheld(one: _Candidate, held: Held, now: float) -> bool:
    """Whether a tree of a shared store was marked longer ago than the grace time; it is marked if it was not."""
    mark = f"{one.path}/unheld"
    try:
        if one.is_held(held, now - GRACE):
            remove_if_there(mark)
            return False
        with open(mark, "ab"):
            return os.stat(mark).st_mtime <= now - GRACE
    except OSError:
        return False  # another collection was faster


def _size_of(tree: Tree) -> int:
    try:
        return trees.facts(tree).size
    except CorruptRecord:
        if os.path.exists(tree.directory):
            raise
        return 0  # another collection was faster


def _move(store: Store, one: _Candidate) -> bool:
    place = store.temporary(sweep.undecided(one.digest, is_tree=one.is_tree))
    try:
        os.rename(one.path, place)
    except FileNotFoundError:
        return False  # another collection was faster
    one.place = place
    return True


def _move_back(one: _Candidate) -> None:
    try:
        os.rename(one.place, one.path)
    except OSError:
        if not os.path.exists(one.path):
            raise
        _remove(one)  # it was made anew meanwhile


def _sentence(store: Store, one: _Candidate) -> None:
    """From here on it is rubbish, whoever dies when."""
    place = store.temporary(sweep.DEAD[1:])
    os.rename(one.place, place)
    one.place = place


def _remove(one: _Candidate) -> None:
    parent = os.open(os.path.dirname(one.place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove(parent, os.path.basename(one.place))
    except OSError as error:
        # On NFS a file that a process of this node has open stays under a name of its own (`.nfs...`): the next sweep finds the rest.
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY, errno.ESTALE):
            raise
    finally:
        os.close(parent)


def _was_used(directory: str, when: float) -> bool:
    try:
        return os.stat(f"{directory}/used").st_mtime > when
    except OSError:
        return False


def roots(store: Store, *, with_names: bool = True) -> Held:
    """Everything that is held now, by names or only by the rest. Raises `CorruptRecord`, `NewerStore`, `StoreError`."""
    held = Held()
    for image in names.listing(store) if with_names else ():
        held.hold_tree(image.chain, f"name {image.reference}")
        held.blobs.update((image.manifest, image.config, image.index))
        held.blobs.update(mentioned(store, image.manifest))
    for name in names_below(store.join("containers")):
        _hold_container(store, name, held)
    for pin in pins.listing(store):
        held.hold_tree(pin.chain, f"pin {pin.id} ({pin.file})")
    for digest in leased(store):
        held.hold_tree(digest, "another sampan that is at work")
        held.blobs.add(digest)
    for chain, pid in mounted().items():
        held.hold_tree(chain, f"process {pid}")
    return held


def _hold_container(store: Store, name: str, held: Held) -> None:
    path = store.join("containers", name, "container.json")
    document = None if name == "names" else records.read(path)
    if document is None:
        return
    image = document.get("image")
    if not isinstance(image, dict):
        raise records.corrupt(path, "it names no image")
    held.hold_tree(records.text_of(image, "chain", path), f"container {document.get('name') or name[:12]}")
    held.blobs.update(records.text_of(image, key, path) for key in ("manifest", "config"))


def mentioned(store: Store, manifest: str) -> set[str]:
    """Every digest in a manifest: whatever they are for, they belong to the image. Empty if the manifest is not there.

    Raises `CorruptRecord` if it cannot be read, for then its layers would be lost.
    """
    try:
        raw = blobs.read(store, Digest.parse(manifest), _MAX_MANIFEST)
    except FileNotFoundError:
        return set()
    try:
        pending = [scan(raw.decode("utf-8"))]
    except ValueError as error:
        raise records.corrupt(manifest, "the manifest is not JSON") from error
    found = set()
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            digest = value.get("digest")
            if isinstance(digest, str):
                found.add(digest)
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return found


def mounted() -> dict[str, int]:
    """Hex of a chain id -> pid, for what may be trees and is mounted by processes of this user on this node.

    An overlay's source is its label (`sampan:<container>:<chain id>`, docs/design/launch-file.md); a bind shows the path of the
    tree as its root in the file system. A container of intercepted calls mounts nothing: its label is in the name of the
    memory file that each of its processes has mapped (docs/design/intercept.md).
    """
    found: dict[str, int] = {}
    seen: set[str] = set()
    for pid in own_pids():
        label = intercepted(pid)
        if label:
            found.setdefault(label.rpartition(":")[2], pid)
        try:
            namespace = os.readlink(f"/proc/{pid}/ns/mnt")
            if namespace in seen:
                continue
            seen.add(namespace)
            with open(f"/proc/{pid}/mountinfo", encoding="utf-8", errors="surrogateescape") as stream:
                for line in stream:
                    for chain in _trees_in(line):
                        found.setdefault(chain, pid)
        except OSError:
            continue
    return found


def _trees_in(line: str) -> list[str]:
    """The trees that one line of mountinfo (proc_pid_mountinfo(5)) leads to."""
    before, _, after = line.partition(" - ")
    fields, source = before.split(" "), after.split(" ")[1:2]
    found = []
    if source and source[0].startswith(_LABEL):
        found.append(source[0].rpartition(":")[2])
    root = fields[3] if len(fields) > 3 else ""
    if "/trees/" in root:
        found.append(root.rpartition("/trees/")[2].partition("/")[0])
    return found


def describe_holders(store: Store, chain: str) -> list[str]:
    """Who holds a tree, in words, for `rmi` to say why it stays. Raises as `roots`."""
    try:
        return sorted(roots(store).trees.get(chain.rpartition(":")[2], ()))
    except SampanError as error:
        return [error.sentence]
