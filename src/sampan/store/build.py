"""Make a tree from layers: begin as the longest prefix that is there, apply the rest, flush, give it its name.

Theory of operation. Everything happens in a directory of this process below `tmp/`. It becomes `trees/<chain>` by one rename
after one `syncfs` and the fsync of its record, so a name never leads to half a tree, whatever dies when. Two processes that
build the same tree wait for each other where locks work; where they do not, both build, the second rename fails, and the
first tree is as good. An error removes what was made.
"""

from __future__ import annotations

import ctypes
import errno
import gc as cycles
import os
from contextlib import contextmanager
from hashlib import sha256

from sampan.errors import CorruptRecord, LayerError, StoreError
from sampan.layers import mtree
from sampan.layers.clone import Ways, clone
from sampan.layers.directory import DirectorySink
from sampan.layers.entry import FILE
from sampan.layers.index import Counts, Index
from sampan.layers.limits import MAX_LAYERS, Allowance
from sampan.layers.ondisk import is_case_insensitive
from sampan.layers.removal import remove
from sampan.layers.unpack import Layer, apply_layer
from sampan.oci.digest import Digest, chain_ids, sha256_of
from sampan.store import contents, layout, records, sweep, trees
from sampan.store.equal import Equals
from sampan.store.locks import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from hashlib import _Hash
    from io import FileIO

    from sampan.events import Notice
    from sampan.layers.directory import LinkEqual
    from sampan.store.layout import Store
    from sampan.store.leases import Lease
    from sampan.store.trees import Tree

_LINES = 4000  # of an index, written at once


class Base:
    """What a tree begins as: the first `depth` layers are those of `tree` (`None`: depth 0, nothing)."""

    __slots__ = ("depth", "tree")

    def __init__(self, tree: Tree | None, depth: int) -> None:
        self.tree = tree
        self.depth = depth


def chain_of(diff_ids: Sequence[Digest]) -> Digest:
    """The chain id of a whole image; one without layers has that of no bytes."""
    return chain_ids(diff_ids)[-1] if diff_ids else sha256_of(b"")


def base_for(lease: Lease, diff_ids: Sequence[Digest], sites: Sequence[Store] = ()) -> Base:
    """The longest prefix of the layers that a store has as a tree.

    What the lease's own store has stays while the lease lasts. A tree of a site's store is taken where the own one has none,
    for it may have to be copied, or where it can be linked.
    """
    own = _own_base(lease, diff_ids)
    best = own
    for site in sites:
        tree, depth = trees.longest_prefix(site, diff_ids)
        if tree is not None and depth > best.depth and (not own.depth or _may_link(lease.store, tree)):
            best = Base(tree, depth)
    return best


def _own_base(lease: Lease, diff_ids: Sequence[Digest]) -> Base:
    while True:
        tree, depth = trees.longest_prefix(lease.store, diff_ids)
        if tree is None:
            return Base(None, 0)
        lease.add(tree.chain)
        if trees.find(lease.store, tree.chain) is not None:
            return Base(tree, depth)


def _may_link(store: Store, tree: Tree) -> bool:
    """Whether its files may become files of this store: who owns one can change it."""
    try:
        found, here = os.stat(tree.rootfs), os.stat(store.path)
    except OSError:
        return False
    return (found.st_uid, found.st_dev) == (os.geteuid(), here.st_dev)


def build(lease: Lease, diff_ids: Sequence[Digest], base: Base, layers: Sequence[Layer], notice: Notice) -> Tree:
    """The tree of an image with these layers, of which `layers` are those above `base`; it may be there already.

    The layers' sources may still be growing; they are closed in any case. Raises `LayerError`, `DigestMismatch`, `NoSpace`,
    `StoreError`, `CorruptRecord` of the base, and what a source was failed with.
    """
    store = lease.store
    chain = chain_of(diff_ids)
    lease.add(str(chain))
    try:
        _check_layers(diff_ids, base, layers)
        with Lock(store.join("tmp", f"{chain.encoded}.tree"), notice, f"unpacks the same image ({chain.short})"):
            tree = trees.find(store, str(chain))
            if tree is None:
                _build(store, diff_ids, base, layers)
                tree = trees.find(store, str(chain))
    except OSError as error:
        raise layout.failure(store, f"cannot unpack the image with chain {chain.short}", error) from error
    finally:
        for layer in layers:
            layer.source.close()
    if tree is None:
        raise StoreError(f"the tree {chain.short} was removed from {store.path} while it was unpacked", "try again")
    sweep.leftovers(store)
    return tree


