"""Make a tree from layers: begin as the longest prefix that is there, apply the rest, flush, give it its name.

Theory of operation. Everything happens in a directory of this process below `tmp/`. It becomes `trees/<chain>` by one rename
after one `syncfs` and the fsync of its record, so a name never leads to half a tree, whatever dies when. Two processes that
build the same tree wait for each other where locks work; where they do not, both build, the second rename fails, and the
first tree is as good. An error removes what was made.
"""

from __future__ import annotations

import ctypes
import os
from hashlib import sha256

from sampan.errors import CorruptRecord, LayerError, SampanError, StoreError
from sampan.layers import mtree
from sampan.layers.clone import clone
from sampan.layers.directory import DirectorySink
from sampan.layers.index import Index
from sampan.layers.limits import MAX_LAYERS, Allowance
from sampan.layers.ondisk import is_case_insensitive
from sampan.layers.removal import remove
from sampan.layers.unpack import Layer, apply_layer
from sampan.oci.digest import Digest, chain_ids, sha256_of
from sampan.store import layout, records, sweep, trees
from sampan.store.locks import Lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sampan.events import Notice
    from sampan.store.layout import Store
    from sampan.store.leases import Lease
    from sampan.store.trees import Tree

_BUFFER = 1 << 20


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
    """The longest prefix of the layers that the store has as a tree, which gc leaves alone while the lease lasts.

    One in a store of the site counts if it has more of the layers; its files are copied where they cannot be linked.
    """
    while True:
        tree, depth = trees.longest_prefix(lease.store, diff_ids)
        for site in sites:
            other, its_depth = trees.longest_prefix(site, diff_ids)
            if its_depth > depth:
                return Base(other, its_depth)
        if tree is None:
            return Base(None, 0)
        lease.add(tree.chain)
        if trees.find(lease.store, tree.chain) is not None:
            return Base(tree, depth)


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


def _build(store: Store, diff_ids: Sequence[Digest], base: Base, layers: Sequence[Layer]) -> None:
    place = store.temporary("tree")
    os.mkdir(place, 0o700)
    try:
        rootfs = os.path.join(place, "rootfs")
        os.mkdir(rootfs, 0o700)
        index = _fill(store, rootfs, base, layers)
        chain = chain_of(diff_ids)
        _describe(place, str(chain), diff_ids, index)
        _give_name(place, trees.directory_of(store, str(chain)))
    finally:
        _remove(place)


def _fill(store: Store, rootfs: str, base: Base, layers: Sequence[Layer]) -> Index:
    descriptor = os.open(rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if is_case_insensitive(descriptor):
            raise StoreError(
                f"the file system of {store.path} does not tell upper from lower case, which images need",
                "choose another place with SAMPAN_HOME",
            )
        index = Index() if base.tree is None else read_index(base.tree)
        sink = DirectorySink(descriptor, store.path)
        try:
            if base.tree is not None:
                sink.files += index.made
                _begin_as(base.tree, descriptor, index)
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


def _begin_as(tree: Tree, target: int, index: Index) -> None:
    source = os.open(tree.rootfs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        clone(source, target, index)
    except FileNotFoundError as error:
        raise StoreError(
            f"the tree {tree.directory} lacks a file that is in its index", "`sampan store fsck` finds all that is damaged"
        ) from error
    finally:
        os.close(source)


def read_index(tree: Tree) -> Index:
    """The index of a tree. Raises `CorruptRecord`."""
    try:
        with open(tree.index, "rb") as stream:
            return mtree.read(stream)
    except (OSError, ValueError, SampanError) as error:
        raise CorruptRecord(
            f"the index {tree.index} is damaged: {error}", "`sampan store fsck` finds all that is damaged"
        ) from error


def _describe(place: str, chain: str, diff_ids: Sequence[Digest], index: Index) -> None:
    """Write index, use mark and record, with all else on the disk before the record."""
    content = sha256()
    with open(f"{place}/index", "xb", buffering=_BUFFER) as stream:
        for line in mtree.write(index):
            content.update(line)
            stream.write(line)
    with open(f"{place}/used", "xb"):
        pass
    os.utime(f"{place}/used", (0, 0))  # no container yet
    _flush_file_system(place)
    counts = index.counts()
    document: dict[str, object] = {
        "format": records.FORMAT,
        "chain": chain,
        "layers": [str(diff_id) for diff_id in diff_ids],
        "index": f"sha256:{content.hexdigest()}",
        "size": counts.size,
        "entries": counts.entries,
        "files": counts.files,
        "directories": counts.directories,
    }
    records.write(f"{place}/tree.json", f"{place}/tree.json.new", document)


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


def _flush_file_system(path: str) -> None:
    """Bring everything of the file system to the disk: one call, where an fsync a file takes 18 s for 35,000 of them.

    Raises OSError, for instance where a network file system finds only now that a quota is reached.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)