def _check_layers(diff_ids: Sequence[Digest], base: Base, layers: Sequence[Layer]) -> None:
    if len(diff_ids) > MAX_LAYERS:
        raise LayerError(f"the image has {len(diff_ids)} layers, more than the limit of {MAX_LAYERS}")
    if [layer.diff_id for layer in layers] != list(diff_ids[base.depth :]):
        raise LayerError("the layers given are not those of the image above its base")


def rebuild(lease: Lease, tree: Tree, diff_ids: Sequence[Digest], layers: Sequence[Layer]) -> None:
    """Make a damaged tree anew from all its layers, with nothing of other trees, and let it take the old one's place.

    Raises as `build`; then the old one stays.
    """
    store = lease.store
    lease.add(tree.chain)
    try:
        _check_layers(diff_ids, Base(None, 0), layers)
        _build(store, diff_ids, Base(None, 0), layers, replaced=tree)
    except OSError as error:
        raise layout.failure(store, f"cannot unpack the image with chain {tree.chain[:19]} again", error) from error
    finally:
        for layer in layers:
            layer.source.close()


def _build(store: Store, diff_ids: Sequence[Digest], base: Base, layers: Sequence[Layer], replaced: Tree | None = None) -> None:
    place = store.temporary("tree")
    os.mkdir(place, 0o700)
    try:
        with _without_cycles():
            _make(store, place, diff_ids, base, layers, replaced)
        if store.is_shared():
            for name in ("", "index", "contents", "used", "tree.json"):
                os.chmod(f"{place}/{name}", 0o644 if name else 0o755)
        goal = trees.directory_of(store, str(chain_of(diff_ids)))
        if replaced is not None:
            _take_away(store, goal, place)
        _give_name(place, goal)
    finally:
        _remove(place)


@contextmanager
def _without_cycles() -> Iterator[None]:
    """Leave the collector of cycles out: an index is many objects, without a cycle, and walking them again and again is a quarter
    of the time that a tree above a base takes.
    """
    was = cycles.isenabled()
    cycles.disable()
    try:
        yield
    finally:
        if was:
            cycles.enable()


def _make(
    store: Store, place: str, diff_ids: Sequence[Digest], base: Base, layers: Sequence[Layer], replaced: Tree | None
) -> None:
    """Fill the directory `place` with all that a tree has."""
    rootfs = os.path.join(place, "rootfs")
    os.mkdir(rootfs, 0o700)
    equals = Equals(store, base.tree if base.tree is not None and _may_link(store, base.tree) else None)
    try:
        index = _fill(store, rootfs, base, layers, equals.link if replaced is None else None)
    finally:
        equals.close()
    _describe(place, str(chain_of(diff_ids)), diff_ids, index)


def _take_away(store: Store, goal: str, place: str) -> None:
    """Make room for the new tree at `place`, which is as old in use as the one it replaces."""
    if os.path.exists(f"{goal}/used"):
        used = os.stat(f"{goal}/used")
        os.utime(f"{place}/used", ns=(used.st_atime_ns, used.st_mtime_ns))
    if os.path.lexists(goal):
        # Given back by the sweep if this process dies before the new tree has the name (`sweep.py`).
        os.rename(goal, store.temporary(sweep.undecided(f"sha256:{os.path.basename(goal)}", is_tree=True)))


def _fill(store: Store, rootfs: str, base: Base, layers: Sequence[Layer], link_equal: LinkEqual | None) -> Index:
    descriptor = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if is_case_insensitive(descriptor):
            raise StoreError(
                f"the file system of {store.path} does not tell upper from lower case, which images need",
                "choose another place with SAMPAN_HOME",
            )
        index = Index() if base.tree is None else read_index(base.tree)
        sink = DirectorySink(descriptor, store.path, everyone=store.is_shared(), link_equal=link_equal)
        try:
            if base.tree is not None:
                sink.files += index.made
                ways = Ways(everyone=store.is_shared(), may_link=_may_link(store, base.tree), link_equal=link_equal)
                _begin_as(base.tree, descriptor, index, ways)
            allowance = Allowance()
            for layer in layers:
                apply_layer(layer, index, sink, allowance)
            sink.finish(index)
        except OSError as error:
            raise sink.explain(error) from error
        finally:
            sink.close()
    finally:
        os.close(descriptor)
    return index


def _begin_as(tree: Tree, target: int, index: Index, ways: Ways) -> None:
    source = os.open(tree.rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        clone(source, target, index, ways)
    except FileNotFoundError as error:
        raise StoreError(
            f"the tree {tree.directory} lacks a file that is in its index", "`sampan store fsck` finds all that is damaged"
        ) from error
    finally:
        os.close(source)


def read_index(tree: Tree, *, every_word: bool = False) -> Index:
    """The index of a tree, which matches the tree's record; `every_word` of it is looked at at once. Raises `CorruptRecord`."""
    try:
        with open(tree.index, "rb") as stream:
            data = stream.read()
        if f"sha256:{sha256(data).hexdigest()}" != trees.facts(tree).index:
            raise ValueError("it does not match the tree's record")
        return mtree.read(data.splitlines(keepends=True), verified=not every_word)
    except (OSError, ValueError) as error:
        raise CorruptRecord(
            f"the index {tree.index} is damaged: {error}", "`sampan store fsck` finds all that is damaged"
        ) from error


def _describe(place: str, chain: str, diff_ids: Sequence[Digest], index: Index) -> None:
    """Write index, its table of contents, use mark and record, with all else on the disk before the record."""
    content, counts, table = sha256(), Counts(), contents.Maker()
    pieces = [mtree.FIRST_LINE, mtree.DEFAULTS]
    offset = sum(map(len, pieces))
    with open(f"{place}/index", "xb", buffering=0) as stream:
        for node, words, text in mtree.entries(index):
            size = mtree.size_in(words) if node.kind is FILE else 0
            counts.add(node, size)
            if size >= contents.MIN_SIZE:
                table.add(node, words, size, offset)
            offset += len(text)
            pieces.append(text)
            if len(pieces) >= _LINES:
                _write(stream, pieces, content)
        _write(stream, pieces, content)
    with open(f"{place}/contents", "xb") as stream:
        stream.write(table.table())
    with open(f"{place}/used", "xb"):
        pass
    os.utime(f"{place}/used", (0, 0))  # no container yet
    flush_file_system(place)
    document: dict[str, object] = {
        "format": records.FORMAT,
        "chain": chain,
        "layers": [str(diff_id) for diff_id in diff_ids],
        "index": f"sha256:{content.hexdigest()}",
        "size": counts.size,
        "entries": counts.entries - 1,  # the root is not counted
        "files": counts.files,
        "directories": counts.directories - 1,
    }
    records.write(f"{place}/tree.json", f"{place}/tree.json.new", document)


def _write(stream: FileIO, pieces: list[bytes], content: _Hash) -> None:
    """Write, hash and forget the pieces."""
    data = memoryview(b"".join(pieces))
    pieces.clear()
    content.update(data)
    while data:
        data = data[stream.write(data) :]


def _give_name(place: str, goal: str) -> None:
    try:
        os.rename(place, goal)
    except OSError:
        # Another process was first, or a network file system lost the answer; either way the goal decides.
        if not os.path.exists(f"{goal}/tree.json"):
            raise
    records.flush_directory(os.path.dirname(goal))


def _remove(place: str) -> None:
    """Remove what is left of a build; nothing if it has its name now."""
    parent = os.open(os.path.dirname(place), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        remove(parent, os.path.basename(place))
    finally:
        os.close(parent)


def flush_file_system(path: str) -> None:
    """Bring everything of the file system to the disk: one call, where an fsync a file takes 18 s for 35,000 of them.

    Raises OSError, for instance where a network file system finds only now that a quota is reached.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            if number != errno.ENOSYS:
                raise OSError(number, os.strerror(number), path)
            os.sync()
    finally:
        os.close(descriptor)
